"""The rows of the request log: each answered request once, for one model version."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

_MAX_READS = 5
_TIME, _LATENCY, _VERSION = "_time", "_latency_ms", "_version"
_DAY = "day="


def list_days(folder: Path) -> list[datetime.date]:
    """Return the days for which the log has a folder, oldest first."""
    names = [path.name.removeprefix(_DAY) for path in folder.glob(f"{_DAY}*") if path.is_dir()]
    return sorted(datetime.date.fromisoformat(name) for name in names)


def read_day(folder: Path, day: datetime.date, version: str) -> pd.DataFrame:
    """Return the rows of a day that a version answered.

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
            frames = [pd.read_parquet(path, partitioning=None) for path in _list_files(folder, day)]
            break
        except FileNotFoundError:  # the endpoint has just merged files, or deleted the oldest ones
            if attempt == _MAX_READS - 1:
                raise
    parts = [frame[frame[_VERSION] == version] for frame in _drop_repeated_requests(frames)]
    return _concatenate(parts)


def iterate_spans(
    folder: Path, version: str, spans: list[tuple[datetime.datetime, datetime.datetime]]
) -> Iterator[pd.DataFrame]:
    """Yield the rows of each span of time that a version answered. A span is a number of whole days, in UTC."""
    days = list_days(folder)
    for start, end in spans:
        yield _concatenate([read_day(folder, day, version) for day in days if start.date() <= day < end.date()])


def _concatenate(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all tables; an empty table without columns if there are none."""
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def _list_files(folder: Path, day: datetime.date) -> list[Path]:
    """Return the files of a day, the newest first."""
    return sorted((folder / f"{_DAY}{day.isoformat()}").glob("*.parquet"), reverse=True)


def _drop_repeated_requests(frames: list[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Yield the tables without the requests of the tables before them.

    The endpoint merges small files into one, and a process that ends meanwhile leaves both. A request is recognised by
    its time in microseconds, its latency and its version; rows of the same request are in the same file.
    """
    seen: set[tuple[object, ...]] = set()
    for frame in frames:
        requests = pd.MultiIndex.from_frame(frame[[_TIME, _LATENCY, _VERSION]])
        is_repeated = requests.isin(seen) if seen else np.zeros(len(frame), dtype=bool)
        yield frame[~is_repeated]
        seen.update(requests.unique())
