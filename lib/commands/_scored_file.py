"""The file of scored rows: written in parts, and complete or not there at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

SUFFIXES = (".csv", ".parquet")


@contextlib.contextmanager
def writer(out: Path) -> Iterator[Callable[[pa.Table], None]]:
    """Yield a function that appends a table to a file; after an error, there is no file.

    Parameters
    ----------
    out : Path
        A file with one of the `SUFFIXES`.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    open_file = _csv_writer if out.suffix.lower() == ".csv" else _parquet_writer
    try:
        with open_file(part) as write:
            yield write
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _csv_writer(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    with path.open("w", encoding="utf-8", newline="") as file:
        yield lambda table: table.to_pandas(types_mapper=_nullable_type).to_csv(
            file, index=False, header=file.tell() == 0
        )


@contextlib.contextmanager
def _parquet_writer(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    file = _ParquetFile(path)
    try:
        yield file.write
    finally:
        file.close()


class _ParquetFile:
    """A Parquet file whose columns may get a wider type while it is written.

    A whole number may be followed by a fraction, and an empty column by text. The rows written so far are then
    converted, which happens at most a few times.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path):
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def write(self, table: pa.Table) -> None:
        """Append a table with the columns of the first one.

        Raises
        ------
        DataError
            If no type fits a column of both.
        """
        import pyarrow.parquet as pq

        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema)
        schema = _common_schema(self._writer.schema, table.schema)
        if schema != self._writer.schema:
            self._rewrite(schema)
        self._writer.write_table(table.cast(schema))

    def close(self) -> None:
        """Complete the file."""
        if self._writer is not None:
            self._writer.close()

    def _rewrite(self, schema: pa.Schema) -> None:
        """Convert the rows written so far to another schema, and continue with it."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.close()
        written = self._path.with_name(self._path.name + ".old")
        self._path.rename(written)
        try:
            self._writer = pq.ParquetWriter(self._path, schema)
            with pq.ParquetFile(written) as file:
                for batch in file.iter_batches():
                    self._writer.write_table(pa.Table.from_batches([batch]).cast(schema))
        finally:
            written.unlink()


def _common_schema(written: pa.Schema, new: pa.Schema) -> pa.Schema:
    """Return the schema that fits two tables with the same columns."""
    import pyarrow as pa

    if written.equals(new):
        return written
    try:
        return pa.unify_schemas([written, new.remove_metadata()], promote_options="permissive")
    except pa.ArrowTypeError:
        name = next(name for name in new.names if not written.field(name).equals(new.field(name)))
        raise DataError(
            f"Column {name!r} is {written.field(name).type} in the first rows and {new.field(name).type} in later "
            "ones. Write it in one type."
        ) from None


def _nullable_type(arrow_type: pa.DataType) -> Any:
    """Return the pandas type in which integers and booleans stay what they are beside missing values."""
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_integer(arrow_type):
        return pd.Int64Dtype() if pa.types.is_signed_integer(arrow_type) else pd.UInt64Dtype()
    return pd.BooleanDtype() if pa.types.is_boolean(arrow_type) else None
