"""Text files as Arrow tables.

pyarrow reads the files on all cores and infers types. Columns whose values that would change are read again as text:
codes with leading zeros, integers too large for a float, and dates, whose format is inferred during training.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from lib import cores
from lib.errors import DataError, format_count
from lib.schema import number_parsing
from lib.schema.number_format import NumberFormat
from lib.schema.number_parsing import ParsedColumn
from lib.schema.table_schema import TableSchema, TextFormat
from lib.tables.column_names import deduplicate_names
from lib.tables.detect import footer_rows, type_inference
from lib.tables.detect.raw_files import READ_ERRORS
from lib.tables.detect.schema_inference import decimal_comma, infer_schema
from lib.tables.detect.type_inference import File
from lib.tables.files import arrow_numpy, quote_checks
from lib.tables.files.categoricals import is_text
from lib.tables.files.null_words import describe_null_words
from lib.tables.notes import merge_repeated

_MAX_LISTED_COLUMNS = 10
_SAMPLE_ROWS = 1_000


class TextTable(NamedTuple):
    """The rows of text files.

    Attributes
    ----------
    table : Table of shape (rows, columns)
    header : list of str
        All column names, the excluded ones too.
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
    encoded: bool = False,
    encoding: str = "",
    header: bool | None = None,
) -> TextTable:
    """Read text files that share a header, and return them as one table.

    Parameters
    ----------
    paths : sequence of Path
    exclude : collection of str
        Columns not to read.
    encoded : bool
        Whether to read repetitive text columns as dictionaries.
    encoding : str
        Python name of the encoding; detected if empty.
    header : bool, optional
        Whether the files have a header; detected if None.

    Raises
    ------
    DataError
        Naming the file and the line.
    """
    try:
        files, tables = type_inference.detect_and_read(paths, exclude, encoded, encoding, header)
        _check_same_header(files)
        first = files[0][1]
        keys = type_inference.column_keys(first, exclude)
        ragged_notes = list[str]()
        inferred = type_inference.read_inferred(files, tables, keys, encoded, ragged_notes)
        del tables  # frees the memory of the tables that were concatenated
        quote_notes = quote_checks.describe_inner_quotes(first.header, inferred)
        inferred, header_notes = _drop_repeated_headers(inferred, first.header)
        quote_checks.check_quotes(files, inferred)
        table, parsed, number_notes = _convert_columns(files, inferred)
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
        TextFormat(first.encoding, first.separator, first.header_rows > 0, unit_row, total_label),
        {
            names[key]: column._replace(unreadable=max(0, column.unreadable - bool(unit_row)))
            for key, column in parsed.items()
        },
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


def _describe_dialects(files: Sequence[File]) -> list[str]:
    """Return notes on the dialects, the headers, and lines that are no rows."""
    dialects = sorted({str(dialect) for _, dialect in files})
    return [" and ".join(dialects) + ".", *dict.fromkeys(note for _, dialect in files for note in dialect.notes)]


def _describe_paths(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {format_count(len(paths) - 1, 'more file')}"


def _check_same_header(files: Sequence[File]) -> None:
    first_path, first = files[0]
    for path, dialect in files[1:]:
        if dialect.header != first.header:
            differing = sorted({*dialect.header} ^ {*first.header}) or ["their order"]
            raise DataError(
                f"{path} has other columns than {first_path}: {', '.join(differing[:_MAX_LISTED_COLUMNS])}. "
                "Give files with the same columns."
            )


def _drop_repeated_headers(table: pa.Table, header: Sequence[str]) -> tuple[pa.Table, list[str]]:
    """Drop rows that repeat the header, as in concatenated files, and return notes on them."""
    if not table.num_rows or not all(is_text(field.type) for field in table.schema):
        return table, []
    is_header = None
    for key in table.column_names:
        cells = pc.utf8_trim(pc.cast(table[key], pa.string()), characters="\ufeff \t")
        matches = pc.fill_null(pc.equal(cells, header[int(key)]), False)
        is_header = matches if is_header is None else pc.and_(is_header, matches)
        if not pc.any(is_header).as_py():
            return table, []
    rows, first_row = pc.sum(is_header).as_py(), pc.index(is_header, True).as_py() + 1
    description = (
        f"Row {first_row:,} repeats the header and was"
        if rows == 1
        else f"{rows:,} rows, first row {first_row:,}, repeat the header and were"
    )
    return table.filter(pc.invert(is_header)), [f"{description} left out."]


class _DataRows(NamedTuple):
    """A table without rows that are not data, what these rows contained, and notes on them."""

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
    first_row = footer_rows.row_texts(inferred, 0)
    last_row = footer_rows.row_texts(inferred, -1)
    rows_read = table.num_rows
    inferred, table, unit_note = footer_rows.drop_unit_row(inferred, table, first_row_line)
    unit_row = tuple(first_row.values()) if table.num_rows < rows_read else ()
    rows_left = table.num_rows
    # Exact only if no value contains a line break and no line is empty.
    last_row_line = dialect.lines_before_rows + inferred.num_rows
    table, total_note = footer_rows.drop_total_row(inferred, table, dialect.header, last_row_line)
    total_label = footer_rows.total_label(last_row) if table.num_rows < rows_left else ""
    return _DataRows(table, unit_row, total_label, [note for note in (unit_note, total_note) if note])


class _ConvertedTable(NamedTuple):
    """A table with parsed numbers, how each text column with numbers was parsed, and notes on the changes."""

    table: pa.Table
    parsed: dict[str, ParsedColumn]
    notes: list[str]


def _convert_columns(files: Sequence[File], table: pa.Table) -> _ConvertedTable:
    """Restore the text of codes and dates, and parse numbers in text columns."""
    header, comma_separated = files[0][1].header, files[0][1].separator == ","
    table = _restore_texts(files, table)

    notes, uses_decimal_comma, parsed_columns = [], False, {}
    text_keys = [field.name for field in table.schema if is_text(field.type)]
    results = cores.map_threads(
        lambda key: number_parsing.parse_column(table[key], header[int(key)], comma_separated), text_keys
    )
    for key, parsed in zip(text_keys, results, strict=True):
        if parsed.numbers is not None:
            uses_decimal_comma = uses_decimal_comma or parsed.number_format is NumberFormat.DECIMAL_COMMA
            table = type_inference.replace_columns(table, pa.table({key: parsed.numbers}))
            parsed_columns[key] = parsed._replace(numbers=None)
        if parsed.note:
            notes.append(parsed.note)
    for field in table.schema:
        if pa.types.is_null(field.type):
            empty_column = pc.cast(table[field.name], pa.float64())
            table = type_inference.replace_columns(table, pa.table({field.name: empty_column}))
    if not uses_decimal_comma:
        table, evident = _parse_evident_thousands(files, table)
        for key in evident:
            parsed_columns[key] = decimal_comma(None)
            notes.append(
                f"The points in {header[int(key)]} separate thousands; if they are decimal points, set its "
                "number_format to decimal_point under `columns`."
            )
    if uses_decimal_comma:
        notes.append("The decimal separator is the comma.")
        table, with_thousands = _parse_point_thousands(files, table)
        parsed_columns |= {key: decimal_comma(parsed_columns.get(key)) for key in with_thousands}
    return _ConvertedTable(table, parsed_columns, notes)


def _restore_texts(files: Sequence[File], table: pa.Table) -> pa.Table:
    """Restore the original text of codes and dates that pyarrow converted to other types."""
    keys = table.column_names
    is_suspect = cores.map_threads(lambda key: _may_have_changed(table[key], files), keys)
    suspects = [key for key, suspect in zip(keys, is_suspect, strict=True) if suspect]
    if not suspects:
        return table
    texts = type_inference.read_as_text(files, suspects)
    for key in suspects:
        if pa.types.is_temporal(table.schema.field(key).type) or number_parsing.has_numeric_codes(texts[key]):
            table = type_inference.replace_columns(table, texts.select([key]))
    return table


def _may_have_changed(column: pa.ChunkedArray, files: Sequence[File]) -> bool:
    """Return whether pyarrow's conversion of a column may have lost information."""
    arrow_type = column.type
    if pa.types.is_temporal(arrow_type):
        return True
    if not arrow_numpy.is_number(arrow_type):
        return False
    if any(dialect.scan.may_have_leading_zeros for _, dialect in files):
        return True
    if pa.types.is_integer(arrow_type) and not column.null_count:
        return False
    smallest, largest = arrow_numpy.min_max(column)
    if max(-smallest, largest) >= number_parsing.MAX_EXACT_INTEGER:
        return True
    # pyarrow reads the phone number +49301234567 and the code 1E2 as floats.
    return pa.types.is_floating(arrow_type) and bool(pc.all(pc.equal(column, pc.floor(column))).as_py())


def _parse_evident_thousands(files: Sequence[File], table: pa.Table) -> tuple[pa.Table, list[str]]:
    """Parse points as thousands separators where they can hardly be decimal points, and return the changed columns."""
    candidates = [field.name for field in table.schema if _may_have_thousands(table[field.name])]
    if not candidates:
        return table, []
    texts = type_inference.read_as_text(files, candidates)
    parsed = {key: number_parsing.parse_evident_thousands(texts[key]) for key in candidates}
    changed = {key: numbers for key, numbers in parsed.items() if numbers is not None}
    return type_inference.replace_columns(table, pa.table(changed)) if changed else table, list(changed)


def _may_have_thousands(column: pa.ChunkedArray) -> bool:
    """Return whether the points of a column may separate thousands: text, or numbers with at most three decimals.

    A number with one point is between 1 and 1,000 then, or a whole number.
    """
    if is_text(column.type):
        sample = pc.cast(column[:_SAMPLE_ROWS].drop_null(), pa.string())
        return bool(pc.any(pc.match_substring_regex(sample, r"^\s*[+-]?\d{1,3}(\.\d{3}){2,}\s*$")).as_py())
    if not pa.types.is_floating(column.type) or len(column) == column.null_count:
        return False
    # Most columns have other numbers, which the first rows show.
    if not (_have_three_decimals(column[:_SAMPLE_ROWS]) and _have_three_decimals(column)):
        return False
    return bool(pc.any(pc.not_equal(column, pc.floor(column))).as_py())


def _have_three_decimals(column: pa.ChunkedArray) -> bool:
    """Return whether all numbers are below 1,000 and either whole or, from 1, of at most three decimals."""
    sizes = pc.abs(column)
    scaled = pc.multiply(sizes, 1_000.0)
    has_three_decimals = pc.less(pc.abs(pc.subtract(scaled, pc.round(scaled))), 1e-6)
    is_large_or_whole = pc.or_(pc.greater_equal(sizes, 1.0), pc.equal(sizes, pc.floor(sizes)))
    return bool(pc.all(pc.and_(pc.and_(pc.less(sizes, 1_000.0), has_three_decimals), is_large_or_whole)).as_py())


def _parse_point_thousands(files: Sequence[File], table: pa.Table) -> tuple[pa.Table, list[str]]:
    """Parse points as thousands separators, in a file that uses decimal commas, and return the changed columns.

    If commas also separate the columns, decimal commas are quoted, and a column of unquoted decimal points may well
    occur in the same file. Then points are left as decimal points.
    """
    float_keys = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    texts = type_inference.read_as_text(files, float_keys)
    comma_separated = files[0][1].separator == ","
    if comma_separated and any(number_parsing.tally(texts[key]).uses_decimal_point for key in float_keys):
        return table, []
    parsed = {key: number_parsing.parse_point_thousands(texts[key]) for key in float_keys}
    changed = {key: numbers for key, numbers in parsed.items() if numbers is not None}
    return type_inference.replace_columns(table, pa.table(changed)) if changed else table, list(changed)
