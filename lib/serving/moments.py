"""Dates and times as a request brings them, without pandas: its import alone takes longer than a start may."""

from __future__ import annotations

import datetime
import functools
import re

import numpy as np

MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
MISSING = -(2**63)
_EPOCH = datetime.datetime(1970, 1, 1)


def is_moment(value: object) -> bool:
    """Whether a value is a date or time that 64 bits of nanoseconds can hold (years 1678 to 2261)."""
    return type(value) is str and _nanoseconds(value) is not None


def are_moments(values: list[str]) -> bool:
    """Whether each of some texts is one."""
    return None not in map(_nanoseconds, values)


def moments(values: list[str | None]) -> np.ndarray:
    """Array of ``datetime64[ns]`` in UTC, of texts that are moments and of nulls."""
    found = [MISSING if value is None else _nanoseconds(value) for value in values]
    return np.array(found, dtype=np.int64).view("datetime64[ns]")


# Remembered, as each is asked for twice: by the check and for the model.
@functools.lru_cache(maxsize=4096)
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
