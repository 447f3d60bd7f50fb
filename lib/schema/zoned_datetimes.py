"""Conversion of columns of datetimes to the time zone in their schema."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.datetimes import ISO_FORMAT, OFFSET_PATTERN, parse_column
from lib.schema.parsed_texts import ParsedTexts
from lib.schema.table_schema import ColumnSchema
from lib.schema.time_zones import to_utc


def parse_zoned_texts(texts: pa.ChunkedArray, column: ColumnSchema) -> ParsedTexts:
    """Parse datetimes in text. A text without a UTC offset is local time; one with an offset is converted to it.

    Parameters
    ----------
    texts : ChunkedArray of string, of shape (rows,)
    column : ColumnSchema
        A column with a time zone.

    Examples
    --------
    >>> column = ColumnSchema("when", "datetime", time_zone="Europe/Berlin")
    >>> parsed = parse_zoned_texts(pa.chunked_array([["2024-07-01 12:00", "2024-07-01T12:00Z", "soon"]]), column)
    >>> [str(value) for value in parsed.values], parsed.is_invalid.to_pylist()
    (['2024-07-01 12:00:00+02:00', '2024-07-01 14:00:00+02:00', 'None'], [False, False, True])
    """
    import pandas as pd

    encoded = texts.combine_chunks().dictionary_encode()
    distinct = encoded.dictionary
    dates = parse_column(pd.Series(distinct.to_pylist(), dtype=object), column.date_format or ISO_FORMAT)
    written = dates.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    has_offset = np.asarray(
        pc.match_substring_regex(distinct, OFFSET_PATTERN).to_numpy(zero_copy_only=False), dtype=bool
    )
    instants = np.where(has_offset, written, to_utc(written, column.time_zone))
    zoned = pa.array(instants, _zoned_type(column))
    values = pa.chunked_array([pc.take(zoned, encoded.indices)])
    is_invalid = pc.and_(pc.is_null(values), pa.chunked_array([pc.is_valid(encoded.indices)]))
    return ParsedTexts(values, is_invalid)


def to_column_zone(values: pa.ChunkedArray, column: ColumnSchema) -> pa.ChunkedArray:
    """Convert dates and timestamps to the column's time zone. Values without a zone are taken as local times.

    Parameters
    ----------
    values : ChunkedArray of date or timestamp, of shape (rows,)
    column : ColumnSchema
        A column with a time zone.
    """
    if getattr(values.type, "tz", None):
        return pc.cast(values, pa.timestamp(values.type.unit, tz=column.time_zone))
    local_times = pc.cast(values, pa.timestamp("us"), safe=False).to_numpy().astype("datetime64[us]")
    return pa.chunked_array([pa.array(to_utc(local_times, column.time_zone), _zoned_type(column))])


def _zoned_type(column: ColumnSchema) -> pa.DataType:
    return pa.timestamp("us", tz=column.time_zone)
