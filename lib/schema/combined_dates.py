"""Datetimes combined from several columns, such as year, month, day and hour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.table_schema import PARTS_OF_DATE

_MONTHS = "january february march april may june july august september october november december".split()
_MONTH_NUMBERS = {
    **{name: number for number, name in enumerate(_MONTHS, start=1)},
    **{name[:3]: number for number, name in enumerate(_MONTHS, start=1)},
    "sept": 9,
}
# Years below 100 are invalid, because years of two digits lack the century.
_PART_RANGES = {"year": (100, 9999), "month": (1, 12), "day": (1, 31), "hour": (0, 24), "minute": (0, 59)}


class CombinedDates(NamedTuple):
    """Datetimes of several columns.

    Attributes
    ----------
    values : Array of timestamp[us], of shape (rows,)
        Null where a part is missing or no such date exists.
    is_invalid : ndarray of bool, of shape (rows,)
        Whether all parts are present but no such date exists, such as 31 February.
    """

    values: pa.Array
    is_invalid: np.ndarray


def combine(parts: Sequence[pa.ChunkedArray]) -> CombinedDates:
    """Combine year, month, day, hour, minute and second into datetimes.

    Parameters
    ----------
    parts : sequence of ChunkedArray, each of shape (rows,)
        The first two to six of the columns year, month, day, hour, minute and second. Without a column, the day is 1,
        and hour, minute and second are 0. Numbers may be text, and months may be English names or abbreviations. Hour
        24 is midnight at the end of the day.

    Examples
    --------
    >>> combined = combine([pa.chunked_array([part]) for part in ([2024, 2024], ["Feb", "2"], [29, 31])])
    >>> combined.values.to_pylist(), combined.is_invalid.tolist()
    ([datetime.datetime(2024, 2, 29, 0, 0), None], [False, True])
    """
    is_missing = np.logical_or.reduce([_find_missing(values) for values in parts])
    numbers = {part: _to_numbers(part, values) for part, values in zip(PARTS_OF_DATE, parts, strict=False)}
    is_valid = ~is_missing & np.logical_and.reduce([_are_in_range(part, values) for part, values in numbers.items()])
    whole = {part: np.where(is_valid, values, 1) for part, values in numbers.items()}

    months = (whole["year"].astype(np.int64) - 1970) * 12 + whole["month"].astype(np.int64) - 1
    first_days = months.astype("datetime64[M]").astype("datetime64[D]")
    days = first_days + (whole["day"].astype(np.int64) - 1 if "day" in whole else 0)
    is_valid &= days.astype("datetime64[M]") == first_days.astype("datetime64[M]")

    zero = np.zeros(len(is_missing))
    hours, minutes, seconds = (whole.get(part, zero) for part in PARTS_OF_DATE[3:])
    is_valid &= (hours < 24) | ((minutes == 0) & (seconds == 0))
    microseconds = np.rint(((hours * 60 + minutes) * 60 + seconds) * 1e6).astype("timedelta64[us]")
    moments = days.astype("datetime64[us]") + microseconds
    return CombinedDates(pa.array(moments, pa.timestamp("us"), mask=~is_valid), ~is_valid & ~is_missing)


def month_number(text: str) -> int | None:
    """Return the number of a month by its English name or abbreviation, or None.

    >>> month_number("Sept."), month_number("5th")
    (9, None)
    """
    return _MONTH_NUMBERS.get(text.strip().lower().removesuffix("."))


def _find_missing(values: pa.ChunkedArray) -> np.ndarray:
    """Return whether each value is null, NaN or blank text."""
    is_missing = values.is_null(nan_is_null=True)
    if _is_text(values):
        is_blank = pc.equal(pc.utf8_trim_whitespace(pc.cast(values, pa.string())), "")
        is_missing = pc.or_kleene(is_missing, is_blank)
    return np.asarray(is_missing.to_numpy(), dtype=bool)


def _to_numbers(part: str, values: pa.ChunkedArray) -> np.ndarray:
    """Return a column as floats, with NaN for values that are not numbers."""
    if not _is_text(values):
        return np.asarray(pc.cast(values, pa.float64(), safe=False).to_numpy(), dtype=float)
    texts = pc.cast(values, pa.string()).to_pylist()
    numbers = {text: _to_number(part, text) for text in set(texts)}
    return np.array([numbers[text] for text in texts], dtype=float)


def _to_number(part: str, text: str | None) -> float:
    """Return the number in a text, or the number of a month by name; NaN for other texts."""
    if part == "month" and (number := month_number(text or "")):
        return number
    try:
        return float(text or "")
    except ValueError:
        return np.nan


def _is_text(values: pa.ChunkedArray) -> bool:
    value_type = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    return bool(pa.types.is_string(value_type) or pa.types.is_large_string(value_type))


def _are_in_range(part: str, numbers: np.ndarray) -> np.ndarray:
    """Return whether each number may be a year, month, day and so on; days are 1 to 31 in every month."""
    if part == "second":
        return (numbers >= 0) & (numbers < 60)
    low, high = _PART_RANGES[part]
    return (numbers >= low) & (numbers <= high) & (numbers == np.floor(numbers))
