"""Look-up of time zones by name."""

from __future__ import annotations

import datetime
import re
import zoneinfo

_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>[01]\d|2[0-3]):?(?P<minutes>[0-5]\d)")


def find_zone(name: str) -> datetime.tzinfo:
    """Return a time zone by its IANA name or offset.

    Raises
    ------
    ValueError
        If there is no such time zone.

    Examples
    --------
    >>> find_zone("+02:00").utcoffset(None)
    datetime.timedelta(seconds=7200)
    """
    if match := _OFFSET.fullmatch(name):
        minutes = 60 * int(match["hours"]) + int(match["minutes"])
        return datetime.timezone(datetime.timedelta(minutes=-minutes if match["sign"] == "-" else minutes))
    try:
        return datetime.UTC if name == "UTC" else zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(
            f"There is no time zone {name!r}; expected an IANA name such as 'Europe/Berlin' or an offset such as "
            "'+02:00'."
        ) from error
