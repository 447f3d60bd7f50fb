"""The reader of tables whose schema is known: batches of typed rows, from files of any size.

Nothing is inferred from the values. Values that do not fit the schema are faults.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import DataError, format_count, suggest
from lib.schema.column_parsing import list_common_null_strings
from lib.schema.table_schema import TableSchema
from lib.schema.time_zones import protect_distant_times
from lib.tables.column_names import deduplicate_names, normalize_name
from lib.tables.detect.dialect import Dialect, name_separator
from lib.tables.detect.dialect_detection import detect_dialect
from lib.tables.detect.raw_files import READ_ERRORS
from lib.tables.files import non_data_rows, parquet, text_batches
from lib.tables.files.file_types import PARQUET_SUFFIXES, check_file
from lib.tables.files.text_batches import FileBatch
from lib.tables.schema_batches import Batch, Fault, apply_schema

_MAX_LISTED_FAULTS = 5

Progress = Callable[[float], object]


def read(
    schema: TableSchema,
    paths: Sequence[Path],
    max_rows: int,
    required: Collection[str] = (),
    encoding: str = "",
    progress: Progress = bool,
    notes: list[str] | None = None,
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
    notes : list of str, optional
        Sentences on lines that are not rows, and on rows that were padded or shortened, are appended to it.

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
        batches = _read_parquet(path, max_rows) if is_parquet else _read_text(schema, path, encoding, notes)
        for file_batch in batches:
            check_columns(path, file_batch.rows.column_names, required)
            check_date_parts(path, file_batch.rows.column_names, schema)
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
        A sentence for each column with values that do not fit its schema but count as missing.

    Raises
    ------
    DataError
        If values do not fit the schema. The message lists the first of these values.
    """
    tables, faults, counts = list[pa.Table](), list[Fault](), Counter[str]()
    for batch in batches:
        tables.append(batch.rows.select([name for name in batch.rows.column_names if name not in exclude]))
        faults += [fault for fault in batch.faults if fault.column not in exclude]
        counts.update({name: count for name, count in batch.counted_as_missing.items() if name not in exclude})
    if faults:
        raise DataError(_describe_faults(faults, paths))
    notes = [
        f"{format_count(count, 'value')} of {name} counted as missing, as the schema says."
        for name, count in counts.items()
    ]
    return pa.concat_tables(tables, promote_options="permissive"), notes


def _describe_faults(faults: Sequence[Fault], paths: Sequence[Path]) -> str:
    """Return the message of the error for values that do not fit the schema."""
    subject = "1 value does" if len(faults) == 1 else f"{len(faults):,} values do"
    listed = "".join(f"\n  - {fault}" for fault in faults[:_MAX_LISTED_FAULTS])
    more = f"\n  - and {len(faults) - _MAX_LISTED_FAULTS:,} more" if len(faults) > _MAX_LISTED_FAULTS else ""
    return (
        f"{paths[0]}: {subject} not fit the table schema:{listed}{more}\nCorrect the values, describe the column under "
        "`columns` in the parameter file, or accept the table as it is now: run_all.py schema --refresh."
    )


def to_frame(batch: Batch) -> pd.DataFrame:
    """Return the rows of a batch as a DataFrame whose index is the row number in the table, from 0.

    Values that do not fit the schema appear as they are written in the file. Columns of integers and booleans keep
    their type even if values are missing.
    """
    types = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame = protect_distant_times(batch.rows.to_pandas(types_mapper=types.get))
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


def check_date_parts(path: Path, names: Sequence[str], schema: TableSchema) -> None:
    """Raise if a file has some columns that are parts of a date, but not all of them."""
    for column in schema.combined_columns:
        absent = [name for name in column.source_columns if name not in names]
        if absent and len(absent) < len(column.source_columns):
            raise DataError(
                f"{path} has no column {absent[0]!r}, from which {column.name} is made. {suggest(absent[0], names)}"
            )


def _read_text(schema: TableSchema, path: Path, encoding: str, notes: list[str] | None) -> Iterator[FileBatch]:
    """Read a text file as strings, in batches with the column names of the file."""
    try:
        dialect = detect_file_dialect(schema, path, encoding)
        if notes is not None:
            notes += [*_describe_other_format(dialect, schema), *dialect.notes]
        names = deduplicate_names(dialect.header)
        null_strings = list_common_null_strings(list(schema.columns.values()))
        batches = text_batches.read_batches(path, dialect, null_strings, notes)
        for batch in non_data_rows.drop_non_data_rows(batches, path, dialect, schema.text_format, notes):
            yield batch._replace(rows=batch.rows.rename_columns(names))
    except READ_ERRORS as error:
        raise DataError(f"{path} cannot be read: {str(error).strip().rstrip('.')}.") from error


def detect_file_dialect(schema: TableSchema, path: Path, encoding: str = "") -> Dialect:
    """Return the dialect of a text file: the one in the schema, with the header where its column names are.

    If no row has these names, the dialect is detected, e.g. because the table was saved again with another separator.
    """
    text_format = schema.text_format
    if not encoding and text_format and text_format.encoding not in ("utf-8", "utf-16", "utf-32"):
        encoding = text_format.encoding
    return detect_dialect(path, encoding, text_format.has_header if text_format else None, schema)


def _describe_other_format(dialect: Dialect, schema: TableSchema) -> list[str]:
    """Return a note on a file that is not separated as the schema says."""
    if schema.text_format is None or dialect.separator == schema.text_format.separator:
        return []
    return [
        f"The values are separated by {name_separator(dialect.separator)}; the schema says "
        f"{name_separator(schema.text_format.separator)}."
    ]


def _read_parquet(path: Path, max_rows: int) -> Iterator[FileBatch]:
    """Read a Parquet file in batches. Times of day, and bytes that are valid UTF-8, become text."""
    names = [normalize_name(name) for name in parquet.read_column_names(path)]
    rows_read = 0
    try:
        file = pq.ParquetFile(path)
        texts = [name for name in file.schema_arrow.names if parquet.is_binary(file.schema_arrow.field(name).type)]
        decodable = {name for name in texts if parquet.is_utf8(file, name)}
        for batch in file.iter_batches(batch_size=max_rows):
            rows = parquet.write_times_as_text(pa.Table.from_batches([batch]))
            for name in decodable:
                rows = rows.set_column(rows.column_names.index(name), name, parquet.decode_utf8(rows[name]))
            rows_read += rows.num_rows
            yield FileBatch(rows.rename_columns(names), rows_read / max(1, file.metadata.num_rows))
    except (pa.ArrowException, OSError) as error:
        raise parquet.damaged_file_error(path, error) from error
