"""Conversion of whole columns between local time and UTC.

The results are those of `lib.schema.iso_datetimes`, which converts the values of requests: pandas and Arrow lack the
rules of daylight saving time after 2037, and pandas fails on local times near the years 1 and 9999.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lib.schema import iso_datetimes
from lib.schema.zone_names import find_zone

if TYPE_CHECKING:
    import pandas as pd

# The years for which Arrow's conversion is exact.
_FIRST, _LAST = np.datetime64("1970-01-02", "us"), np.datetime64("2037-01-01", "us")
_FIRST_NANOSECOND = np.datetime64("1678-01-01", "us")


def to_utc(local_times: np.ndarray, time_zone: str) -> np.ndarray:
    """Convert local times to UTC; `iso_datetimes.to_instant` describes skipped and repeated times.

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
    zone = find_zone(time_zone)
    if not isinstance(zone, zoneinfo.ZoneInfo):
        return _convert_each(local_times, lambda moment: iso_datetimes.to_instant(moment, None, zone))
    is_common = (local_times >= _FIRST) & (local_times < _LAST)
    instants = pc.assume_timezone(
        pa.array(np.where(is_common, local_times, _FIRST)), time_zone, ambiguous="earliest", nonexistent="latest"
    )
    is_exact = is_common & (pc.local_timestamp(instants).to_numpy() == local_times)  # a skipped time comes back changed
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
    zone = find_zone(time_zone)
    instants = instants.astype("datetime64[us]")

    def to_local(moment: int) -> int:
        moment = iso_datetimes.to_instant(moment, 0, zone)
        return moment + iso_datetimes.offset_at(moment, zone)

    if not isinstance(zone, zoneinfo.ZoneInfo):
        return _convert_each(instants, to_local)
    is_common = (instants >= _FIRST) & (instants < _LAST)
    common = pa.array(np.where(is_common, instants, _FIRST), pa.timestamp("us", tz=time_zone))
    converted = pc.local_timestamp(common).to_numpy().copy()
    converted[~is_common] = _convert_each(instants[~is_common], to_local)
    return converted


def zone_name(zone: datetime.tzinfo) -> str:
    """Return the IANA name or the offset of a time zone."""
    return str(pa.timestamp("us", tz=zone).tz)


def _convert_each(moments: np.ndarray, convert: Callable[[int], int]) -> np.ndarray:
    """Convert each distinct datetime, given in microseconds since 1970; NaT stays NaT."""
    distinct, positions = np.unique(moments.view(np.int64), return_inverse=True)
    converted = [moment if moment == iso_datetimes.MISSING else convert(moment) for moment in distinct.tolist()]
    return np.array(converted, dtype=np.int64)[positions].view("datetime64[us]")


def protect_distant_times(frame: pd.DataFrame) -> pd.DataFrame:
    """Give columns with a time zone and times before 1678 a zone with which pandas can use them.

    pandas crashes when it converts such times to Python objects, unless the zone is one of the standard library.
    """
    import pandas as pd

    for index, dtype in enumerate(frame.dtypes):
        if not isinstance(dtype, pd.DatetimeTZDtype) or dtype.unit == "ns":
            continue
        values = frame.iloc[:, index]
        instants = values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        if (instants < _FIRST_NANOSECOND).any():
            frame.isetitem(index, values.dt.tz_convert(find_zone(zone_name(dtype.tz))))
    return frame
