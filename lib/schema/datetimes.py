"""Date formats of text columns, and the parsing of dates in these formats.

NumPy and pandas are imported only inside functions, because commands that only check parameters import this module.
"""

from __future__ import annotations

import contextlib
import datetime
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

ISO_FORMAT = "ISO8601"
_MONTH_NAME_FORMATS = ("%b %d, %Y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%B %d, %Y", "%d %B %Y", "%Y%m%dT%H%M%S")
_NUMERIC_DATE = re.compile(
    r"\d{1,2}(?P<separator>[/.-])\d{1,2}(?P=separator)(?P<year>\d{4}|\d{2})"
    r"(?P<time>(?P<gap>,? |T)\d{1,2}:\d\d(?P<seconds>:\d\d)?(?P<space> ?)(?P<am_pm>[AaPp][Mm])?)?"
)
_MAX_NUMERIC_FORMATS = 3
# pandas' timestamps in nanoseconds begin and end during these years.
_FIRST_YEAR, _LAST_YEAR = 1677, 2262
_DISTANT_YEAR = re.compile(r"(?<!\d)(?:0\d\d\d|1[0-6]\d\d|226[2-9]|22[7-9]\d|2[3-9]\d\d|[3-9]\d\d\d)(?!\d)|^\d{8}T")
# A time of day and its offset from UTC, at the end of a text.
OFFSET_PATTERN = r"(?::\d\d|T\d{4}|T\d{6})(?:[.,]\d+)?\s*(?:[Zz]|[+-]\d\d(?::?\d\d)?)\s*$"
_OFFSET = re.compile(OFFSET_PATTERN)
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
        Whether ``03/04/2005`` is March 4th if no text shows which number is the day.

    Examples
    --------
    >>> candidate_formats(["31/12/2024"])[:3]
    ['ISO8601', '%d/%m/%Y', '%m/%d/%Y']
    """
    formats = Counter(filter(None, map(_split_numeric_format, texts)))
    candidates = [ISO_FORMAT]
    for (separator, year, time), _ in formats.most_common(_MAX_NUMERIC_FORMATS):
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
    """Parse dates in the given format, or else in ISO 8601, to UTC datetimes; NaT for other values.

    Spaces around a text are ignored. The result is in nanoseconds, or in microseconds if a date is beyond the years
    1678 to 2261, as 9999-12-31 is.
    """
    import pandas as pd

    parsed = _to_datetime(values, date_format)
    if date_format != ISO_FORMAT and parsed.isna().any():
        parsed = parsed.fillna(_to_datetime(values, ISO_FORMAT))
    unread = values[(parsed.isna() & values.notna()).to_numpy()]
    if any(isinstance(value, str) and value != value.strip() for value in unread):
        stripped = [value.strip() if isinstance(value, str) else value for value in values]
        return parse_column(pd.Series(stripped, values.index, dtype=object), date_format)
    return _fill_distant_dates(parsed, values, date_format)


def _to_datetime(values: pd.Series, date_format: str) -> pd.Series:
    """Parse values with pandas; NaT for values that are not dates.

    Texts with and without a UTC offset are parsed separately: pandas gives a text without an offset the offset of the
    text before it. It reads the second text of ``["2024-07-01T12:00-05:00", "2024-07-01T12:00"]`` as 17:00 in UTC.
    """
    import numpy as np
    import pandas as pd

    has_offset = np.array([isinstance(value, str) and _OFFSET.search(value) is not None for value in values])
    if date_format != ISO_FORMAT or not has_offset.any() or has_offset.all():
        return pd.to_datetime(values, format=date_format, errors="coerce", utc=True)
    moments = np.empty(len(values), dtype="datetime64[ns]")
    for rows in (has_offset, ~has_offset):
        parsed = pd.to_datetime(values[rows], format=date_format, errors="coerce", utc=True)
        moments[rows] = parsed.dt.tz_localize(None).to_numpy()
    return pd.Series(moments, index=values.index, name=values.name).dt.tz_localize("UTC")


def _fill_distant_dates(parsed: pd.Series, values: pd.Series, date_format: str) -> pd.Series:
    """Return the parsed dates, with the dates before 1678 and after 2261 added that pandas did not parse."""
    is_unread = (parsed.isna() & values.notna()).to_numpy()
    if not is_unread.any():
        return parsed
    unread = values[is_unread].tolist()
    dates = {value: _parse_distant_date(value, date_format) for value in set(filter(_may_be_distant, unread))}
    if not any(dates.values()):
        return parsed
    import numpy as np
    import pandas as pd

    moments = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    moments[is_unread] = np.array([dates.get(value) for value in unread], dtype="datetime64[us]")
    return pd.Series(moments, index=parsed.index, name=parsed.name).dt.tz_localize("UTC")


def _may_be_distant(value: object) -> bool:
    """Return whether a value contains a year before 1678 or after 2261; a quick check that allows false alarms."""
    return _DISTANT_YEAR.search(value) is not None if isinstance(value, str) else isinstance(value, datetime.date)


def _parse_distant_date(value: object, date_format: str) -> datetime.datetime | None:
    """Return a date in the years 1 to 1677 or 2262 to 9999, in UTC and without a zone; None for other values."""
    if isinstance(value, str):
        parsed = _parse_text(value, date_format)
    elif isinstance(value, datetime.datetime):
        parsed = value
    elif isinstance(value, datetime.date):
        parsed = datetime.datetime(value.year, value.month, value.day)
    else:
        return None
    if parsed is None or _FIRST_YEAR < parsed.year < _LAST_YEAR:
        return None
    try:
        return (parsed if parsed.tzinfo is None else parsed.astimezone(datetime.UTC)).replace(tzinfo=None)
    except OverflowError:  # the offset leads beyond the years 1 to 9999
        return None


def _parse_text(text: str, date_format: str) -> datetime.datetime | None:
    """Parse a date in the given format, or else in ISO 8601, with Python's own parsers."""
    if date_format != ISO_FORMAT:
        with contextlib.suppress(ValueError):
            return datetime.datetime.strptime(text, date_format)
    with contextlib.suppress(ValueError):
        return datetime.datetime.fromisoformat(text)
    return None


def _split_numeric_format(text: str) -> tuple[str, str, str] | None:
    """Return separator, year directive and time format of a numeric date such as ``31/12/2024 14:05``, or None."""
    match = _NUMERIC_DATE.fullmatch(text.strip())
    if match is None:
        return None
    time = ""
    if match["time"]:
        clock = "%I:%M" if match["am_pm"] else "%H:%M"
        am_pm = f"{match['space']}%p" if match["am_pm"] else ""
        time = f"{match['gap']}{clock}{':%S' if match['seconds'] else ''}{am_pm}"
    return match["separator"], "%Y" if len(match["year"]) == 4 else "%y", time
