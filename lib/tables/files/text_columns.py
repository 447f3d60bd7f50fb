"""Conversion of the columns of text files: codes and dates keep their text, and texts with numbers are parsed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from lib import cores
from lib.schema import number_parsing, number_tally, thousands
from lib.schema.number_format import NumberFormat
from lib.schema.number_parsing import ParsedColumn
from lib.schema.numeric_codes import has_numeric_codes
from lib.tables.detect.schema_inference import with_decimal_comma
from lib.tables.files import arrow_numpy
from lib.tables.files.categoricals import is_text
from lib.tables.files.inferred_tables import File, read_as_text, replace_columns

_SAMPLE_ROWS = 1_000


class ConvertedTable(NamedTuple):
    """A table with parsed numbers, how each text column of numbers was parsed, and notes on the changes."""

    table: pa.Table
    parsed: dict[str, ParsedColumn]
    notes: list[str]


def convert_columns(files: Sequence[File], table: pa.Table) -> ConvertedTable:
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
            table = replace_columns(table, pa.table({key: parsed.numbers}))
            parsed_columns[key] = parsed._replace(numbers=None)
        if parsed.note:
            notes.append(parsed.note)
    for field in table.schema:
        if pa.types.is_null(field.type):
            empty_column = pc.cast(table[field.name], pa.float64())
            table = replace_columns(table, pa.table({field.name: empty_column}))
    if not uses_decimal_comma:
        table, with_thousands = _parse_evident_thousands(files, table)
        for key in with_thousands:
            parsed_columns[key] = with_decimal_comma(None)
            notes.append(
                f"The points in {header[int(key)]} separate thousands; if they are decimal points, set its "
                "number_format to decimal_point under `columns`."
            )
    if uses_decimal_comma:
        notes.append("The decimal separator is the comma.")
        table, with_thousands = _parse_point_thousands(files, table)
        parsed_columns |= {key: with_decimal_comma(parsed_columns.get(key)) for key in with_thousands}
    return ConvertedTable(table, parsed_columns, notes)


def _restore_texts(files: Sequence[File], table: pa.Table) -> pa.Table:
    """Restore the original text of codes and dates that pyarrow converted to other types."""
    keys = table.column_names
    suspect_flags = cores.map_threads(lambda key: _may_have_changed(table[key], files), keys)
    suspects = [key for key, is_suspect in zip(keys, suspect_flags, strict=True) if is_suspect]
    if not suspects:
        return table
    texts = read_as_text(files, suspects)
    for key in suspects:
        if pa.types.is_temporal(table.schema.field(key).type) or has_numeric_codes(texts[key]):
            table = replace_columns(table, texts.select([key]))
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
    # Floats that are all whole may have been other texts: pyarrow reads +49301234567 and the code 1E2 as floats.
    return pa.types.is_floating(arrow_type) and bool(pc.all(pc.equal(column, pc.floor(column))).as_py())


def _parse_evident_thousands(files: Sequence[File], table: pa.Table) -> tuple[pa.Table, list[str]]:
    """Parse points that are hardly decimal points as thousands separators; return the table and the changed columns."""
    candidates = [field.name for field in table.schema if _may_have_thousands(table[field.name])]
    if not candidates:
        return table, []
    texts = read_as_text(files, candidates)
    parsed = {key: thousands.parse_evident_thousands(texts[key]) for key in candidates}
    changed = {key: numbers for key, numbers in parsed.items() if numbers is not None}
    return replace_columns(table, pa.table(changed)) if changed else table, list(changed)


def _may_have_thousands(column: pa.ChunkedArray) -> bool:
    """Return whether the points of a column may separate thousands.

    A column of numbers qualifies if each is whole, or between 1 and 1,000 with at most three decimals.
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
    """Return whether each number is below 1,000, and is either whole or at least 1 with at most three decimals."""
    magnitudes = pc.abs(column)
    scaled = pc.multiply(magnitudes, 1_000.0)
    has_three_decimals = pc.less(pc.abs(pc.subtract(scaled, pc.round(scaled))), 1e-6)
    is_whole_or_large = pc.or_(pc.greater_equal(magnitudes, 1.0), pc.equal(magnitudes, pc.floor(magnitudes)))
    is_small = pc.less(magnitudes, 1_000.0)
    return bool(pc.all(pc.and_(pc.and_(is_small, has_three_decimals), is_whole_or_large)).as_py())


def _parse_point_thousands(files: Sequence[File], table: pa.Table) -> tuple[pa.Table, list[str]]:
    """Parse points as thousands separators, in a file that uses decimal commas, and return the changed columns.

    If commas also separate the columns, decimal commas are quoted, and a column of unquoted decimal points may well
    occur in the same file. Then points are left as decimal points.
    """
    float_keys = [field.name for field in table.schema if pa.types.is_floating(field.type)]
    texts = read_as_text(files, float_keys)
    comma_separated = files[0][1].separator == ","
    if comma_separated and any(number_tally.tally(texts[key]).uses_decimal_point for key in float_keys):
        return table, []
    parsed = {key: thousands.parse_point_thousands(texts[key]) for key in float_keys}
    changed = {key: numbers for key, numbers in parsed.items() if numbers is not None}
    return replace_columns(table, pa.table(changed)) if changed else table, list(changed)
