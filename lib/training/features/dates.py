"""Date columns: dates, timestamps with or without a time zone, and text, read into calendar parts."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lib.schema import datetimes
from lib.schema.time_zones import get_zone_name, to_local_times

if TYPE_CHECKING:
    import pandas as pd

# "weekday" counts from Monday as 0; "days" are days since 1970, with the time of day as a fraction.
PARTS = ("year", "month", "day", "weekday", "hour", "days")
# Maximum number of rows for which `compute_few_calendar_parts` is used: it is faster for a few rows only.
MAX_FEW_ROWS = 8
_EPOCH = datetime.datetime(1970, 1, 1)
_DIGIT = re.compile(r"\d")


def detect_format(text_counts: pd.Series, month_first: bool = False) -> tuple[str, float]:
    """Return the date format that parses the most rows, and the share of rows that it parses.

    Parameters
    ----------
    text_counts : pandas.Series
        Number of rows with each text, indexed by the text.
    month_first : bool
        Whether ``03/04/2005`` is March 4th, if every text is as ambiguous as this one.

    Examples
    --------
    >>> import pandas as pd
    >>> detect_format(pd.Series({"31/12/2024": 3, "unknown": 1}))
    ('%d/%m/%Y', 0.75)
    """
    import pandas as pd

    # A text of digits alone is a number or a code, although ISO 8601 allows a year of four digits.
    is_candidate = [bool(_DIGIT.search(text)) and not text.isdigit() for text in text_counts.index]
    candidates = text_counts[is_candidate]
    texts = pd.Series(candidates.index, dtype=object)
    best_format, most_rows = datetimes.ISO_FORMAT, 0
    for date_format in datetimes.candidate_formats(texts, month_first) if len(candidates) else ():
        is_date = datetimes.parse_column(texts, date_format).notna().to_numpy()
        rows = int(candidates[is_date].sum())
        if rows > most_rows:
            best_format, most_rows = date_format, rows
        if most_rows == candidates.sum():
            break
    return best_format, float(most_rows / text_counts.sum())


def compute_calendar_parts(values: np.ndarray, names: Sequence[str] = PARTS) -> np.ndarray:
    """Compute calendar parts of datetimes.

    Parameters
    ----------
    values : numpy.ndarray of shape (rows,)
        Of type ``datetime64``.
    names : sequence of str
        Names from ``PARTS``.

    Returns
    -------
    numpy.ndarray of shape (parts, rows)
        Floats; NaN for NaT.

    Examples
    --------
    >>> compute_calendar_parts(np.array(["2024-03-01T18:00"], dtype="datetime64[s]")).ravel().tolist()
    [2024.0, 3.0, 1.0, 4.0, 18.0, 19783.75]
    """
    seconds = values.astype("datetime64[s]")
    days = seconds.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    seconds_since_1970, days_since_1970, months_since_1970 = (unit.view(np.int64) for unit in (seconds, days, months))
    parts = {
        "year": months_since_1970 // 12 + 1970,
        "month": months_since_1970 % 12 + 1,
        "day": (days - months.astype("datetime64[D]")).view(np.int64) + 1,
        "weekday": (days_since_1970 + 3) % 7,  # 1970-01-01 was a Thursday
        "hour": seconds_since_1970 // 3600 % 24,
        "days": seconds_since_1970 / 86400,
    }
    floats = np.array([parts[name] for name in names], dtype=np.float64).reshape(len(names), len(values))
    floats[:, np.isnat(values)] = np.nan
    return floats


def compute_few_calendar_parts(values: np.ndarray, names: Sequence[str] = PARTS) -> np.ndarray:
    """Compute calendar parts with Python's datetime, which is faster than `compute_calendar_parts` for a few rows.

    Parameters
    ----------
    values : numpy.ndarray of shape (rows,)
        Of type ``datetime64``.
    names : sequence of str
        Names from ``PARTS``.

    Returns
    -------
    numpy.ndarray of shape (parts, rows)
        Floats; NaN for NaT.

    Examples
    --------
    >>> compute_few_calendar_parts(np.array(["2024-03-01T18:00"], dtype="datetime64[ns]")).ravel().tolist()
    [2024.0, 3.0, 1.0, 4.0, 18.0, 19783.75]
    """
    rows = []
    times = values.astype("datetime64[s]").tolist()
    if any(type(time) is int for time in times):  # NumPy returns years outside 1 to 9999 as integers
        return compute_calendar_parts(values, names)
    for time in times:
        if time is None:
            rows.append([math.nan] * len(names))
            continue
        parts = {
            "year": time.year,
            "month": time.month,
            "day": time.day,
            "weekday": time.weekday(),
            "hour": time.hour,
            "days": (time - _EPOCH).total_seconds() / 86400,
        }
        rows.append([parts[name] for name in names])
    return np.array(rows, dtype=np.float64).reshape(len(values), len(names)).T


class DateColumn:
    """Reader of a column of dates or times; its parts are the calendar parts that vary in the training rows.

    The parts are in local time. In a column with a time zone, values with another UTC offset are converted to it.
    In a column without a time zone, values with a UTC offset are converted to UTC.

    Parameters
    ----------
    values : pandas.Series
        The training column.
    date_format : str
        Format of dates stored as text, as `lib.schema.datetimes.candidate_formats` returns it.

    Examples
    --------
    >>> import pandas as pd
    >>> column = DateColumn(pd.Series(["2024-03-01", "2025-03-01"]))
    >>> column.parts
    ('year', 'weekday', 'days')
    >>> column.to_floats(pd.Series(["2024-03-02"])).tolist()
    [[2024.0, 5.0, 19784.0]]
    """

    kind = "date"

    def __init__(self, values: pd.Series, date_format: str = datetimes.ISO_FORMAT):
        self.date_format = date_format
        self.time_zone = values.dt.tz if values.dtype.kind == "M" else None
        self.parts: tuple[str, ...] = PARTS
        floats = self.to_floats(values)
        present = floats[~np.isnan(floats[:, 0])]
        if len(present):
            self.parts = tuple(part for part, column in zip(PARTS, present.T, strict=True) if np.ptp(column) > 0)

    def to_floats(self, values: pd.Series) -> np.ndarray:
        """Return the calendar parts, of shape (rows, parts); NaN for values that are not dates."""
        return compute_calendar_parts(self._local_times(values), self.parts).T

    def _local_times(self, values: pd.Series) -> np.ndarray:
        """Return the values as datetimes without a zone, in the column's time zone."""
        import pandas as pd

        if values.dtype.kind == "M":
            times = pd.DatetimeIndex(values)
            return times.to_numpy() if times.tz is None else self._to_local(times)
        if values.dtype.kind in "iuf":  # pandas writes dates into JSON as milliseconds
            return self._to_local(pd.DatetimeIndex(pd.to_datetime(values, unit="ms", errors="coerce", utc=True)))
        values = values.astype(object)
        times = pd.DatetimeIndex(datetimes.parse_column(values, self.date_format))
        as_written = times.tz_localize(None).to_numpy()
        if self.time_zone is None:
            return as_written
        has_offset = values.astype(str).str.contains(datetimes.OFFSET_PATTERN).to_numpy()
        return np.where(has_offset, self._to_local(times), as_written)

    def _to_local(self, times: pd.DatetimeIndex) -> np.ndarray:
        """Convert times with any time zone to times in the column's zone (UTC if it has none), and drop the zone."""
        instants = times.tz_convert("UTC").tz_localize(None).to_numpy()
        return instants if self.time_zone is None else to_local_times(instants, get_zone_name(self.time_zone))
