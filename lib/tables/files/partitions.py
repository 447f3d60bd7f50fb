"""Partitions of a table that never have to be in memory together: row groups of Parquet files.

Text files are converted to Parquet first.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.errors import DataError
from lib.schema.table_schema import TableSchema
from lib.tables import frames, schema_reader, sources
from lib.tables.column_names import normalize_name
from lib.tables.detect.raw_files import open_binary
from lib.tables.files import parquet
from lib.tables.files.file_types import PARQUET_SUFFIXES
from lib.tables.schema_source import SchemaSource

_MAX_INFERENCE_BYTES = 2**26


@dataclass(frozen=True)
class Partition:
    """A row group of a Parquet file.

    Attributes
    ----------
    path : str
    row_group : int
    folder_values : mapping of str to Scalar
        Values of the columns that are encoded in folder names.
    schema : TableSchema or None
        How the values are read; None if the file was written by the schema.
    first_row : int
        Number of the first row in the file, from 0.
    """

    path: str
    row_group: int
    folder_values: Mapping[str, pa.Scalar] = field(default_factory=dict)
    schema: TableSchema | None = None
    first_row: int = 0

    def read(self, exclude: Collection[str] = ()) -> pd.DataFrame:
        """Read the rows.

        Parameters
        ----------
        exclude : collection of str
            Columns not to read.

        Returns
        -------
        DataFrame
            ``attrs["notes"]`` are sentences about columns that cannot be read.

        Raises
        ------
        DataError
            If a value does not fit the schema.
        """
        file = pq.ParquetFile(self.path)
        names = file.schema_arrow.names
        table = file.read_row_group(
            self.row_group, columns=[name for name in names if normalize_name(name) not in exclude]
        )
        table, notes = parquet.keep_scalar_columns(table)
        table = parquet.add_partition_columns(table, self.folder_values, exclude=[*names, *exclude])
        if self.schema is not None:
            schema_reader.check_parts(Path(self.path), table.column_names, self.schema)
            batch = schema_reader.apply_schema(self.schema, table, self.first_row)
            table, fault_notes = schema_reader.collect(iter([batch]), [Path(self.path)])
            notes = [*notes, *fault_notes]
        only_reference = [table]
        del table  # `arrow_to_pandas` frees each column after its conversion, unless someone else holds the table
        frame = frames.arrow_to_pandas(only_reference.pop())
        frame.columns = [normalize_name(name) for name in frame.columns]
        frame.attrs[frames.NOTES] = notes
        return frame


def infer_schema(uri: str, encoding: str = "", source: SchemaSource | None = None) -> TableSchema:
    """Return the schema of a table in files: the stored one, or one inferred from the start of the first file.

    Parameters
    ----------
    uri : str
        A file, folder or pattern.
    encoding : str
        Python name of the encoding of text files; detected if empty.
    source : SchemaSource, optional
        The stored schema, if there is one, and what the parameters say about the table.
    """
    source = source or SchemaSource()
    path = _list_files(uri)[0]
    if source.stored is not None:
        return source.change(source.stored)
    with _start_of_file(path) as start:
        frame = frames.read(
            start, encoding=encoding, schema_source=SchemaSource(header=source.header, month_first=source.month_first)
        )
    return source.change(TableSchema.from_dict(frame.attrs[frames.SCHEMA]))


def list_partitions(uri: str, folder: Path, schema: TableSchema, encoding: str = "") -> list[Partition]:
    """List the partitions of a table in files.

    Parameters
    ----------
    uri : str
        A file, folder or pattern.
    folder : Path
        Where to write Parquet copies of text files.
    schema : TableSchema
        How text files are read.
    encoding : str
        Python name of the encoding of text files; detected if empty.

    Raises
    ------
    DataError
        If the table is remote or cannot be read, or a value does not fit the schema.
    """
    paths = _list_files(uri)
    if paths[0].suffix.lower() not in PARQUET_SUFFIXES:
        copies = [
            _convert_to_parquet(path, folder / f"{index:04d}.parquet", schema, encoding)
            for index, path in enumerate(paths)
        ]
        return [Partition(str(path), row_group) for path in copies for row_group in range(_count_row_groups(path))]
    folder_columns = parquet.partition_columns(paths)
    return [
        Partition(
            str(path), row_group, {name: column[index] for name, column in folder_columns.items()}, schema, first_row
        )
        for index, path in enumerate(paths)
        for row_group, first_row in enumerate(_first_rows(path))
    ]


def _list_files(uri: str) -> list[Path]:
    if sources.is_remote(uri):
        raise DataError(
            f"{uri}: engine dask reads files that all workers can access. Copy the table to a shared folder."
        )
    return sources.list_files(uri)


@contextmanager
def _start_of_file(path: Path) -> Iterator[Path]:
    """Yield a file with the first rows of a large text file, or a small file itself."""
    if path.suffix.lower() in PARQUET_SUFFIXES or path.stat().st_size <= _MAX_INFERENCE_BYTES:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder, open_binary(path) as file:
        start = Path(folder) / "start.csv"
        content = file.read(_MAX_INFERENCE_BYTES)
        start.write_bytes(content[: content.rfind(b"\n") + 1])
        yield start


def _count_row_groups(path: Path) -> int:
    parquet.column_names(path)  # raises an error if the file is damaged
    return pq.ParquetFile(path).num_row_groups


def _first_rows(path: Path) -> list[int]:
    """Return the number of the first row of each row group of a file."""
    _count_row_groups(path)
    metadata = pq.ParquetFile(path).metadata
    sizes = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
    return [0, *itertools.accumulate(sizes[:-1])] if sizes else []


def _convert_to_parquet(path: Path, target: Path, schema: TableSchema, encoding: str) -> Path:
    """Convert a text file to Parquet, one row group at a time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    writer = None
    try:
        for batch in schema_reader.read(schema, [path], frames.ROW_GROUP_ROWS, schema.required_columns, encoding):
            rows, _ = schema_reader.collect(iter([batch]), [path])
            _check_whole_numbers(path, rows, batch.first_row, schema)
            if writer is None:
                writer = pq.ParquetWriter(target, rows.schema, compression="lz4")
            writer.write_table(rows)
    finally:
        if writer is not None:
            writer.close()
    return target


def _check_whole_numbers(path: Path, rows: pa.Table, first_row: int, schema: TableSchema) -> None:
    """Raise if a column of whole numbers contains a fraction: its type must be the same in every partition."""
    for entry in rows.schema:
        column = schema.columns.get(entry.name)
        if column is None or not column.whole or not pa.types.is_floating(entry.type):
            continue
        values = rows[entry.name]
        position = pc.index(pc.not_equal(values, pc.floor(values)), True).as_py()
        raise DataError(
            f"{path}, row {first_row + position + 1:,}: column {entry.name!r} contains {values[position].as_py()}; "
            f"expected whole numbers. Set columns: {{{entry.name}: {{whole: false}}}}."
        )
