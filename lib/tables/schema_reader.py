"""The reader of tables whose schema is known: batches of typed rows, whatever the size of the files.

Nothing is inferred from the values. Those that do not fit the schema are faults.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.errors import DataError, format_count, suggest
from lib.schema.column_parsing import null_strings, parse_texts
from lib.schema.table_schema import ColumnSchema, TableSchema
from lib.tables.column_names import deduplicate_names
from lib.tables.detect.dialect import Dialect
from lib.tables.detect.dialect_detection import detect_dialect
from lib.tables.detect.raw_files import READ_ERRORS
from lib.tables.files import non_data_rows, parquet, text_batches
from lib.tables.files.categoricals import is_text
from lib.tables.files.file_types import PARQUET_SUFFIXES, check_file
from lib.tables.files.text_batches import FileBatch

_MAX_LISTED_FAULTS = 5

Progress = Callable[[float], object]


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
        Columns of the schema have its types, and null where a value does not fit. Other columns are as in the file.
    first_row : int
        Number of the first row in the table, from 0.
    faults : list of Fault
    counted_as_missing : dict of str to int
        Number of values that do not fit but count as missing, as the schema says, by column.
    """

    rows: pa.Table
    first_row: int
    faults: list[Fault] = field(default_factory=list)
    counted_as_missing: dict[str, int] = field(default_factory=dict)


def read(
    schema: TableSchema,
    paths: Sequence[Path],
    max_rows: int,
    required: Collection[str] = (),
    encoding: str = "",
    progress: Progress = bool,
) -> Iterator[Batch]:
    """Read a table in batches, by its schema.

    Parameters
    ----------
    schema : TableSchema
    paths : sequence of Path
        Text or Parquet files.
    max_rows : int
        Maximum number of rows per batch.
    required : collection of str
        Columns that every file must have.
    encoding : str
        Python name of the encoding of text files; by default that of the schema.
    progress : callable
        Called after each batch with the share of the table that has been read, 0 to 1.

    Yields
    ------
    Batch

    Raises
    ------
    DataError
        If a file cannot be read, lacks a required column or has no rows. The message names the file.
    """
    for path in paths:
        check_file(path)
    first_row = 0
    sizes = [path.stat().st_size for path in paths]
    for index, path in enumerate(paths):
        is_parquet = path.suffix.lower() in PARQUET_SUFFIXES
        batches = _read_parquet(path, max_rows) if is_parquet else _read_text(schema, path, encoding)
        for file_batch in batches:
            check_columns(path, file_batch.rows.column_names, required)
            for start in range(0, file_batch.rows.num_rows, max_rows):
                rows = file_batch.rows[start : start + max_rows]
                yield apply_schema(schema, rows, first_row)
                first_row += rows.num_rows
            progress((sum(sizes[:index]) + file_batch.share * sizes[index]) / max(1, sum(sizes)))
    if not first_row:
        raise DataError(f"{paths[0]} has no rows. Give a table with a header and rows.")


def collect(
    batches: Iterator[Batch], paths: Sequence[Path], exclude: Collection[str] = ()
) -> tuple[pa.Table, list[str]]:
    """Collect all batches in one table.

    Returns
    -------
    table : Table of shape (rows, columns)
    notes : list of str
        A sentence for each column with values that do not fit but count as missing.

    Raises
    ------
    DataError
        If values do not fit the schema. The message lists the first ones.
    """
    tables, faults, counts = list[pa.Table](), list[Fault](), Counter[str]()
    for batch in batches:
        kept = [name for name in batch.rows.column_names if name not in exclude]
        tables.append(batch.rows.select(kept))
        faults += [fault for fault in batch.faults if fault.column not in exclude]
        counts.update({name: count for name, count in batch.counted_as_missing.items() if name not in exclude})
    if faults:
        raise DataError(_describe_faults(faults, paths))
    notes = [
        f"{format_count(count, 'value')} of {name} counted as missing, because of its schema."
        for name, count in counts.items()
    ]
    return pa.concat_tables(tables, promote_options="permissive"), notes


def _describe_faults(faults: Sequence[Fault], paths: Sequence[Path]) -> str:
    subject = "1 value does" if len(faults) == 1 else f"{len(faults):,} values do"
    listed = "".join(f"\n  - {fault}" for fault in faults[:_MAX_LISTED_FAULTS])
    more = f"\n  - and {len(faults) - _MAX_LISTED_FAULTS:,} more" if len(faults) > _MAX_LISTED_FAULTS else ""
    return (
        f"{paths[0]}: {subject} not fit the table schema:{listed}{more}\nCorrect the values, describe the column under "
        "`columns` in the parameter file, or accept the table as it is now: run_all.py schema --refresh."
    )


def to_frame(batch: Batch) -> pd.DataFrame:
    """Return the rows of a batch as a DataFrame whose index is the row number in the table, from 0.

    Values that do not fit the schema are contained as they are written in the file. Integers and booleans keep their
    type beside missing values.
    """
    types = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame = batch.rows.to_pandas(types_mapper=types.get)
    # A named index was a column of the written table; an unnamed one is the row number.
    named_levels = [name for name in frame.index.names if name is not None]
    frame = frame.reset_index(level=named_levels).reset_index(drop=True)
    for name in {fault.column for fault in batch.faults}:
        frame[name] = frame[name].astype(object)
    for fault in batch.faults:
        frame.at[fault.row - batch.first_row, fault.column] = fault.value
    frame.index = pd.RangeIndex(batch.first_row, batch.first_row + len(frame))
    return frame


def check_columns(path: Path, names: Sequence[str], required: Collection[str]) -> None:
    """Raise if a file lacks a required column, with the nearest name that it has."""
    for name in required:
        if name not in names:
            raise DataError(f"{path} has no column {name!r}. {suggest(name, names)}")


def _read_text(schema: TableSchema, path: Path, encoding: str) -> Iterator[FileBatch]:
    """Read a text file as strings, with its column names."""
    try:
        dialect = file_dialect(schema, path, encoding)
        names = deduplicate_names(dialect.header)
        batches = text_batches.read_batches(path, dialect, null_strings(list(schema.columns.values())))
        for batch in non_data_rows.drop(batches, dialect.header, schema.text_format):
            yield batch._replace(rows=batch.rows.rename_columns(names))
    except READ_ERRORS as error:
        raise DataError(f"{path} cannot be read: {str(error).strip().rstrip('.')}.") from error


def file_dialect(schema: TableSchema, path: Path, encoding: str = "") -> Dialect:
    """Return the dialect of a text file, with the encoding that the user set or the schema has.

    The file has a header if the first table had one. Separator and names may differ from those of the first table: the
    column names of the schema show whether they were detected correctly.
    """
    if not encoding and schema.text_format and schema.text_format.encoding not in ("utf-8", "utf-16", "utf-32"):
        encoding = schema.text_format.encoding
    return detect_dialect(path, encoding, schema.text_format.has_header if schema.text_format else None)


def _read_parquet(path: Path, max_rows: int) -> Iterator[FileBatch]:
    """Read a Parquet file; columns of bytes are text if every value is valid UTF-8."""
    names = [name.strip() for name in parquet.column_names(path)]
    rows_read = 0
    try:
        file = pq.ParquetFile(path)
        texts = [name for name in file.schema_arrow.names if parquet.is_binary(file.schema_arrow.field(name).type)]
        decodable = {name for name in texts if parquet.is_utf8(file, name)}
        for batch in file.iter_batches(batch_size=max_rows):
            rows = pa.Table.from_batches([batch])
            for name in decodable:
                rows = rows.set_column(rows.column_names.index(name), name, parquet.decode_utf8(rows[name]))
            rows_read += rows.num_rows
            yield FileBatch(rows.rename_columns(names), rows_read / max(1, file.metadata.num_rows))
    except (pa.ArrowException, OSError) as error:
        raise parquet.damaged_file_error(path, error) from error


def apply_schema(schema: TableSchema, rows: pa.Table, first_row: int) -> Batch:
    """Return rows of a table with the text columns in the types of the schema.

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
        if column is None or not is_text(rows.schema.field(index).type):
            continue
        texts = pc.cast(rows.column(index), pa.string())
        parsed = parse_texts(texts, column)
        rows = rows.set_column(index, name, parsed.values)
        invalid = pc.indices_nonzero(parsed.is_invalid).to_pylist()
        if invalid and column.unreadable_as_missing:
            counted_as_missing[name] = len(invalid)
        elif invalid:
            faults += _faults(column, texts, invalid, first_row)
    return Batch(rows, first_row, faults, counted_as_missing)


def _faults(column: ColumnSchema, texts: pa.ChunkedArray, positions: Sequence[int], first_row: int) -> list[Fault]:
    return [
        Fault(first_row + position, column.name, texts[position].as_py(), column.expected) for position in positions
    ]
