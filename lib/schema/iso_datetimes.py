"""Conversion of dates and times in ISO 8601, as requests contain them, to the datetimes that a model was trained on.

pandas is not imported, because importing it would slow down an endpoint's start.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

import numpy as np

from lib.schema.zone_names import find_zone

PATTERN = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
# The int64 value of NumPy's NaT.
MISSING = -(2**63)
# Cache size: the maximum number of rows per request.
MAX_CACHED = 10_000
_EPOCH = datetime.datetime(1970, 1, 1)
# Microseconds since 1970 between which a zone's offset is looked up. Python cannot convert times near the start of the
# year 1 and near the end of 9999.
_MIN_LOOKUP, _MAX_LOOKUP = (
    int((moment - _EPOCH).total_seconds()) * 10**6
    for moment in (datetime.datetime(1, 1, 3), datetime.datetime(9999, 12, 29))
)
# Python's first and last datetime, in microseconds since 1970.
_MIN, _MAX = (
    (moment - _EPOCH) // datetime.timedelta(microseconds=1) for moment in (datetime.datetime.min, datetime.datetime.max)
)
_MICROSECOND = datetime.timedelta(microseconds=1)


class DatetimeParser:
    """A parser of ISO 8601 text for one column, with a cache.

    The resolution is microseconds: nanoseconds only reach from 1678 to 2261, and 9999-12-31 is common as "no end".

    Parameters
    ----------
    time_zone : str
        Time zone of the training column: an IANA name, an offset such as ``+02:00``, or empty if the column has none.

        Without a zone, text with an offset is converted to UTC. With a zone, text without an offset is local time, and
        text with an offset is converted to local time.

    Examples
    --------
    >>> DatetimeParser().to_local_times(["2026-11-22T09:30:00+01:00", None]).tolist()
    [datetime.datetime(2026, 11, 22, 8, 30), None]
    >>> DatetimeParser("America/New_York").to_local_times(["2026-11-22T09:30:00Z"]).tolist()
    [datetime.datetime(2026, 11, 22, 4, 30)]
    """

    def __init__(self, time_zone: str = ""):
        zone = find_zone(time_zone) if time_zone else None
        self._local = _Cache(zone, is_local=True).__getitem__
        self._instants = self._local if zone is None else _Cache(zone, is_local=False).__getitem__

    def is_valid(self, value: object) -> bool:
        """Return whether a value is ISO 8601 text with a date that exists, of the years 1 to 9999."""
        return isinstance(value, str) and self.are_valid([value])

    def are_valid(self, texts: Sequence[str]) -> bool:
        """Return whether all texts are valid."""
        try:
            return len(list(map(self._local, texts))) == len(texts)
        except KeyError:
            return False

    def to_local_times(self, values: Sequence[str | None]) -> np.ndarray:
        """Convert valid texts to ``datetime64[us]`` in the column's time zone, and None to NaT."""
        return np.fromiter(map(self._local, values), np.int64, len(values)).view("datetime64[us]")

    def to_instants(self, values: Sequence[str | None]) -> np.ndarray:
        """Convert valid texts to ``datetime64[us]`` in UTC, and None to NaT.

        If the column has no time zone, the result is that of `to_local_times`.
        """
        return np.fromiter(map(self._instants, values), np.int64, len(values)).view("datetime64[us]")


class _Cache(dict[str | None, int]):
    """Cache of parsed datetimes: text to microseconds since 1970.

    Each text is needed twice, once to check the request and once to build the model's input.

    Parameters
    ----------
    zone : tzinfo or None
        Time zone of the column.
    is_local : bool
        Whether datetimes are stored in local time; otherwise they are in UTC. Without a zone, it makes no difference.
    """

    def __init__(self, zone: datetime.tzinfo | None, is_local: bool):
        super().__init__()
        self._zone, self._is_local = zone, is_local

    def __missing__(self, text: str | None) -> int:
        if text is None:
            return MISSING
        parsed = parse_microseconds(text)
        if parsed is None:
            raise KeyError(text)  # invalid text is not cached: it may be arbitrarily long
        if len(self) >= MAX_CACHED:
            self.clear()
        self[text] = microseconds = self._convert(*parsed)
        return microseconds

    def _convert(self, microseconds: int, offset: int | None) -> int:
        """Convert a time as written to UTC or local time."""
        if self._zone is None:
            return microseconds - (offset or 0)
        instant = to_instant(microseconds, offset, self._zone)
        return instant + find_utc_offset(instant, self._zone) if self._is_local else instant


def to_instant(microseconds: int, offset: int | None, zone: datetime.tzinfo) -> int:
    """Convert a time of a column with a time zone to microseconds since 1970 in UTC.

    A local time that a clock change skips gets the offset before the change, so that 02:30 becomes 03:30. A local time
    that occurs twice means its first occurrence (PEP 495, fold 0). Results are limited to times that are in the years 1
    to 9999 in UTC and in local time.

    Parameters
    ----------
    microseconds : int
        From 1970 to the date and time of day as written.
    offset : int or None
        UTC offset in microseconds; None if the time was written without one, so that it is a local time.
    zone : tzinfo
    """
    if offset is None:
        offset = _offset_of_local_time(microseconds, zone)
    instant = min(max(microseconds - offset, _MIN), _MAX)
    local_offset = find_utc_offset(instant, zone)
    return min(max(instant, _MIN - min(local_offset, 0)), _MAX - max(local_offset, 0))


def parse_microseconds(text: str) -> tuple[int, int | None] | None:
    """Parse a date and time in ISO 8601. Digits of a second after the sixth are cut off.

    Returns
    -------
    (int, int or None) or None
        Microseconds from 1970 to the date and time of day as written, and the UTC offset in microseconds, or None if
        there is no offset. None if the text is not a valid datetime.

    Examples
    --------
    >>> parse_microseconds("1970-01-01T00:00:01+01:00")
    (1000000, 3600000000)
    """
    match = PATTERN.fullmatch(text)
    if match is None:
        return None
    seconds, fraction, zone = match[2], match[3], match[4]
    try:
        # The fraction and the zone are handled below: fromisoformat rounds the digits after the sixth.
        since_epoch = datetime.datetime.fromisoformat(text[: 19 if seconds else 16]) - _EPOCH
    except ValueError:
        return None
    microseconds = (since_epoch.days * 86_400 + since_epoch.seconds) * 10**6
    if fraction:
        microseconds += int(fraction[1:].ljust(6, "0")[:6])
    if not zone:
        return microseconds, None
    if zone == "Z":
        return microseconds, 0
    minutes = 60 * int(zone[1:3]) + int(zone[-2:])
    if minutes >= 24 * 60 or int(zone[-2:]) > 59:
        return None
    return microseconds, (-1 if zone[0] == "-" else 1) * minutes * 60 * 10**6


def _offset_of_local_time(microseconds: int, zone: datetime.tzinfo) -> int:
    """Return the UTC offset of a local time in microseconds; of its first occurrence if the time occurs twice."""
    local = _EPOCH + datetime.timedelta(microseconds=min(max(microseconds, _MIN_LOOKUP), _MAX_LOOKUP))
    return _to_microseconds(local.replace(tzinfo=zone).utcoffset())


def find_utc_offset(instant: int, zone: datetime.tzinfo) -> int:
    """Return the UTC offset of a zone, in microseconds, at an instant in microseconds since 1970."""
    moment = _EPOCH + datetime.timedelta(microseconds=min(max(instant, _MIN_LOOKUP), _MAX_LOOKUP))
    return _to_microseconds(moment.replace(tzinfo=datetime.UTC).astimezone(zone).utcoffset())


def _to_microseconds(offset: datetime.timedelta | None) -> int:
    assert offset is not None  # the zones of `find_zone` always have an offset
    return offset // _MICROSECOND
