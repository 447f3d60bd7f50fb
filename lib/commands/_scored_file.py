"""The file of scored rows. It is written in parts, and put in place when it is complete."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

SUFFIXES = (".csv", ".parquet")


@contextlib.contextmanager
def writer(out: Path) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends a table to a file. The file appears only if no error occurs.

    Parameters
    ----------
    out : Path
        A file with one of the `SUFFIXES`.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(out.name + ".part")
    open_file = _csv_writer if out.suffix.lower() == ".csv" else _parquet_writer
    try:
        with open_file(unfinished) as write:
            yield write
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def _csv_writer(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    """Collect the rows in a Parquet file, and convert it to CSV at the end, when the type of each column is known."""
    collected = path.with_name(path.name + ".rows")
    try:
        with _parquet_writer(collected) as write:
            yield write
        if collected.exists():
            _convert_to_csv(collected, path)
    finally:
        collected.unlink(missing_ok=True)


def _convert_to_csv(collected: Path, path: Path) -> None:
    """Write the rows of a Parquet file to a CSV file, batch by batch."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lib.commands._csv_texts import to_texts

    with pq.ParquetFile(collected) as rows, path.open("w", encoding="utf-8", newline="") as file:
        for batch in rows.iter_batches():
            texts = pa.table([to_texts(column) for column in batch.columns], names=batch.schema.names)
            texts.to_pandas(types_mapper=_nullable_type).to_csv(file, index=False, header=file.tell() == 0)


@contextlib.contextmanager
def _parquet_writer(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    file = _ParquetFile(path)
    try:
        yield file.write
    finally:
        file.close()


class _ParquetFile:
    """A Parquet file whose schema may still change while it is written.

    A later table may have fractions in a column of whole numbers, text in a column that was empty, or another column.
    Then the rows written so far are converted to the new schema.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path):
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        """Append a table. Columns are matched by name, and columns that the table lacks are null."""
        import pyarrow.parquet as pq

        table = table.replace_schema_metadata(None)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema)
        schema = _common_schema(self._writer.schema, table.schema)
        if schema != self._writer.schema:
            self._rewrite(schema)
        self._writer.write_table(_to_schema(table, schema))

    def close(self) -> None:
        """Complete the file."""
        if self._writer is not None:
            self._writer.close()

    def _rewrite(self, schema: pa.Schema) -> None:
        """Convert the rows written so far to another schema, which is also used from now on."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.close()
        written = self._path.with_name(self._path.name + ".old")
        self._path.rename(written)
        try:
            self._writer = pq.ParquetWriter(self._path, schema)
            with pq.ParquetFile(written) as file:
                for batch in file.iter_batches():
                    self._writer.write_table(_to_schema(pa.Table.from_batches([batch]), schema))
        finally:
            written.unlink()


def _to_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Convert a table to the columns and types of a schema; missing columns are null."""
    import pyarrow as pa

    names = set(table.column_names)
    columns = [
        table[field.name].cast(field.type) if field.name in names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _common_schema(written: pa.Schema, new: pa.Schema) -> pa.Schema:
    """Return a schema for the columns of two tables. A column whose two types have no common type becomes text."""
    import pyarrow as pa

    if written.equals(new):
        return written
    fields = {field.name: field for field in written}
    for field in new:
        earlier = fields.get(field.name)
        fields[field.name] = field if earlier is None else _common_field(earlier, field)
    return pa.schema(fields.values())


def _common_field(written: pa.Field, new: pa.Field) -> pa.Field:
    """Return a nullable column with the common type of two columns; text if there is none."""
    import pyarrow as pa

    schemas = [pa.schema([written.with_nullable(True)]), pa.schema([new.with_nullable(True)])]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0)
    except pa.ArrowTypeError:
        return pa.field(written.name, pa.string())


def _nullable_type(arrow_type: pa.DataType) -> Any:
    """Return the pandas type that can hold missing values for integers and booleans; None for other types."""
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_integer(arrow_type):
        return pd.Int64Dtype() if pa.types.is_signed_integer(arrow_type) else pd.UInt64Dtype()
    return pd.BooleanDtype() if pa.types.is_boolean(arrow_type) else None
