"""Conversion of scored columns to the texts of a CSV file. The text of a value does not depend on the other rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.time_zones import to_local_times

# A fraction of a second that is zero.
_ZERO_FRACTION = r"\.0+$"


def to_texts(column: pa.Array) -> pa.Array:
    """Return numbers and times as text, and other columns unchanged.

    A whole number is written without a fraction even if other numbers of the column have one. A time is written with
    seconds even if all times are midnight.

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
    """Return times without a time zone as text, such as ``2024-07-01 12:00:00``."""
    return pc.replace_substring_regex(pc.cast(times, pa.string()), _ZERO_FRACTION, "")


def _local_texts(times: pa.Array) -> pa.Array:
    """Return times with a time zone as local times with their offset, such as ``2024-07-01 12:00:00+02:00``.

    An offset with seconds, as used before about 1900, cannot be written. Such a time is written in UTC.
    """
    in_microseconds = pc.cast(times, pa.timestamp("us", tz=times.type.tz), safe=False)
    instants = pc.cast(in_microseconds, pa.timestamp("us")).to_numpy(zero_copy_only=False)
    offsets = to_local_times(instants, times.type.tz) - instants
    is_writable = offsets % np.timedelta64(1, "m") == np.timedelta64(0, "m")
    offsets = np.where(is_writable, offsets, np.timedelta64(0, "us"))
    minutes = (offsets // np.timedelta64(1, "m")).tolist()
    endings = [f"{'-' if minute < 0 else '+'}{abs(minute) // 60:02}:{abs(minute) % 60:02}" for minute in minutes]
    return pc.binary_join_element_wise(_time_texts(pa.array(instants + offsets)), pa.array(endings), "")
