"""Partitions of a table that need not be in memory at the same time: row groups of Parquet files.

Text files are converted to Parquet first.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
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
from lib.tables.files import pandas_conversion, parquet, parquet_writer
from lib.tables.files.file_types import PARQUET_SUFFIXES
from lib.tables.schema_source import SchemaSource

_MAX_SAMPLE_BYTES = 2**26


@dataclass(frozen=True)
class Partition:
    """A row group of a Parquet file.

    Attributes
    ----------
    path : str
    row_group : int
    row_count : int
    first_row : int
        Number of the first row in the table, from 0.
    folder_values : mapping of str to Scalar
        Values of the columns that are encoded in folder names.
    types : mapping of str to DataType
        Types of the columns in all files, by name. A column that the file lacks is filled with nulls.
    schema : TableSchema or None
        The schema by which text columns are read; None if they stay as they are in the file.
    """

    path: str
    row_group: int
    row_count: int
    first_row: int = 0
    folder_values: Mapping[str, pa.Scalar] = field(default_factory=dict)
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    schema: TableSchema | None = None

    def read(self, exclude: Collection[str] = ()) -> pd.DataFrame:
        """Read the rows.

        Parameters
        ----------
        exclude : collection of str
            Columns not to read.

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
        table, _ = parquet.keep_scalar_columns(table)
        table = parquet.cast_columns(table, self.types)
        for name in [name for name in self.types if name not in (*names, *self.folder_values)]:
            if normalize_name(name) in exclude:
                continue
            table = table.append_column(name, pa.nulls(len(table), self.types[name]))
        table = parquet.add_partition_columns(table, self.folder_values, exclude=[*names, *exclude])
        if self.schema is not None:
            schema_reader.check_date_parts(Path(self.path), table.column_names, self.schema)
            batch = schema_reader.apply_schema(self.schema, table, self.first_row)
            table, _ = schema_reader.collect(iter([batch]), [Path(self.path)], exclude)
        only_reference = [table]
        del table  # `arrow_to_pandas` frees each column after its conversion, unless someone else holds the table
        frame = pandas_conversion.convert_periods_and_intervals(pandas_conversion.arrow_to_pandas(only_reference.pop()))
        frame.columns = [normalize_name(name) for name in frame.columns]
        return frame


def read_sample(
    uri: str, exclude: Collection[str] = (), encoding: str = "", source: SchemaSource | None = None
) -> pd.DataFrame:
    """Read all of a small table, or the first rows of a large one, to show its columns and how they are read.

    Parameters
    ----------
    uri : str
        A file, folder or pattern.
    exclude : collection of str
        Columns not to read.
    encoding : str
        Python name of the encoding of text files; detected if empty.
    source : SchemaSource, optional
        The stored schema, if there is one, and what the parameters say about the table.

    Returns
    -------
    DataFrame
        See `frames.read`.

    Raises
    ------
    DataError
        If the table is remote or cannot be read.
    NameNotFound
        If an excluded column does not exist.
    """
    paths = list_local_files(uri)
    if sum(path.stat().st_size for path in paths) <= _MAX_SAMPLE_BYTES:
        return frames.read(paths, exclude, encoding=encoding, schema_source=source)
    with _write_start_of_file(paths[0]) as start:
        return frames.read(start, exclude, encoding=encoding, schema_source=source)


def list_partitions(
    uri: str,
    folder: Path,
    schema: TableSchema,
    encoding: str = "",
    exclude: Collection[str] = (),
    parse_parquet: bool = False,
) -> list[Partition]:
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
    exclude : collection of str
        Columns not to read.
    parse_parquet : bool
        Whether text columns of Parquet files are also parsed by the schema.

    Raises
    ------
    DataError
        If the table is remote or cannot be read, or a value does not fit the schema.
    """
    paths = list_local_files(uri)
    folder_columns: Mapping[str, pa.Array] = {}
    if paths[0].suffix.lower() in PARQUET_SUFFIXES:
        folder_columns = parquet.parse_partition_columns(paths)
    else:
        paths = _convert_to_parquet(paths, folder, schema, encoding, exclude)
        parse_parquet = False
    types = _find_common_types(paths)
    partitions: list[Partition] = []
    first_row = 0
    for index, path in enumerate(paths):
        metadata = pq.read_metadata(path)
        folder_values = {name: column[index] for name, column in folder_columns.items()}
        for row_group in range(metadata.num_row_groups):
            row_count = metadata.row_group(row_group).num_rows
            parser = schema if parse_parquet else None
            partitions.append(Partition(str(path), row_group, row_count, first_row, folder_values, types, parser))
            first_row += row_count
    return [partition for partition in partitions if partition.row_count]


def list_local_files(uri: str) -> list[Path]:
    """List the files of a table that all workers can access.

    Raises
    ------
    DataError
        If the table is remote, or there is no such file.
    """
    if sources.is_remote(uri):
        raise DataError(
            f"{uri}: engine dask reads files that all workers can access. Copy the table to a shared folder."
        )
    return sources.list_files(uri)


def _find_common_types(paths: Sequence[Path]) -> dict[str, pa.DataType]:
    """Return the type of each column that fits all files; empty if the types of all files agree."""
    schemas = []
    for path in paths:
        parquet.read_column_names(path)  # raises an error if the file is damaged
        schemas.append(pq.read_schema(path).remove_metadata())
    if all(schema.equals(schemas[0]) for schema in schemas):
        return {}
    # When the rows are read, columns of bytes are decoded, and columns of lists are left out.
    scalars = [
        pa.schema(
            [entry for entry in schema if not parquet.is_binary(entry.type) and not pa.types.is_nested(entry.type)]
        )
        for schema in schemas
    ]
    return parquet.find_common_types(paths, scalars)


@contextmanager
def _write_start_of_file(path: Path) -> Iterator[Path]:
    """Write the first rows of a large file to a temporary file, and yield its path."""
    with tempfile.TemporaryDirectory() as folder:
        if path.suffix.lower() in PARQUET_SUFFIXES:
            parquet.read_column_names(path)  # raises an error if the file is damaged
            start = Path(folder) / "start.parquet"
            pq.write_table(pq.ParquetFile(path).read_row_group(0), start)
        else:
            start = Path(folder) / "start.csv"
            with open_binary(path) as file:
                content = file.read(_MAX_SAMPLE_BYTES)
            start.write_bytes(content[: content.rfind(b"\n") + 1])
        yield start


def _convert_to_parquet(
    paths: Sequence[Path], folder: Path, schema: TableSchema, encoding: str, exclude: Collection[str]
) -> list[Path]:
    """Convert text files to Parquet, one row group at a time, and return the new files."""
    folder.mkdir(parents=True, exist_ok=True)
    required = [name for name in schema.required_columns if name not in exclude]
    targets = []
    for index, path in enumerate(paths):
        targets.append(folder / f"{index:04d}.parquet")
        writer = None
        try:
            for batch in schema_reader.read(schema, [path], parquet_writer.ROW_GROUP_ROWS, required, encoding):
                rows, _ = schema_reader.collect(iter([batch]), [path], exclude)
                _check_whole_numbers(path, rows, batch.first_row, schema)
                if writer is None:
                    writer = pq.ParquetWriter(targets[-1], rows.schema, compression="lz4")
                writer.write_table(rows)
        finally:
            if writer is not None:
                writer.close()
    return targets


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
