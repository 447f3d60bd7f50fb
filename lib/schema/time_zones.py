"""Conversion of whole columns between local time and UTC.

The results equal those of `lib.schema.iso_datetimes`, which converts the values of requests. That module also converts
the times for which Arrow and pandas fail: both lack the rules of daylight saving time after 2037, and pandas fails on
local times near the years 1 and 9999.

Arrow and pandas are imported only inside functions, because importing them would slow down an endpoint's start.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from lib.schema import iso_datetimes
from lib.schema.zone_names import find_zone

if TYPE_CHECKING:
    import pandas as pd

# The times between which Arrow's conversion is exact.
_FIRST_EXACT, _LAST_EXACT = np.datetime64("1970-01-02", "us"), np.datetime64("2037-01-01", "us")
# pandas' timestamps in nanoseconds begin shortly before.
_FIRST_IN_NANOSECONDS = np.datetime64("1678-01-01", "us")


def to_utc(local_times: np.ndarray, time_zone: str) -> np.ndarray:
    """Convert local times to UTC. For skipped and repeated local times, see `iso_datetimes.to_instant`.

    Parameters
    ----------
    local_times : ndarray of datetime64[us], of shape (rows,)
    time_zone : str
        An IANA name or an offset such as ``+02:00``.

    Examples
    --------
    >>> skipped_and_repeated = np.array(["2024-03-31T02:30", "2024-10-27T02:30"], dtype="datetime64[us]")
    >>> to_utc(skipped_and_repeated, "Europe/Berlin").astype("datetime64[m]").astype(str).tolist()
    ['2024-03-31T01:30', '2024-10-27T00:30']
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    zone = find_zone(time_zone)
    if not isinstance(zone, zoneinfo.ZoneInfo):
        return _convert_each(local_times, lambda moment: iso_datetimes.to_instant(moment, None, zone))
    is_in_range = (local_times >= _FIRST_EXACT) & (local_times < _LAST_EXACT)
    in_range = pa.array(np.where(is_in_range, local_times, _FIRST_EXACT))
    instants = pc.assume_timezone(in_range, time_zone, ambiguous="earliest", nonexistent="latest")
    # A local time that a clock change skips differs after the conversion to UTC and back.
    is_exact = is_in_range & (pc.local_timestamp(instants).to_numpy() == local_times)
    converted = pc.cast(instants, pa.timestamp("us")).to_numpy().copy()
    converted[~is_exact] = _convert_each(
        local_times[~is_exact], lambda moment: iso_datetimes.to_instant(moment, None, zone)
    )
    return converted


def to_local_times(instants: np.ndarray, time_zone: str) -> np.ndarray:
    """Convert times in UTC to local times.

    Parameters
    ----------
    instants : ndarray of datetime64, of shape (rows,)
    time_zone : str
        An IANA name or an offset such as ``+02:00``.

    Examples
    --------
    >>> to_local_times(np.array(["2040-07-01T12:00"], dtype="datetime64[us]"), "Europe/Berlin").astype(str).tolist()
    ['2040-07-01T14:00:00.000000']
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    zone = find_zone(time_zone)
    instants = instants.astype("datetime64[us]")

    def to_local(instant: int) -> int:
        # Limits the instant to times whose local time is in the years 1 to 9999.
        limited = iso_datetimes.to_instant(instant, offset=0, zone=zone)
        return limited + iso_datetimes.find_utc_offset(limited, zone)

    if not isinstance(zone, zoneinfo.ZoneInfo):
        return _convert_each(instants, to_local)
    is_in_range = (instants >= _FIRST_EXACT) & (instants < _LAST_EXACT)
    common = pa.array(np.where(is_in_range, instants, _FIRST_EXACT), pa.timestamp("us", tz=time_zone))
    converted = pc.local_timestamp(common).to_numpy().copy()
    converted[~is_in_range] = _convert_each(instants[~is_in_range], to_local)
    return converted


def get_zone_name(zone: datetime.tzinfo) -> str:
    """Return the IANA name or the offset of a time zone."""
    import pyarrow as pa

    return str(pa.timestamp("us", tz=zone).tz)


def _convert_each(moments: np.ndarray, convert: Callable[[int], int]) -> np.ndarray:
    """Apply a function to each distinct datetime, as microseconds since 1970; NaT stays NaT."""
    distinct, positions = np.unique(moments.view(np.int64), return_inverse=True)
    converted = [moment if moment == iso_datetimes.MISSING else convert(moment) for moment in distinct.tolist()]
    return np.array(converted, dtype=np.int64)[positions].view("datetime64[us]")


def protect_distant_times(frame: pd.DataFrame) -> pd.DataFrame:
    """Replace the time zone of columns with times before 1678 by the standard library's zone of the same name.

    With any other implementation of the zone, pandas crashes when it converts such times to Python objects.
    """
    import pandas as pd

    for index, dtype in enumerate(frame.dtypes):
        if not isinstance(dtype, pd.DatetimeTZDtype) or dtype.unit == "ns":
            continue
        values = frame.iloc[:, index]
        instants = values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        if (instants < _FIRST_IN_NANOSECONDS).any():
            frame.isetitem(index, values.dt.tz_convert(find_zone(get_zone_name(dtype.tz))))
    return frame
