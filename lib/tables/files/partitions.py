"""Partitions of a table that never have to be in memory together: row groups of Parquet files.

Text files are converted to Parquet first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import DataError, format_count
from lib.schema import number_parsing
from lib.tables import frames, sources
from lib.tables.detect import type_inference
from lib.tables.detect.dialect import Dialect, detect_dialect
from lib.tables.files import arrow_numpy, parquet
from lib.tables.files.categoricals import is_text
from lib.tables.files.file_types import PARQUET_SUFFIXES


@dataclass(frozen=True)
class Partition:
    """A row group of a Parquet file.

    Attributes
    ----------
    path : str
    row_group : int
    folder_values : mapping of str to Scalar
        Values of the columns that are encoded in folder names.
    """

    path: str
    row_group: int
    folder_values: Mapping[str, pa.Scalar] = field(default_factory=dict)

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
        """
        file = pq.ParquetFile(self.path)
        names = file.schema_arrow.names
        table = file.read_row_group(self.row_group, columns=[name for name in names if name not in exclude])
        table, notes = parquet.keep_scalar_columns(table)
        only_reference = [parquet.add_partition_columns(table, self.folder_values, exclude=[*names, *exclude])]
        del table  # `arrow_to_pandas` frees each column after its conversion, unless someone else holds the table
        frame = frames.arrow_to_pandas(only_reference.pop())
        frame.columns = [str(name).strip() for name in frame.columns]
        frame.attrs[frames.NOTES] = notes
        return frame


def list_partitions(uri: str, folder: Path, encoding: str = "") -> list[Partition]:
    """List the partitions of a table in files.

    Parameters
    ----------
    uri : str
        A file, folder or pattern.
    folder : Path
        Where to write Parquet copies of text files.
    encoding : str
        Python name of the encoding of text files; detected if empty.

    Raises
    ------
    DataError
        If the table is remote or cannot be read, or the type of a text column changes after its first rows.
    """
    if sources.is_remote(uri):
        raise DataError(
            f"{uri}: engine dask reads files that all workers can access. Copy the table to a shared folder."
        )
    paths = sources.list_files(uri)
    if paths[0].suffix.lower() not in PARQUET_SUFFIXES:
        copies = [
            _convert_to_parquet(path, folder / f"{index:04d}.parquet", encoding) for index, path in enumerate(paths)
        ]
        return [Partition(str(path), row_group) for path in copies for row_group in range(_count_row_groups(path))]
    folder_columns = parquet.partition_columns(paths)
    return [
        Partition(str(path), row_group, {name: column[index] for name, column in folder_columns.items()})
        for index, path in enumerate(paths)
        for row_group in range(_count_row_groups(path))
    ]


def _count_row_groups(path: Path) -> int:
    parquet.column_names(path)  # raises an error if the file is damaged
    return pq.ParquetFile(path).num_row_groups


def _convert_to_parquet(path: Path, target: Path, encoding: str) -> Path:
    """Convert a text file block by block, each column in the type of its first rows."""
    dialect = detect_dialect(path, encoding=encoding)
    _check_dialect(path, dialect)
    target.parent.mkdir(parents=True, exist_ok=True)
    writer, batches, has_inexact_numbers, schema = None, list[pa.RecordBatch](), False, None
    try:
        for batch in type_inference.iter_batches(path, dialect):
            if writer is None:
                schema = batch.schema
                if dialect.scan.may_have_leading_zeros:
                    _refuse_numeric_codes(path, dialect, schema)
                _refuse_formatted_numbers(path, batch)
                writer = pq.ParquetWriter(target, schema, compression="lz4")
            batches.append(batch)
            has_inexact_numbers = has_inexact_numbers or any(map(_may_be_inexact, batch.columns))
            if sum(waiting.num_rows for waiting in batches) >= frames.ROW_GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(batches))
                batches = []
        if writer is not None and batches:
            writer.write_table(pa.Table.from_batches(batches))
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{path}: {str(error).splitlines()[0]}. Engine dask takes column types from the first rows. Fix the "
            "column, or write the table as Parquet."
        ) from error
    finally:
        if writer is not None:
            writer.close()
    if schema is None:
        raise DataError(
            f"{path} has a header of {format_count(len(dialect.header), 'column')} and no rows. Give a table with rows."
        )
    if has_inexact_numbers and not dialect.scan.may_have_leading_zeros:
        _refuse_numeric_codes(path, dialect, schema)
    return target


def _check_dialect(path: Path, dialect: Dialect) -> None:
    """Check that engine dask can read a text file."""
    repeated = sorted({name for name in dialect.header if dialect.header.count(name) > 1})
    if repeated:
        raise DataError(f"{path} has {dialect.header.count(repeated[0])} columns {repeated[0]!r}. Rename all but one.")
    if dialect.needs_csv_module:
        reason = "backslashes before quotes" if dialect.escape_character else "spaces around its separators"
        raise DataError(
            f"{path} ({dialect}) has {reason}, which engine dask cannot read. Write the table as Parquet, or set "
            "`engine` to memory."
        )


def _may_be_inexact(column: pa.Array) -> bool:
    """Return whether a column has floats so large that the file may contain more digits than they keep."""
    if not pa.types.is_floating(column.type):
        return False
    smallest, largest = arrow_numpy.min_max(pa.chunked_array([column]))
    return max(-smallest, largest) >= number_parsing.MAX_EXACT_INTEGER


def _refuse_formatted_numbers(path: Path, batch: pa.RecordBatch) -> None:
    """Refuse numbers with units, decimal commas or missing codes: parsing them takes the whole column."""
    formatted = [
        name
        for name, values in zip(batch.schema.names, batch.columns, strict=True)
        if is_text(values.type)
        and number_parsing.parse_column(pa.chunked_array([values]), name, comma_separated=False).numbers is not None
    ]
    if formatted:
        raise DataError(
            f"{path}: {', '.join(formatted)} contain numbers with units, decimal commas or missing codes, such as 5 %, "
            "1,5 or n.a., which engine dask would read as text. Write plain numbers, write the table as Parquet, or "
            "set `engine` to memory."
        )


def _refuse_numeric_codes(path: Path, dialect: Dialect, schema: pa.Schema) -> None:
    """Refuse columns of numbers whose text in the file is a code."""
    number_columns = [column.name for column in schema if arrow_numpy.is_number(column.type)]
    code_columns = set()
    for batch in type_inference.iter_batches(path, dialect, number_columns):
        code_columns |= {
            name for name in number_columns if number_parsing.has_numeric_codes(pa.chunked_array([batch[name]]))
        }
    if code_columns:
        raise DataError(
            f"{path}: {', '.join(sorted(code_columns))} contain codes such as 00501 or numbers with too many digits, "
            "which would change as numbers. Write the table as Parquet with these columns as text."
        )
