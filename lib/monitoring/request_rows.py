"""The rows of the request log: each answered request once, for one model version."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

REQUEST_ID, ROW = "_request_id", "_row"
_MAX_READS = 5
_TIME, _LATENCY, _VERSION = "_time", "_latency_ms", "_version"
_DAY, _FILE = "day=", "_file_number"


def list_days(folder: Path) -> list[datetime.date]:
    """Return the days for which the log has a folder, oldest first."""
    names = [path.name.removeprefix(_DAY) for path in folder.glob(f"{_DAY}*") if path.is_dir()]
    return sorted(datetime.date.fromisoformat(name) for name in names)


def read_day(folder: Path, day: datetime.date, version: str) -> pd.DataFrame:
    """Return the rows of a day that a version answered, each request once.

    Parameters
    ----------
    folder : Path
        The folder of the request log.
    day : date
        In UTC.
    version : str

    Raises
    ------
    OSError
        If the files cannot be read.
    """
    for attempt in range(_MAX_READS):
        try:
            frames = [_read_file(path, version, number) for number, path in enumerate(_list_files(folder, day))]
            break
        except FileNotFoundError:  # the endpoint has just merged files, or deleted the oldest ones
            if attempt == _MAX_READS - 1:
                raise
    return drop_repeated_requests(_concatenate(frames))


def iterate_spans(
    folder: Path, version: str, spans: list[tuple[datetime.datetime, datetime.datetime]]
) -> Iterator[pd.DataFrame]:
    """Yield the rows of each span of time that a version answered. A span is a number of whole days, in UTC."""
    days = list_days(folder)
    for start, end in spans:
        inside = [read_day(folder, day, version) for day in days if start.date() <= day < end.date()]
        yield drop_repeated_requests(_concatenate(inside))  # a client may repeat a request after midnight


def drop_repeated_requests(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows without those of requests that occur more than once, numbered within each request from 0.

    There are two causes. The endpoint merges small files into one, and a process that ends meanwhile leaves both: then
    time, latency and id are the same. And a client that got no answer sends the same rows under the same id again. A
    client that gives all its requests the same id, but other rows, has sent different requests.
    """
    if rows.empty:
        return rows
    ids = rows[REQUEST_ID].fillna("") if REQUEST_ID in rows.columns else pd.Series("", rows.index)
    numbers = pd.MultiIndex.from_arrays([rows[_TIME], rows[_LATENCY], rows[_VERSION], ids]).factorize()[0]
    first_files = rows[_FILE].groupby(numbers).transform("first") if _FILE in rows.columns else None
    if first_files is not None:
        is_original = (rows[_FILE] == first_files).to_numpy()
        rows, ids, numbers = rows[is_original], ids[is_original], numbers[is_original]
    rows = rows[~_find_retries(rows, ids.to_numpy(), numbers)[numbers]].drop(columns=_FILE, errors="ignore")
    keys = [name for name in (_TIME, _LATENCY, _VERSION, REQUEST_ID) if name in rows.columns]
    numbered = rows.assign(**{ROW: rows.groupby(keys, sort=False, dropna=False).cumcount()})
    return numbered.reset_index(drop=True)


def _find_retries(rows: pd.DataFrame, ids: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return whether each request has the id and the rows of an earlier one, of shape (requests,)."""
    own = [name for name in rows.columns if name in (_TIME, _LATENCY, _VERSION, REQUEST_ID, ROW, _FILE)]
    hashes = pd.util.hash_pandas_object(rows.drop(columns=own), index=False).to_numpy()
    contents, id_of_request = np.zeros(numbers.max() + 1, dtype=np.uint64), np.empty(numbers.max() + 1, dtype=object)
    np.add.at(contents, numbers, hashes)
    id_of_request[numbers] = ids
    requests = pd.DataFrame({"id": id_of_request, "content": contents})
    return ((requests["id"] != "") & requests.duplicated()).to_numpy()


def _read_file(path: Path, version: str, number: int) -> pd.DataFrame:
    """Return the rows of a file that a version answered, with the number of the file."""
    rows = pd.read_parquet(path, partitioning=None, filters=[(_VERSION, "==", version)])
    return rows.assign(**{_FILE: number})


def _concatenate(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all tables; an empty table without columns if there are none."""
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def _list_files(folder: Path, day: datetime.date) -> list[Path]:
    """Return the files of a day, the newest first."""
    return sorted((folder / f"{_DAY}{day.isoformat()}").glob("*.parquet"), reverse=True)
