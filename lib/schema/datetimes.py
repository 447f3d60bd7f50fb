"""Dates and times: ISO 8601 text in requests, and the date formats of table columns.

pandas is imported only inside functions, because importing it would slow down an endpoint's start.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

# ---- ISO 8601 text, as requests contain it -------------------------------------------------------------------------

DATETIME_PATTERN = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
# The int64 value of NumPy's NaT.
MISSING = -(2**63)
# Cache size: the maximum number of rows per request.
MAX_CACHED = 10_000
_EPOCH = datetime.datetime(1970, 1, 1)


class _NanosecondCache(dict[str | None, int]):
    """Cache of parsed datetimes: text to nanoseconds since 1970 in UTC.

    Each text is needed twice, once to check the request and once to build the model's input.
    """

    def __missing__(self, text: str | None) -> int:
        if text is None:
            return MISSING
        nanoseconds = _parse_nanoseconds(text)
        if nanoseconds is None:
            raise KeyError(text)  # invalid text is not cached: it may be arbitrarily long
        if len(self) >= MAX_CACHED:
            self.clear()
        self[text] = nanoseconds
        return nanoseconds


_cached_nanoseconds = _NanosecondCache().__getitem__


def is_datetime(value: object) -> bool:
    """Return whether a value is ISO 8601 text between the years 1678 and 2261, the range of 64-bit nanoseconds.

    Examples
    --------
    >>> is_datetime("2026-11-22T09:30:00Z"), is_datetime("2026-02-30")
    (True, False)
    """
    return isinstance(value, str) and are_datetimes([value])


def are_datetimes(values: Sequence[str]) -> bool:
    """Return whether every text is a valid datetime."""
    try:
        return len(list(map(_cached_nanoseconds, values))) == len(values)
    except KeyError:
        return False


def to_datetime64(values: Sequence[str | None]) -> np.ndarray:
    """Convert valid datetimes to ``datetime64[ns]`` in UTC, and None to NaT.

    Examples
    --------
    >>> to_datetime64(["2026-11-22T09:30:00+01:00", None]).astype("datetime64[m]").tolist()
    [datetime.datetime(2026, 11, 22, 8, 30), None]
    """
    return np.fromiter(map(_cached_nanoseconds, values), np.int64, len(values)).view("datetime64[ns]")


def _parse_nanoseconds(text: str) -> int | None:
    """Return nanoseconds since 1970 in UTC, or None if the text is not a valid datetime."""
    match = DATETIME_PATTERN.fullmatch(text)
    if match is None:
        return None
    seconds, fraction, zone = match[2], match[3], match[4]
    try:
        # The fraction and the zone are handled below: fromisoformat rounds nanoseconds to microseconds.
        since_epoch = datetime.datetime.fromisoformat(text[: 19 if seconds else 16]) - _EPOCH
    except ValueError:
        return None
    nanoseconds = (since_epoch.days * 86_400 + since_epoch.seconds) * 10**9
    if fraction:
        nanoseconds += int(fraction[1:].ljust(9, "0"))
    if zone and zone != "Z":
        minutes = 60 * int(zone[1:3]) + int(zone[-2:])
        if minutes >= 24 * 60 or int(zone[-2:]) > 59:
            return None
        nanoseconds -= (-1 if zone[0] == "-" else 1) * minutes * 60 * 10**9
    return nanoseconds if MISSING < nanoseconds < 2**63 else None


# ---- Date formats, as tables contain them --------------------------------------------------------------------------

ISO_FORMAT = "ISO8601"
_MONTH_NAME_FORMATS = ("%b %d, %Y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%B %d, %Y", "%d %B %Y", "%Y%m%dT%H%M%S")
_NUMERIC_DATE = re.compile(
    r"\d{1,2}(?P<separator>[/.-])\d{1,2}(?P=separator)(?P<year>\d{4}|\d{2})"
    r"(?P<time>(?P<gap>,? |T)\d{1,2}:\d\d(?P<seconds>:\d\d)?(?P<space> ?)(?P<half>[AaPp][Mm])?)?"
)
_MAX_SHAPES = 3
_DIRECTIVE_NAMES = {
    "%d": "dd",
    "%m": "mm",
    "%Y": "yyyy",
    "%y": "yy",
    "%b": "Mon",
    "%B": "Month",
    "%H": "hh",
    "%I": "hh",
    "%M": "mm",
    "%S": "ss",
    "%p": "am/pm",
    ISO_FORMAT: "yyyy-mm-dd",
}


def candidate_formats(texts: Sequence[str], month_first: bool = False) -> list[str]:
    """List date formats that may read some of the texts, the likeliest first.

    Parameters
    ----------
    texts : sequence of str
    month_first : bool
        Whether ``03/04/2005`` is March 4th if no text tells the day from the month.

    Examples
    --------
    >>> candidate_formats(["31/12/2024"])[:3]
    ['ISO8601', '%d/%m/%Y', '%m/%d/%Y']
    """
    shapes = Counter(filter(None, map(_numeric_shape, texts)))
    candidates = [ISO_FORMAT]
    for (separator, year, time), _ in shapes.most_common(_MAX_SHAPES):
        day_first, month_before_day = (
            f"{separator.join(parts)}{separator}{year}{time}" for parts in (("%d", "%m"), ("%m", "%d"))
        )
        if separator == ".":  # dates with dots always start with the day
            candidates += [day_first]
        elif month_first:
            candidates += [month_before_day, day_first]
        else:
            candidates += [day_first, month_before_day]
    return [*candidates, *_MONTH_NAME_FORMATS]


def swap_day_and_month(date_format: str) -> str:
    """Return the format with day and month swapped, or unchanged if they cannot be confused.

    Examples
    --------
    >>> swap_day_and_month("%d/%m/%Y"), swap_day_and_month("%d.%m.%Y")
    ('%m/%d/%Y', '%d.%m.%Y')
    """
    if date_format[:2] not in ("%d", "%m") or date_format[2:3] not in "/-" or date_format[3:5] not in ("%d", "%m"):
        return date_format
    return f"{date_format[3:5]}{date_format[2]}{date_format[:2]}{date_format[5:]}"


def describe_format(date_format: str) -> str:
    """Write a format the way people do.

    Examples
    --------
    >>> describe_format("%d/%m/%y")
    'dd/mm/yy'
    """
    return re.sub("|".join(_DIRECTIVE_NAMES), lambda match: _DIRECTIVE_NAMES[match[0]], date_format)


def parse_column(values: pd.Series, date_format: str) -> pd.Series:
    """Parse dates in the given format, or else in ISO 8601, to UTC datetimes; NaT for other values."""
    import pandas as pd

    parsed = pd.to_datetime(values, format=date_format, errors="coerce", utc=True)
    if date_format != ISO_FORMAT and parsed.isna().any():
        parsed = parsed.fillna(pd.to_datetime(values, format=ISO_FORMAT, errors="coerce", utc=True))
    return parsed


def _numeric_shape(text: str) -> tuple[str, str, str] | None:
    """Return separator, year directive and time format of a numeric date such as ``31/12/2024 14:05``."""
    match = _NUMERIC_DATE.fullmatch(text.strip())
    if match is None:
        return None
    time = ""
    if match["time"]:
        clock = "%I:%M" if match["half"] else "%H:%M"
        half = f"{match['space']}%p" if match["half"] else ""
        time = f"{match['gap']}{clock}{':%S' if match['seconds'] else ''}{half}"
    return match["separator"], "%Y" if len(match["year"]) == 4 else "%y", time
