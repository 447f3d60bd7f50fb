"""Reading of dates and times: dates, timestamps with or without a time zone, and text, to calendar parts."""

from __future__ import annotations

import numpy as np
import pandas as pd

# Tried in this order; where days and months cannot be told apart in any row, the day comes first.
FORMATS = (
    "ISO8601",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%b %d, %Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%B %d, %Y",
)
PARTS = ("year", "month", "day", "weekday", "hour", "days")
_EPOCH = pd.Timestamp(0)
_OFFSET = r"(?:Z|[+-]\d\d:?\d\d)\s*$"


def find_format(words: list[str]) -> tuple[str, float]:
    """Format that reads most of the words as dates, and the share of them that it reads."""
    # Digits alone are a number or a code, though ISO 8601 has years of four digits.
    values = pd.Series([None if word.isdigit() else word for word in words], dtype=object)
    shares = {form: float(_parse(values, form).notna().mean()) for form in FORMATS}
    best = max(shares, key=shares.get)
    return best, shares[best]


def _parse(values: pd.Series, form: str) -> pd.Series:
    return pd.to_datetime(values, format=form, errors="coerce", utc=True)


class DateColumn:
    """A column of dates or times, read as the calendar parts that differed in training.

    The parts are those of the clock on the wall: a column with a time zone keeps it, and what comes
    with another offset is converted first. Without a zone, an offset is taken to UTC.

    Parameters
    ----------
    values : pandas.Series
        The training column.
    form : str
        One of ``FORMATS``, for dates that come as text.
    """

    kind = "date"

    def __init__(self, values: pd.Series, form: str = "ISO8601"):
        self.form = form
        self.zone = values.dt.tz if values.dtype.kind == "M" else None
        self.parts = PARTS
        read = self.read(values)
        present = read[~np.isnan(read[:, 0])]
        if len(present):
            self.parts = tuple(part for part, column in zip(PARTS, present.T, strict=True) if np.ptp(column) > 0)

    def read(self, values: pd.Series) -> np.ndarray:
        """Calendar parts as floats, shape (rows, parts); NaN where there is no date."""
        moments = self._moments(values)
        columns = np.empty((len(values), len(self.parts)))
        for place, part in enumerate(self.parts):
            if part == "days":
                columns[:, place] = (moments - _EPOCH) / pd.Timedelta(days=1)
            else:
                columns[:, place] = getattr(moments, part)
        return columns

    def _moments(self, values: pd.Series) -> pd.DatetimeIndex:
        """Wall clock times."""
        if values.dtype.kind == "M":
            moments = pd.DatetimeIndex(values)
            return moments if moments.tz is None else moments.tz_convert(self.zone or "UTC").tz_localize(None)
        if values.dtype.kind in "iuf":  # pandas writes a date into JSON as milliseconds
            return pd.DatetimeIndex(pd.to_datetime(values, unit="ms", errors="coerce"))
        values = values.astype(object)
        parsed = _parse(values, self.form)
        if self.form != "ISO8601":  # a request may bring ISO dates whatever the training file had
            parsed = parsed.fillna(_parse(values, "ISO8601"))
        moments = pd.DatetimeIndex(parsed)
        naive = moments.tz_localize(None)
        if self.zone is None:
            return naive
        has_offset = values.astype(str).str.contains(_OFFSET).to_numpy()
        return naive.where(~has_offset, moments.tz_convert(self.zone).tz_localize(None))
