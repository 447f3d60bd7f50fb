"""Parsing of a text column by its schema: each value independently of the other values."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Collection

import pyarrow as pa
import pyarrow.compute as pc

from lib.schema import number_parsing, zoned_datetimes
from lib.schema.date_columns import find_unreadable as find_unreadable_dates
from lib.schema.durations import parse_seconds
from lib.schema.missing_codes import NULL_STRINGS
from lib.schema.number_format import NumberFormat
from lib.schema.parsed_texts import ParsedTexts
from lib.schema.table_schema import BOOLEAN, DATETIME, DURATION, NUMBER, ORDERED, ColumnSchema
from lib.schema.text_values import compose_text

_BOOLEAN_VALUES = {"true": True, "false": False, "1": True, "0": False}


def parse_texts(texts: pa.ChunkedArray, column: ColumnSchema) -> ParsedTexts:
    """Parse a text column by its schema.

    Parameters
    ----------
    texts : ChunkedArray of string, of shape (rows,)
    column : ColumnSchema

    Returns
    -------
    ParsedTexts
        Numbers are int64 if the schema and the texts agree that all are whole, else float64. Booleans are bool, and
        datetimes with a time zone are timestamps. All other kinds, including dates and durations, remain strings.

    Examples
    --------
    >>> weight = ColumnSchema("weight", "number", unit="kg", number_format=NumberFormat.DECIMAL_COMMA)
    >>> parsed = parse_texts(pa.chunked_array([["1,5 kg", "n/a", "3 lb"]]), weight)
    >>> parsed.values.to_pylist(), parsed.is_invalid.to_pylist()
    ([1.5, None, None], [False, False, True])
    """
    texts = _replace_missing_codes(texts, column)
    if column.kind == NUMBER:
        return _parse_numbers(texts, column)
    if column.kind == BOOLEAN:
        return _parse_booleans(texts)
    if column.kind == ORDERED:
        return _parse_ordered_categories(texts, column)
    if column.kind == DATETIME and column.time_zone:
        return zoned_datetimes.parse_zoned_texts(texts, column)
    if column.kind == DATETIME and column.date_format:
        return _replace_unreadable(texts, lambda distinct: find_unreadable_dates(distinct, column.date_format))
    if column.kind == DURATION:
        return _replace_unreadable(texts, _find_unreadable_durations)
    return ParsedTexts(texts, _all_false(len(texts)))


def list_common_null_strings(columns: Collection[ColumnSchema]) -> list[str]:
    """Return the texts that mean "missing" in every column, which a file reader may therefore replace by null.

    A word that is a value of some column, such as NA for Namibia, is not returned. `parse_texts` replaces it in the
    other columns.
    """
    words_in_use = {word for column in columns for word in column.not_missing}
    return [text for text in NULL_STRINGS if text not in words_in_use]


def _replace_missing_codes(texts: pa.ChunkedArray, column: ColumnSchema) -> pa.ChunkedArray:
    """Replace the texts that mean "missing" in this column by null."""
    codes = [code for code in (*NULL_STRINGS, *column.missing_values) if code not in column.not_missing]
    is_missing = pc.is_in(pc.utf8_trim_whitespace(texts), value_set=pa.array(codes, pa.string()))
    return _replace_by_null(texts, is_missing)


def _parse_numbers(texts: pa.ChunkedArray, column: ColumnSchema) -> ParsedTexts:
    """Parse numbers in the column's format; numbers that the schema lists as missing become null."""
    numbers, is_invalid = _parse_bare_numbers(texts, column) or _parse_formatted_numbers(texts, column)
    numeric_codes = [float(code) for code in column.missing_values if _is_float(code)]
    if numeric_codes:
        is_code = pc.is_in(pc.cast(numbers, pa.float64(), safe=False), value_set=pa.array(numeric_codes, pa.float64()))
        numbers = _replace_by_null(numbers, is_code)
    if column.whole and pa.types.is_floating(numbers.type):
        is_fraction = pc.fill_null(pc.not_equal(numbers, pc.floor(numbers)), False)
        if not pc.any(is_fraction).as_py():
            numbers = pc.cast(numbers, pa.int64(), safe=False)
    return ParsedTexts(numbers, is_invalid)


def _parse_bare_numbers(texts: pa.ChunkedArray, column: ColumnSchema) -> ParsedTexts | None:
    """Parse a column of numbers without units or separators; return None if a value is not such a number."""
    if column.unit or column.number_format is NumberFormat.DECIMAL_COMMA:
        return None
    for arrow_type in (pa.int64(), pa.float64()) if column.whole else (pa.float64(),):
        with contextlib.suppress(pa.ArrowInvalid):
            return ParsedTexts(pc.cast(texts, arrow_type), _all_false(len(texts)))
    return None


def _parse_formatted_numbers(texts: pa.ChunkedArray, column: ColumnSchema) -> ParsedTexts:
    """Parse numbers that may have the column's unit, thousands separators or a decimal comma."""
    numbers, is_missing = number_parsing.parse_values(texts, column.number_format, column.unit)
    return ParsedTexts(numbers, pc.invert(pc.or_(pc.is_valid(numbers), is_missing)))


def _parse_ordered_categories(texts: pa.ChunkedArray, column: ColumnSchema) -> ParsedTexts:
    """Trim the texts; texts that are not in the column's `order` are invalid and become null."""
    categories = pc.utf8_trim_whitespace(texts)
    # `pyarrow.compute.utf8_normalize` does not compose characters.
    spellings = [text for text in pc.unique(categories).to_pylist() if text and compose_text(text) in column.order]
    is_known = pc.is_in(categories, value_set=pa.array(spellings, pa.string()))
    is_invalid = pc.and_(pc.is_valid(categories), pc.invert(is_known))
    return ParsedTexts(_replace_by_null(categories, is_invalid), is_invalid)


def _replace_unreadable(texts: pa.ChunkedArray, find_unreadable: Callable[[list[str]], list[str]]) -> ParsedTexts:
    """Replace unreadable texts by null, and return the other texts unchanged.

    `find_unreadable` receives the distinct texts that are not blank, and returns the unreadable ones without
    surrounding spaces.
    """
    distinct = [text for text in pc.unique(texts).to_pylist() if text is not None and text.strip()]
    unreadable = find_unreadable(distinct)
    is_invalid = pc.is_in(pc.utf8_trim_whitespace(texts), value_set=pa.array(unreadable, pa.string()))
    return ParsedTexts(_replace_by_null(texts, is_invalid), is_invalid)


def _find_unreadable_durations(texts: list[str]) -> list[str]:
    return [text.strip() for text in texts if math.isnan(parse_seconds(text))]


def _parse_booleans(texts: pa.ChunkedArray) -> ParsedTexts:
    """Parse the words true, false, 1 and 0; other words are invalid and become null."""
    words = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    positions = pc.index_in(words, value_set=pa.array(list(_BOOLEAN_VALUES), pa.string()))
    values = pc.take(pa.chunked_array([pa.array(list(_BOOLEAN_VALUES.values()), pa.bool_())]), positions)
    return ParsedTexts(values, pc.and_(pc.is_null(values), pc.is_valid(words)))


def _replace_by_null(values: pa.ChunkedArray, mask: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace values by null where the mask is true; a null in the mask counts as false."""
    # `pyarrow.compute.if_else` corrupts sliced strings: https://github.com/apache/arrow/issues/49410
    array, mask = _join_chunks(values), pc.fill_null(_join_chunks(mask), False)
    return pa.chunked_array([pc.replace_with_mask(array, mask, pa.scalar(None, values.type))])


def _join_chunks(values: pa.ChunkedArray) -> pa.Array:
    return values.chunk(0) if values.num_chunks == 1 else pa.concat_arrays(values.chunks or [pa.array([], values.type)])


def _all_false(length: int) -> pa.ChunkedArray:
    return pa.chunked_array([pa.repeat(pa.scalar(False), length)])


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
