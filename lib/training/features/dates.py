"""Reading of dates and times: dates, timestamps with or without a time zone, and text, to calendar parts."""

from __future__ import annotations

import datetime
import functools
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lib.schema import datetimes

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("year", "month", "day", "weekday", "hour", "days")
# Days of 400 years, after which dates and weekdays come again.
_CYCLE = 146_097
_EPOCH = datetime.datetime(1970, 1, 1)
_DIGIT = re.compile(r"\d")
_OFFSET = r"(?:Z|[+-]\d\d:?\d\d)\s*$"


def find_format(counts: pd.Series, month_first: bool = False) -> tuple[str, float]:
    """Format that reads most of the words as dates, and the share of the rows that it reads.

    Parameters
    ----------
    counts : pandas.Series
        Rows of each word, indexed by the words.
    month_first : bool
        Where no word tells day from month.
    """
    import pandas as pd

    # Digits alone are a number or a code, though ISO 8601 has years of four digits.
    candidates = counts[[bool(_DIGIT.search(word)) and not word.isdigit() for word in counts.index]]
    words = pd.Series(candidates.index, dtype=object)
    best, most = datetimes.ISO_FORMAT, 0
    for form in datetimes.candidate_formats(words, month_first) if len(candidates) else ():
        rows = int(candidates[datetimes.parse_column(words, form).notna().to_numpy()].sum())
        if rows > most:
            best, most = form, rows
        if most == candidates.sum():
            break
    return best, most / counts.sum()


@functools.cache
def _calendar() -> dict[str, np.ndarray]:
    """Of each day of a cycle, from 1970-01-01 on, the parts that are the same at all hours, as floats."""
    days = np.arange(_CYCLE)
    months = days.view("datetime64[D]").astype("datetime64[M]")
    parts = {
        "year": months.view(np.int64) // 12 + 1970,
        "month": months.view(np.int64) % 12 + 1,
        "day": days - months.astype("datetime64[D]").view(np.int64) + 1,
        "weekday": (days + 3) % 7,
    }
    return {name: part.astype(np.float64) for name, part in parts.items()}


def calendar_parts(moments: np.ndarray, names: Sequence[str] = PARTS, out: np.ndarray | None = None) -> np.ndarray:
    """Some of ``PARTS`` by NumPy: pandas takes ten times as long for a single row.

    Monday is weekday 0; ``days`` are those since 1970, with the time of day as a fraction.

    Parameters
    ----------
    moments : numpy.ndarray of shape (rows,)
        Of type ``datetime64``.
    names : sequence of str
        Of the parts.
    out : numpy.ndarray of shape (parts, rows), optional
        Where they are written.

    Returns
    -------
    numpy.ndarray of shape (parts, rows)
        Floats; NaN where there is no moment.
    """
    parts = np.empty((len(names), len(moments))) if out is None else out
    seconds = moments.astype("datetime64[s]").view(np.int64)
    days, second = np.divmod(seconds, 86400)
    cycle, day = np.divmod(days, _CYCLE)
    calendar = _calendar()
    for name, part in zip(names, parts, strict=True):
        if name == "hour":
            np.floor_divide(second, 3600, part)
        elif name == "days":
            np.divide(seconds, 86400, part)
        else:
            calendar[name].take(day, None, part, "clip")  # "clip" for its speed: all days are in it
            if name == "year":
                part += 400 * cycle
    missing = np.isnat(moments)
    if np.count_nonzero(missing):
        parts[:, missing] = np.nan
    return parts


def moment_parts(moment: datetime.datetime | None, names: Sequence[str]) -> list[float]:
    """The same of one moment, without NumPy, which takes longer to start than this to finish."""
    if moment is None:
        return [math.nan] * len(names)
    parts = {
        "year": moment.year,
        "month": moment.month,
        "day": moment.day,
        "weekday": moment.weekday(),
        "hour": moment.hour,
        "days": (moment - _EPOCH).total_seconds() / 86400,
    }
    return [parts[name] for name in names]


class DateColumn:
    """A column of dates or times, read as the calendar parts that differed in training.

    The parts are those of the clock on the wall: a column with a time zone keeps it, and what comes
    with another offset is converted first. Without a zone, an offset is taken to UTC.

    Parameters
    ----------
    values : pandas.Series
        The training column.
    form : str
        As `datetimes.candidate_formats` gives it, for dates that come as text.
    """

    kind = "date"

    def __init__(self, values: pd.Series, form: str = datetimes.ISO_FORMAT):
        self.form = form
        self.zone = values.dt.tz if values.dtype.kind == "M" else None
        self.parts = PARTS
        read = self.read(values)
        present = read[~np.isnan(read[:, 0])]
        if len(present):
            self.parts = tuple(part for part, column in zip(PARTS, present.T, strict=True) if np.ptp(column) > 0)

    def read(self, values: pd.Series) -> np.ndarray:
        """Calendar parts as floats, shape (rows, parts); NaN where there is no date."""
        return calendar_parts(self._moments(values).to_numpy(), self.parts).T

    def _moments(self, values: pd.Series) -> pd.DatetimeIndex:
        """Wall clock times."""
        import pandas as pd

        if values.dtype.kind == "M":
            moments = pd.DatetimeIndex(values)
            return moments if moments.tz is None else moments.tz_convert(self.zone or "UTC").tz_localize(None)
        if values.dtype.kind in "iuf":  # pandas writes a date into JSON as milliseconds
            moments = pd.DatetimeIndex(pd.to_datetime(values, unit="ms", errors="coerce", utc=True))
            return moments.tz_convert(self.zone or "UTC").tz_localize(None)
        values = values.astype(object)
        moments = pd.DatetimeIndex(datetimes.parse_column(values, self.form))
        naive = moments.tz_localize(None)
        if self.zone is None:
            return naive
        has_offset = values.astype(str).str.contains(_OFFSET).to_numpy()
        return naive.where(~has_offset, moments.tz_convert(self.zone).tz_localize(None))
