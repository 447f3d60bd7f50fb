"""Parsing of a text column by its schema: each value on its own, and never by what the other values suggest."""

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

_TRUTH = {"true": True, "false": False, "1": True, "0": False}


def parse_texts(texts: pa.ChunkedArray, column: ColumnSchema) -> ParsedTexts:
    """Parse a text column by its schema.

    Parameters
    ----------
    texts : ChunkedArray of string, of shape (rows,)
    column : ColumnSchema

    Returns
    -------
    ParsedTexts
        Numbers are int64 if the schema says that they are whole and these are, else float64; booleans are bool;
        datetimes with a time zone are timestamps; all other kinds are strings, also dates and durations.

    Examples
    --------
    >>> weight = ColumnSchema("weight", "number", unit="kg", number_format=NumberFormat.DECIMAL_COMMA)
    >>> parsed = parse_texts(pa.chunked_array([["1,5 kg", "n/a", "3 lb"]]), weight)
    >>> parsed.values.to_pylist(), parsed.is_invalid.to_pylist()
    ([1.5, None, None], [False, False, True])
    """
    texts = _remove_missing_values(texts, column)
    if column.kind == NUMBER:
        return _parse_numbers(texts, column)
    if column.kind == BOOLEAN:
        return _parse_booleans(texts)
    if column.kind == ORDERED:
        return _parse_categories(texts, column)
    if column.kind == DATETIME and column.time_zone:
        return zoned_datetimes.parse_zoned_texts(texts, column)
    if column.kind == DATETIME and column.date_format:
        return _check_texts(texts, lambda distinct: find_unreadable_dates(distinct, column.date_format))
    if column.kind == DURATION:
        return _check_texts(texts, _find_unreadable_durations)
    return ParsedTexts(texts, _none_of(texts))


def null_strings(columns: Collection[ColumnSchema]) -> list[str]:
    """Return the texts that a reader may turn into null in every column, before `parse_texts`.

    Words that are values of some column are left to `parse_texts`.
    """
    kept = {word for column in columns for word in column.not_missing}
    return [text for text in NULL_STRINGS if text not in kept]


def _remove_missing_values(texts: pa.ChunkedArray, column: ColumnSchema) -> pa.ChunkedArray:
    """Replace by null the texts that mean "missing" in this column."""
    codes = [code for code in (*NULL_STRINGS, *column.missing_values) if code not in column.not_missing]
    is_missing = pc.is_in(pc.utf8_trim_whitespace(texts), value_set=pa.array(codes, pa.string()))
    return _set_null(texts, is_missing)


def _parse_numbers(texts: pa.ChunkedArray, column: ColumnSchema) -> ParsedTexts:
    numbers, is_invalid = _parse_plain_numbers(texts, column) or _parse_formatted_numbers(texts, column)
    numeric_codes = [float(code) for code in column.missing_values if _is_float(code)]
    if numeric_codes:
        is_code = pc.is_in(pc.cast(numbers, pa.float64(), safe=False), value_set=pa.array(numeric_codes, pa.float64()))
        numbers = _set_null(numbers, is_code)
    if column.whole and pa.types.is_floating(numbers.type):
        is_fraction = pc.fill_null(pc.not_equal(numbers, pc.floor(numbers)), False)
        if not pc.any(is_fraction).as_py():
            numbers = pc.cast(numbers, pa.int64(), safe=False)
    return ParsedTexts(numbers, is_invalid)


def _parse_plain_numbers(texts: pa.ChunkedArray, column: ColumnSchema) -> ParsedTexts | None:
    """Parse a column of bare numbers at once; None if a value is not a bare number."""
    if column.unit or column.number_format is NumberFormat.DECIMAL_COMMA:
        return None
    for arrow_type in (pa.int64(), pa.float64()) if column.whole else (pa.float64(),):
        with contextlib.suppress(pa.ArrowInvalid):
            return ParsedTexts(pc.cast(texts, arrow_type), _none_of(texts))
    return None


def _parse_formatted_numbers(texts: pa.ChunkedArray, column: ColumnSchema) -> ParsedTexts:
    numbers, is_missing = number_parsing.parse_values(texts, column.number_format, column.unit)
    return ParsedTexts(numbers, pc.invert(pc.or_(pc.is_valid(numbers), is_missing)))


def _parse_categories(texts: pa.ChunkedArray, column: ColumnSchema) -> ParsedTexts:
    categories = pc.utf8_trim_whitespace(texts)
    # `pyarrow.compute.utf8_normalize` does not compose characters.
    spellings = [text for text in pc.unique(categories).to_pylist() if text and compose_text(text) in column.order]
    is_known = pc.is_in(categories, value_set=pa.array(spellings, pa.string()))
    is_invalid = pc.and_(pc.is_valid(categories), pc.invert(is_known))
    return ParsedTexts(_set_null(categories, is_invalid), is_invalid)


def _check_texts(texts: pa.ChunkedArray, find_unreadable: Callable[[list[str]], list[str]]) -> ParsedTexts:
    """Return texts unchanged, except for those that a function of the distinct texts finds unreadable."""
    distinct = [text for text in pc.unique(texts).to_pylist() if text is not None and text.strip()]
    unreadable = find_unreadable(distinct)
    is_invalid = pc.is_in(pc.utf8_trim_whitespace(texts), value_set=pa.array(unreadable, pa.string()))
    return ParsedTexts(_set_null(texts, is_invalid), is_invalid)


def _find_unreadable_durations(texts: list[str]) -> list[str]:
    return [text.strip() for text in texts if math.isnan(parse_seconds(text))]


def _parse_booleans(texts: pa.ChunkedArray) -> ParsedTexts:
    words = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
    positions = pc.index_in(words, value_set=pa.array(list(_TRUTH), pa.string()))
    values = pc.take(pa.chunked_array([pa.array(list(_TRUTH.values()), pa.bool_())]), positions)
    return ParsedTexts(values, pc.and_(pc.is_null(values), pc.is_valid(words)))


def _set_null(values: pa.ChunkedArray, mask: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace values by null where the mask is true."""
    # `pyarrow.compute.if_else` corrupts sliced strings: https://github.com/apache/arrow/issues/49410
    array, mask = _one_array(values), pc.fill_null(_one_array(mask), False)
    return pa.chunked_array([pc.replace_with_mask(array, mask, pa.scalar(None, values.type))])


def _one_array(values: pa.ChunkedArray) -> pa.Array:
    return values.chunk(0) if values.num_chunks == 1 else pa.concat_arrays(values.chunks or [pa.array([], values.type)])


def _none_of(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([pa.repeat(pa.scalar(False), len(texts))])


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
