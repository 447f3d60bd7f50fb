"""Cleaning steps before and after a pipeline's own data preparation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from lib import cores
from lib.errors import NameNotFound, format_count
from lib.schema.text_values import decode_bytes
from lib.tables import frames
from lib.tables.column_names import deduplicate_names

_DURATION_KINDS = ("timedelta", "timedelta64")
_INDEX_NAMES = re.compile(r"(unnamed: \d+|index|level_0|)", re.IGNORECASE)


@dataclass(frozen=True)
class IndexRun:
    """Consecutive integers in a part of a column.

    Attributes
    ----------
    first, last : int
    """

    first: int
    last: int


def find_index_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns that are a saved row index: consecutive integers under the usual name of an index.

    Examples
    --------
    >>> find_index_columns(pd.DataFrame({"Unnamed: 0": [0, 1, 2], "age": [31, 32, 33]}))
    ['Unnamed: 0']
    """
    return list(find_index_runs(frame))


def may_be_index(name: str) -> bool:
    """Return whether a column has the usual name of a saved row index."""
    return _INDEX_NAMES.fullmatch(name) is not None


def find_index_runs(frame: pd.DataFrame) -> dict[str, IndexRun]:
    """Return the columns that may be a saved row index in a part of a table, with their first and last values."""
    runs = {}
    for position, name in enumerate(frame.columns):
        values = frame.iloc[:, position]
        if may_be_index(str(name)) and pd.api.types.is_integer_dtype(values.dtype) and len(values):
            if bool((values.diff().iloc[1:] == 1).all()):
                runs[name] = IndexRun(int(values.iloc[0]), int(values.iloc[-1]))
    return runs


def join_index_runs(parts: Sequence[Mapping[str, IndexRun]]) -> list[str]:
    """Return the columns that are a saved row index when all parts of a table are joined."""
    return [
        name
        for name in parts[0]
        if all(name in part for part in parts)
        and all(after[name].first == before[name].last + 1 for before, after in pairwise(parts))
    ]


def deduplicate_columns(frame: pd.DataFrame, required: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Number repeated column names, as in ``price`` and ``price.2``.

    Parameters
    ----------
    frame : DataFrame
    required : sequence of str
        Columns that the parameters name, and that therefore must be unique.

    Returns
    -------
    frame : DataFrame
    notes : list of str
        A sentence for each renamed column.

    Raises
    ------
    DataError
        If a required column occurs more than once.
    """
    if frame.columns.is_unique:
        return frame, []
    for name in required:
        if name in frame.columns:
            frames.get_column(frame, name, where="the table")
    names = deduplicate_names(list(frame.columns))
    notes = [
        f"Column {position} repeats the name {old!r} and was renamed to {new!r}."
        for position, (old, new) in enumerate(zip(frame.columns, names, strict=True), start=1)
        if new != old
    ]
    attrs = frame.attrs
    frame = frame.set_axis(names, axis=1)
    frame.attrs.update(attrs)
    return frame, notes


def drop_columns(frame: pd.DataFrame, columns: Sequence[str], where: str) -> pd.DataFrame:
    """Drop columns without copying the remaining columns.

    Parameters
    ----------
    frame : DataFrame
    columns : sequence of str
    where : str
        Name of the table in the error message.

    Raises
    ------
    NameNotFound
        If a column does not exist. A misspelled name would otherwise leave a leak in the table.
    """
    for name in columns:
        if name not in frame.columns:
            raise NameNotFound("column", name, frame.columns, where=f"{where} (drop_columns)")
    if not columns:
        return frame
    dropped = set(columns)
    return from_columns(frame, {name: frame[name] for name in frame.columns if name not in dropped})


def from_columns(frame: pd.DataFrame, columns: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Build a frame from columns, with the index of `frame`, without the copies that `DataFrame.assign` makes."""
    return pd.DataFrame(columns, index=frame.index, copy=False)


def to_json_types(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Convert columns to types that JSON has, because every column is a field of a request.

    Decimals and durations (in seconds) become floats; times of day and bytes become text.

    Returns
    -------
    frame : DataFrame
    kinds : dict of str to str
        Kind of the values of each converted column, as `pandas.api.types.infer_dtype` names it.
    """
    kinds, converted = {}, {}
    for name, values in frame.items():
        if isinstance(values.dtype, (np.dtype, pd.StringDtype)) and values.dtype.kind not in "mOS":
            continue
        kind = pd.api.types.infer_dtype(values, skipna=True)
        if kind == "decimal":
            converted[name] = values.astype(float)
        elif kind in _DURATION_KINDS:
            converted[name] = pd.to_timedelta(values).dt.total_seconds()
        elif kind == "time":
            converted[name] = values.map(str, na_action="ignore")
        elif kind == "bytes":
            converted[name] = values.map(decode_bytes, na_action="ignore")
        else:
            continue
        kinds[name] = kind
    return (from_columns(frame, {**frame, **converted}) if converted else frame), kinds


def find_durations(kinds: Mapping[str, str]) -> list[str]:
    """Return the columns of durations among the kinds of converted columns that `to_json_types` returns."""
    return [name for name, kind in kinds.items() if kind in _DURATION_KINDS]


def describe_conversions(kinds: Mapping[str, str]) -> list[str]:
    """Return a sentence for each converted column, by the kinds that `to_json_types` returns."""
    return [
        f"{name} was converted from {kind} to {'text' if kind in ('time', 'bytes') else 'numbers'}."
        for name, kind in kinds.items()
    ]


def replace_infinite(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Replace infinite numbers with missing values.

    Returns
    -------
    frame : DataFrame
    counts : dict of str to int
        Number of infinite values of each column that had some.
    """
    replaced = {}
    # `select_dtypes` would copy the columns.
    float_columns = frame.columns[[dtype.kind == "f" for dtype in frame.dtypes]]

    def is_infinite(name: str) -> np.ndarray:
        return np.isinf(frame[name].to_numpy(dtype=float, na_value=np.nan))

    counts = cores.map_threads(lambda name: np.count_nonzero(is_infinite(name)), float_columns)
    for name, count in zip(float_columns, counts, strict=True):
        if count:
            replaced[name] = frame[name].mask(is_infinite(name))
    if replaced:
        frame = from_columns(frame, {**frame, **replaced})
    return frame, {name: int(count) for name, count in zip(float_columns, counts, strict=True) if count}


def describe_infinite(counts: Mapping[str, int]) -> list[str]:
    """Return a sentence for each column in which `replace_infinite` replaced values."""
    return [
        f"{format_count(count, 'infinite value')} of {name} {'counts' if count == 1 else 'count'} as missing."
        for name, count in counts.items()
    ]
