"""Text files as Arrow tables.

pyarrow reads the files on all cores and infers types. Columns whose values a type would change are read again as text:
codes with leading zeros, integers too large for a float, and dates, whose format is inferred later.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from lib.errors import DataError, format_count
from lib.schema.table_schema import TableSchema, TextFormat
from lib.tables.column_names import deduplicate_names
from lib.tables.detect import footer_rows
from lib.tables.detect.dialect import Dialect
from lib.tables.detect.raw_files import READ_ERRORS
from lib.tables.detect.schema_inference import infer_schema
from lib.tables.files import inferred_tables, quote_checks
from lib.tables.files.arrow_options import get_column_keys
from lib.tables.files.categoricals import is_text
from lib.tables.files.inferred_tables import File
from lib.tables.files.non_data_rows import describe_repeated_headers, drop_repeated_headers
from lib.tables.files.null_words import describe_null_words
from lib.tables.files.second_table_check import check_second_table
from lib.tables.files.text_columns import convert_columns
from lib.tables.notes import merge_repeated

_MAX_LISTED_COLUMNS = 10


class TextTable(NamedTuple):
    """The rows of text files.

    Attributes
    ----------
    table : Table of shape (rows, columns)
    header : list of str
        All column names, including those of excluded columns.
    notes : list of str
        Sentences about how the files were read.
    schema : TableSchema
        The schema of the columns that were read.
    """

    table: pa.Table
    header: list[str]
    notes: list[str]
    schema: TableSchema


def read(
    paths: Sequence[Path],
    exclude: Collection[str] = (),
    use_dictionaries: bool = False,
    encoding: str = "",
    header: bool | None = None,
    month_first: bool = False,
) -> TextTable:
    """Read text files that share a header, and return them as one table.

    Parameters
    ----------
    paths : sequence of Path
    exclude : collection of str
        Columns not to read.
    use_dictionaries : bool
        Whether to read repetitive text columns as dictionaries.
    encoding : str
        Python name of the encoding; detected if empty.
    header : bool, optional
        Whether the files have a header; detected if None.
    month_first : bool
        Whether ``03/04/2005`` is March 4th in a column in which no row tells the day from the month.

    Raises
    ------
    DataError
        If a file cannot be read, or the files have different columns. The message names the file and the line.
    """
    try:
        files, tables = inferred_tables.detect_and_read(paths, exclude, use_dictionaries, encoding, header)
        _check_same_header(files)
        first = files[0][1]
        keys = get_column_keys(first, exclude)
        ragged_notes = list[str]()
        inferred = inferred_tables.read_inferred(files, tables, keys, use_dictionaries, ragged_notes)
        del tables  # frees the memory of the tables that were concatenated
        quote_notes = quote_checks.describe_inner_quotes(first.header, inferred)
        row_count = inferred.num_rows
        inferred = drop_repeated_headers(inferred, first)
        header_notes = describe_repeated_headers(files) if inferred.num_rows < row_count else []
        ragged_notes += check_second_table(files, inferred)
        quote_checks.check_quotes(files, inferred)
        table, parsed, number_notes = convert_columns(files, inferred)
        table, unit_row, total_label, row_notes = _drop_units_and_total(files, inferred, table)
        del inferred
    except READ_ERRORS as error:
        raise DataError(f"{_describe_paths(paths)} cannot be read: {str(error).rstrip('.')}.") from error
    with_nulls = [key for key in keys if is_text(table[key].type) and table[key].null_count]
    null_notes = list(filter(None, [describe_null_words(*files[0], with_nulls)]))
    unique_names = deduplicate_names(first.header)
    names = {key: unique_names[int(key)] for key in keys}
    schema = infer_schema(
        table.rename_columns(list(names.values())),
        _make_text_format(first, unit_row, total_label),
        {
            names[key]: column._replace(unreadable=max(0, column.unreadable - bool(unit_row)))
            for key, column in parsed.items()
        },
        month_first,
    )
    table = table.rename_columns([first.header[int(key)] for key in keys])
    encoding_notes = dict.fromkeys(dialect.encoding_note for _, dialect in files if dialect.encoding_note)
    notes = [
        *_describe_dialects(files),
        *header_notes,
        *merge_repeated(ragged_notes),
        *quote_notes,
        *number_notes,
        *row_notes,
        *null_notes,
        *encoding_notes,
    ]
    return TextTable(table, first.header, notes, schema)


def _make_text_format(dialect: Dialect, unit_row: tuple[str, ...], total_label: str) -> TextFormat:
    return TextFormat(
        dialect.encoding,
        dialect.separator,
        dialect.header_rows > 0,
        unit_row,
        total_label,
        dialect.quote_character,
        dialect.escape_character,
        dialect.skip_initial_space,
    )


def _describe_dialects(files: Sequence[File]) -> list[str]:
    """Return notes on the dialects, the headers, and lines that are not rows."""
    dialects = sorted({str(dialect) for _, dialect in files})
    return [" and ".join(dialects) + ".", *dict.fromkeys(note for _, dialect in files for note in dialect.notes)]


def _describe_paths(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {format_count(len(paths) - 1, 'more file')}"


def _check_same_header(files: Sequence[File]) -> None:
    """Raise if two files have different columns."""
    first_path, first = files[0]
    for path, dialect in files[1:]:
        if dialect.header != first.header:
            differing = sorted({*dialect.header} ^ {*first.header})
            listed = ", ".join(differing[:_MAX_LISTED_COLUMNS])
            difference = f"only one of the files has: {listed}" if differing else "the order of the columns differs"
            raise DataError(
                f"{path} and {first_path} have different columns; {difference}. Give files with the same columns."
            )


class _DataRows(NamedTuple):
    """A table without the rows of units and totals, the contents of these rows, and notes on them."""

    table: pa.Table
    unit_row: tuple[str, ...]
    total_label: str
    notes: list[str]


def _drop_units_and_total(files: Sequence[File], inferred: pa.Table, table: pa.Table) -> _DataRows:
    """Drop a row of units and a row of totals from the table of a single file."""
    if not table.num_rows or len(files) > 1:
        return _DataRows(table, (), "", [])
    dialect = files[0][1]
    first_row_line = dialect.lines_before_rows + 1
    first_row = footer_rows.get_row_texts(inferred, 0)
    last_row = footer_rows.get_row_texts(inferred, -1)
    rows_read = table.num_rows
    inferred, table, unit_note = footer_rows.drop_unit_row(inferred, table, first_row_line)
    unit_row = tuple(first_row.values()) if table.num_rows < rows_read else ()
    rows_left = table.num_rows
    # Exact only if no value contains a line break and no line is empty.
    last_row_line = dialect.lines_before_rows + inferred.num_rows
    table, total_note = footer_rows.drop_total_row(inferred, table, dialect.header, last_row_line)
    total_label = footer_rows.find_total_label(last_row) if table.num_rows < rows_left else ""
    return _DataRows(table, unit_row, total_label, [note for note in (unit_note, total_note) if note])
