"""Columns of scored rows as they are written to a CSV file: each value alike, whatever the other rows contain."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.time_zones import to_local_times

# A fraction of a second without a digit that counts.
_NO_FRACTION = r"\.0+$"


def to_texts(column: pa.Array) -> pa.Array:
    """Return numbers and times as text, and other columns unchanged.

    A whole number has no fraction even if others in its column have one, and a time has seconds even if all times of
    its part are midnight.

    Examples
    --------
    >>> to_texts(pa.array([5.0, 2.5, None])).to_pylist()
    ['5', '2.5', None]
    """
    if pa.types.is_floating(column.type):
        return pc.cast(pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column), pa.string())
    if pa.types.is_timestamp(column.type):
        return _local_texts(column) if column.type.tz else _time_texts(column)
    return column


def _time_texts(times: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(pc.cast(times, pa.string()), _NO_FRACTION, "")


def _local_texts(times: pa.Array) -> pa.Array:
    """Return times with a time zone as local times with their offset, such as ``2024-07-01 12:00:00+02:00``.

    Offsets with seconds, which were in use before about 1900, cannot be written: these times are in UTC.
    """
    in_microseconds = pc.cast(times, pa.timestamp("us", tz=times.type.tz), safe=False)
    instants = pc.cast(in_microseconds, pa.timestamp("us")).to_numpy(zero_copy_only=False)
    offsets = to_local_times(instants, times.type.tz) - instants
    is_writable = offsets % np.timedelta64(1, "m") == np.timedelta64(0, "m")
    offsets = np.where(is_writable, offsets, np.timedelta64(0, "us"))
    minutes = (offsets // np.timedelta64(1, "m")).tolist()
    endings = [f"{'-' if minute < 0 else '+'}{abs(minute) // 60:02}:{abs(minute) % 60:02}" for minute in minutes]
    return pc.binary_join_element_wise(_time_texts(pa.array(instants + offsets)), pa.array(endings), "")
