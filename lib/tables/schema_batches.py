"""Conversion of rows to the types of their table's schema; values that do not fit are listed as faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lib.schema.column_parsing import parse_texts
from lib.schema.combined_dates import combine
from lib.schema.table_schema import ColumnSchema, TableSchema
from lib.schema.zoned_datetimes import to_column_zone
from lib.tables.files.categoricals import is_text


@dataclass(frozen=True)
class Fault:
    """A value that does not fit the schema.

    Attributes
    ----------
    row : int
        Number of the row in the table, from 0.
    column : str
    value : str
        The value as written in the file.
    expected : str
        Description of the values that the schema allows.
    """

    row: int
    column: str
    value: str
    expected: str

    def __str__(self) -> str:
        return f"row {self.row + 1:,}: column {self.column!r}: got {self.value!r}, expected {self.expected}"


@dataclass(frozen=True)
class Batch:
    """Some rows of a table.

    Attributes
    ----------
    rows : Table of shape (rows, columns)
        Columns that the schema lists are of its types, with null for values that do not fit; other columns are as in
        the file.
    first_row : int
        Number of the first row in the table, from 0.
    faults : list of Fault
    counted_as_missing : dict of str to int
        Number of values that do not fit but, by the schema, count as missing, by column.
    """

    rows: pa.Table
    first_row: int
    faults: list[Fault] = field(default_factory=list)
    counted_as_missing: dict[str, int] = field(default_factory=dict)


def apply_schema(schema: TableSchema, rows: pa.Table, first_row: int) -> Batch:
    """Convert rows of a table to the types of its schema.

    Text is parsed, datetimes get the time zone of their column, and columns that are parts of a date are replaced by
    the date.

    Parameters
    ----------
    schema : TableSchema
    rows : Table of shape (rows, columns)
    first_row : int
        Number of the first row in the table, from 0.
    """
    faults: list[Fault] = []
    counted_as_missing: dict[str, int] = {}
    for index, name in enumerate(rows.column_names):
        column = schema.columns.get(name)
        if column is None:
            continue
        arrow_type = rows.schema.field(index).type
        if not is_text(arrow_type):
            if column.time_zone and (pa.types.is_timestamp(arrow_type) or pa.types.is_date(arrow_type)):
                rows = rows.set_column(index, name, to_column_zone(rows.column(index), column))
            continue
        texts = pc.cast(rows.column(index), pa.string())
        parsed = parse_texts(texts, column)
        rows = rows.set_column(index, name, parsed.values)
        invalid = pc.indices_nonzero(parsed.is_invalid).to_pylist()
        if invalid and column.unreadable_as_missing:
            counted_as_missing[name] = len(invalid)
        elif invalid:
            faults += _list_faults(column, texts, invalid, first_row)
    batch = Batch(rows, first_row, faults, counted_as_missing)
    for column in schema.combined_columns:
        batch = combine_columns(batch, column)
    return batch


def combine_columns(batch: Batch, column: ColumnSchema) -> Batch:
    """Replace the columns that are parts of a date by one column of dates, at the position of the first part.

    A date that does not exist, or a part that is not a number, is a fault of the new column. A batch that has none of
    the parts is returned unchanged: it has the date already.
    """
    names = column.source_columns
    if not set(names) & set(batch.rows.column_names):
        return batch
    combined = combine([batch.rows[name] for name in names])
    written_values = {(fault.row - batch.first_row, fault.column): fault.value for fault in batch.faults}
    unreadable_parts = {row for row, name in written_values if name in names}
    invalid = sorted({*np.flatnonzero(combined.is_invalid).tolist(), *unreadable_parts})
    faults = [fault for fault in batch.faults if fault.column not in names]
    counted_as_missing = batch.counted_as_missing
    if column.unreadable_as_missing and invalid:
        counted_as_missing = {**counted_as_missing, column.name: len(invalid)}
    else:
        for row in invalid:
            parts = [f"{name} {written_values.get((row, name), batch.rows[name][row].as_py())}" for name in names]
            faults.append(Fault(batch.first_row + row, column.name, ", ".join(parts), column.expected))
    values = pa.chunked_array([combined.values])
    if column.time_zone:
        values = to_column_zone(values, column)
    position = min(batch.rows.column_names.index(name) for name in names)
    rows = batch.rows.drop_columns([*names, *({column.name} & set(batch.rows.column_names))])
    return replace(
        batch,
        rows=rows.add_column(min(position, rows.num_columns), column.name, values),
        faults=faults,
        counted_as_missing=counted_as_missing,
    )


def _list_faults(column: ColumnSchema, texts: pa.ChunkedArray, positions: Sequence[int], first_row: int) -> list[Fault]:
    return [
        Fault(first_row + position, column.name, texts[position].as_py(), column.expected) for position in positions
    ]
