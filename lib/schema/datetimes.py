"""Dates and times as a request brings them, without pandas: its import alone takes longer than a start may."""

from __future__ import annotations

import datetime
import re

import numpy as np

MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
MISSING = -(2**63)
# As many as a request has rows.
MOST_KNOWN = 10_000
_EPOCH = datetime.datetime(1970, 1, 1)


class _Known(dict):
    """Nanoseconds since 1970 in UTC by text: remembered, as each is asked for twice, by the check and for the model."""

    def __missing__(self, text: str | None) -> int:
        if text is None:
            return MISSING
        nanoseconds = _nanoseconds(text)
        if nanoseconds is None:
            raise KeyError(text)  # not remembered: such a text may be of any length
        if len(self) >= MOST_KNOWN:
            self.clear()
        self[text] = nanoseconds
        return nanoseconds


_known = _Known().__getitem__


def is_moment(value: object) -> bool:
    """Whether a value is a date or time that 64 bits of nanoseconds can hold (years 1678 to 2261)."""
    return type(value) is str and are_moments([value])


def are_moments(values: list[str]) -> bool:
    """Whether each of some texts is one."""
    try:
        return len(list(map(_known, values))) == len(values)
    except KeyError:
        return False


def moments(values: list[str | None]) -> np.ndarray:
    """Array of ``datetime64[ns]`` in UTC, of texts that are moments and of nulls."""
    return np.fromiter(map(_known, values), np.int64, len(values)).view("datetime64[ns]")


def _nanoseconds(value: str) -> int | None:
    """Nanoseconds since 1970 in UTC, or None where the text is no moment."""
    found = MOMENT.fullmatch(value)
    if found is None:
        return None
    seconds, fraction, zone = found[2], found[3], found[4]
    try:
        # Python before 3.11 reads neither a Z nor all lengths of a fraction.
        since = datetime.datetime.fromisoformat(value[: 19 if seconds else 16]) - _EPOCH
    except ValueError:
        return None
    nanoseconds = (since.days * 86_400 + since.seconds) * 10**9
    if fraction:
        nanoseconds += int(fraction[1:].ljust(9, "0"))
    if zone and zone != "Z":
        minutes = 60 * int(zone[1:3]) + int(zone[-2:])
        if minutes >= 24 * 60 or int(zone[-2:]) > 59:
            return None
        nanoseconds -= (-1 if zone[0] == "-" else 1) * minutes * 60 * 10**9
    return nanoseconds if MISSING < nanoseconds < 2**63 else None
