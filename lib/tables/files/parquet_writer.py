"""Writing of frames as Parquet files."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lib.tables.files import arrow_numpy
from lib.tables.files.categoricals import is_dictionary_encoded
from lib.tables.files.pandas_conversion import pandas_to_arrow

ROW_GROUP_ROWS = 2**18


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as a Parquet file, completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")  # another run may write the same rows
    table = pandas_to_arrow(frame)
    # Mark columns without nulls as non-nullable, so that Parquet skips definition levels.
    schema = pa.schema(
        [
            field.with_nullable(table[field.name].null_count > 0 or pa.types.is_null(field.type))
            for field in table.schema
        ]
    )
    with pq.ParquetWriter(temporary, schema, store_schema=False, **_make_writer_options(schema)) as writer:
        writer.add_key_value_metadata({"ARROW:schema": _serialize_logical_schema(table.schema, frame)})
        writer.write_table(pa.Table.from_arrays(table.columns, schema=schema), row_group_size=ROW_GROUP_ROWS)
    temporary.replace(path)


def _make_writer_options(schema: pa.Schema) -> dict[str, Any]:
    """Return the encoding and compression of each column.

    Numbers rarely repeat, so only other columns use dictionaries. Integers compress well as differences; floats hardly
    compress at all.
    """
    integers = [field.name for field in schema if pa.types.is_integer(field.type)]
    return {
        "use_dictionary": [
            field.name
            for field in schema
            if not arrow_numpy.is_number(field.type) and not pa.types.is_temporal(field.type)
        ],
        "column_encoding": dict.fromkeys(integers, "DELTA_BINARY_PACKED"),
        "compression": {
            field.name: "none" if arrow_numpy.is_number(field.type) else "lz4"
            for field in schema
            if not pa.types.is_nested(field.type)
        },
        "write_statistics": False,
    }


def _serialize_logical_schema(schema: pa.Schema, frame: pd.DataFrame) -> bytes:
    """Return the schema for readers: dictionary-encoded text is text, since the encoding only saves memory here."""
    fields = [field.with_type(pa.string()) if is_dictionary_encoded(frame[field.name]) else field for field in schema]
    return base64.b64encode(pa.schema(fields).serialize())
