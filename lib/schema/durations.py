"""Durations and times of day that are text, in seconds.

pandas is not imported, because importing it would slow down an endpoint's start.
"""

from __future__ import annotations

import math
import re

_CLOCK = re.compile(
    r"(?P<sign>[+-]?)(?:(?P<days>\d{1,9}) days? \+?)?(?P<hours>\d{1,9}):(?P<minutes>[0-5]\d)"
    r"(?::(?P<seconds>[0-5]\d(?:[.,]\d+)?))?",
    re.ASCII,
)
_ISO = re.compile(
    r"(?P<sign>[+-]?)P(?:(?P<days>\d{1,9})D)?(?:T(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9}(?:[.,]\d+)?)S)?)?",
    re.ASCII,
)
# Longer texts are not durations.
MAX_CHARACTERS = 40
_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60


def parse_seconds(text: str) -> float:
    """Return the seconds of a duration, or of a time of day since midnight.

    Parameters
    ----------
    text : str
        A clock time ``hh:mm`` or ``hh:mm:ss``, which may follow a number of days (``2 days 00:30:00``); a duration in
        ISO 8601; or a number of seconds.

    Returns
    -------
    float
        NaN if the text is not a duration.

    Examples
    --------
    >>> parse_seconds("1:30"), parse_seconds("0 days 00:41:25"), parse_seconds("PT90S"), parse_seconds("unknown")
    (5400.0, 2485.0, 90.0, nan)
    """
    if len(text) > MAX_CHARACTERS:
        return math.nan
    text = text.strip()
    match = _CLOCK.fullmatch(text) or (_ISO.fullmatch(text) if any(character.isdigit() for character in text) else None)
    if match is None:
        return _parse_number(text)
    days = _DAY * int(match["days"] or 0)
    until_minute = _HOUR * int(match["hours"] or 0) + _MINUTE * int(match["minutes"] or 0)
    seconds = until_minute + float((match["seconds"] or "0").replace(",", "."))
    if match["sign"] != "-":
        return float(days + seconds)
    # pandas writes minus 61 seconds as "-1 days +23:58:59": a clock time with a plus sign is added to the days.
    adds_clock_time = match.re is _CLOCK and match["days"] is not None and "+" in text
    return float(seconds - days if adds_clock_time else -days - seconds)


def _parse_number(text: str) -> float:
    """Return a finite number; NaN for other texts."""
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan
