"""Inference of a table's schema from its rows, after a reader has given each column a type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lib import cores
from lib.schema.date_columns import find_unreadable, infer_format_of_counts
from lib.schema.datetimes import swap_day_and_month
from lib.schema.durations import parse_seconds
from lib.schema.missing_codes import NULL_STRINGS
from lib.schema.number_format import NumberFormat
from lib.schema.number_parsing import ParsedColumn, parse_column
from lib.schema.numeric_codes import has_numeric_codes
from lib.schema.table_schema import (
    BOOLEAN,
    CATEGORY,
    CODE,
    DATETIME,
    DURATION,
    NUMBER,
    ORDERED,
    TEXT,
    ColumnSchema,
    TableSchema,
    TextFormat,
)
from lib.schema.text_numbers import parse_number
from lib.schema.text_values import category_name
from lib.tables.files.categoricals import is_text

# Text with more distinct values is names, codes or sentences, and the next table contains others.
MAX_CATEGORIES = 30
_MIN_ROWS_PER_CATEGORY = 5
_SAMPLE_ROWS = 1_000
# A column of identifiers without spaces, most of which contain a digit, holds codes such as V57 or AB-1204.
_CODE, _ASCII_CODE = r"^[\p{L}\d][\p{L}\d._/-]*$", r"^[A-Za-z\d][A-Za-z\d._/-]*$"
_MIN_CODE_SHARE = 0.95
# In a typed file such as Parquet, a column of strings contains numbers if at least this share of the values are.
_MIN_NUMBER_SHARE = 0.9
# Texts such as "unknown" in a column of dates are listed in the schema, up to this number. If there are more, the
# schema says that every text that is not a date counts as missing.
_MAX_LISTED_NON_DATES = 20


def infer_schema(
    table: pa.Table,
    text_format: TextFormat | None = None,
    parsed: Mapping[str, ParsedColumn] | None = None,
    month_first: bool = False,
) -> TableSchema:
    """Infer the schema of a table.

    Parameters
    ----------
    table : Table of shape (rows, columns)
        With the column names as users know them, and with the numbers in text columns parsed.
    text_format : TextFormat, optional
        How the files are written, if they are text files. If None, text columns are searched for numbers.
    parsed : mapping of str to ParsedColumn, optional
        How the numbers in text columns were parsed, by column.
    month_first : bool
        Whether ``03/04/2005`` is March 4th in a column in which no row tells the day from the month.

    Examples
    --------
    >>> schema = infer_schema(pa.table({"size": ["S", "M", "S"] * 5, "weight": [1.5, 2.0, 3.1] * 5}))
    >>> [(column.name, column.kind) for column in schema.columns.values()]
    [('size', 'category'), ('weight', 'number')]
    """
    is_text_file = text_format is not None

    def infer_column(name: str) -> ColumnSchema:
        values = table[name]
        if not is_text(values.type):
            return _infer_typed_column(name, values, (parsed or {}).get(name))
        number_column = None if is_text_file else _infer_numbers_in_text(name, values)
        return number_column or _infer_text_column(name, values, is_text_file, month_first)

    columns = cores.map_threads(infer_column, table.column_names)
    return TableSchema({column.name: column for column in columns}, text_format)


def _infer_typed_column(name: str, values: pa.ChunkedArray, parsed: ParsedColumn | None) -> ColumnSchema:
    """Return the schema of a column by its Arrow type, which is not a string; unknown types count as text."""
    arrow_type = values.type
    if pa.types.is_boolean(arrow_type):
        return ColumnSchema(name, BOOLEAN)
    if pa.types.is_integer(arrow_type) or pa.types.is_floating(arrow_type) or pa.types.is_decimal(arrow_type):
        return _make_number_column(name, arrow_type, parsed)
    if pa.types.is_date(arrow_type) or pa.types.is_timestamp(arrow_type):
        return ColumnSchema(name, DATETIME, time_zone=getattr(arrow_type, "tz", None) or "")
    if pa.types.is_duration(arrow_type) or pa.types.is_time(arrow_type):
        return ColumnSchema(name, DURATION)
    if pa.types.is_dictionary(arrow_type) and arrow_type.ordered:
        order = values.unify_dictionaries().chunk(0).dictionary.to_pylist() if values.num_chunks else []
        return ColumnSchema(name, ORDERED, order=tuple(map(category_name, order)))
    return ColumnSchema(name, CATEGORY if pa.types.is_dictionary(arrow_type) else TEXT)


def _infer_numbers_in_text(name: str, values: pa.ChunkedArray) -> ColumnSchema | None:
    """Return a number schema for a string column of a Parquet file whose values are numbers, else None."""
    sample = _sample_texts(values)
    if not len(sample) or has_numeric_codes(sample):
        return None
    if np.isnan([parse_number(text) for text in sample.to_pylist()]).mean() > 1 - _MIN_NUMBER_SHARE:
        return None
    parsed = parse_column(sample, name, comma_separated=False)
    if parsed.numbers is None:
        return None
    return _make_number_column(name, parsed.numbers.type, parsed)


def _make_number_column(name: str, arrow_type: pa.DataType, parsed: ParsedColumn | None) -> ColumnSchema:
    """Return the schema of a column of numbers; `parsed` tells how they were written if they were text."""
    is_whole = pa.types.is_integer(arrow_type)
    if parsed is None:
        return ColumnSchema(name, NUMBER, whole=is_whole)
    return ColumnSchema(
        name,
        NUMBER,
        whole=is_whole,
        number_format=parsed.number_format,
        unit=parsed.unit,
        missing_values=tuple(value for value in parsed.missing_values if value),
        unreadable_as_missing=parsed.unreadable > 0,
    )


def _infer_text_column(name: str, values: pa.ChunkedArray, is_text_file: bool, month_first: bool) -> ColumnSchema:
    """Return the schema of a text column. Words such as "NA" that the reader left in it are values."""
    column = _classify_texts(name, values, month_first)
    if column.kind in (DATETIME, DURATION):
        return column
    # The reader of text files has replaced these words by nulls, except for words with spaces around them.
    return replace(column, not_missing=_find_null_words(_sample_texts(values) if is_text_file else values))


def _find_null_words(values: pa.ChunkedArray) -> tuple[str, ...]:
    """Return the words in a column that usually mean "missing"."""
    distinct = pc.utf8_trim_whitespace(pc.cast(pc.unique(values), pa.string()))
    known = pa.array([word for word in NULL_STRINGS if word])
    return tuple(sorted(pc.unique(distinct.filter(pc.is_in(distinct, value_set=known))).to_pylist()))


def _classify_texts(name: str, values: pa.ChunkedArray, month_first: bool) -> ColumnSchema:
    """Return the schema of a text column that contains dates, durations, codes, categories or other text."""
    sample = _sample_texts(values)
    if not len(sample):
        return ColumnSchema(name, TEXT)
    if date_column := _infer_date_column(name, values, sample, month_first):
        return date_column
    if _are_durations(sample):
        return ColumnSchema(name, DURATION)
    if has_numeric_codes(sample) or _are_codes(sample):
        return ColumnSchema(name, CODE)
    max_categories = max(2, min(MAX_CATEGORIES, len(values) // _MIN_ROWS_PER_CATEGORY))
    is_category = len(pc.unique(sample)) <= max_categories
    return ColumnSchema(name, CATEGORY if is_category else TEXT)


def _sample_texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the first texts of a column, trimmed, without null and empty ones."""
    texts = pc.utf8_trim_whitespace(pc.cast(values[: 2 * _SAMPLE_ROWS].drop_null(), pa.string()))
    if len(texts) < _SAMPLE_ROWS:
        texts = pc.utf8_trim_whitespace(pc.cast(values.drop_null(), pa.string()))
    return texts.filter(pc.not_equal(texts, ""))[:_SAMPLE_ROWS]


def _infer_date_column(
    name: str, values: pa.ChunkedArray, sample: pa.ChunkedArray, month_first: bool
) -> ColumnSchema | None:
    """Return the schema of a text column of dates, or None if the texts are not dates."""
    # The sample is quick to check, and most text columns are not dates.
    date_format = infer_format_of_counts(_count_texts(sample), month_first)
    if date_format is None:
        return None
    distinct = pc.unique(values).to_pylist()
    unreadable = find_unreadable(distinct, date_format)
    if unreadable or swap_day_and_month(date_format) != date_format:
        # Rows after the sample may tell the day from the month.
        date_format = infer_format_of_counts(_count_texts(values), month_first) or date_format
        unreadable = find_unreadable(distinct, date_format)
    if len(unreadable) > _MAX_LISTED_NON_DATES:
        return ColumnSchema(name, DATETIME, date_format=date_format, unreadable_as_missing=True)
    return ColumnSchema(name, DATETIME, date_format=date_format, missing_values=tuple(unreadable))


def _count_texts(values: pa.ChunkedArray) -> Counter[str]:
    """Return the number of rows with each text, without missing and empty texts."""
    counted = pc.value_counts(values.drop_null())
    texts = pc.utf8_trim_whitespace(pc.cast(counted.field("values"), pa.string()))
    counts = Counter[str]()
    for text, rows in zip(texts.to_pylist(), counted.field("counts").to_pylist(), strict=True):
        counts[text] += rows
    counts.pop("", None)
    return counts


def _are_durations(sample: pa.ChunkedArray) -> bool:
    """Return whether all texts are durations or times of day, and not bare numbers."""
    if not pc.all(pc.match_substring(sample, ":")).as_py():
        return False
    return not np.isnan([parse_seconds(text) for text in sample.to_pylist()]).any()


def _are_codes(sample: pa.ChunkedArray) -> bool:
    """Return whether nearly all texts are identifiers with digits, such as V57, and not words."""
    if pc.mean(pc.match_substring_regex(sample, r"\d")).as_py() < _MIN_CODE_SHARE:
        return False
    # RE2 takes milliseconds to compile the class of all letters, \p{L}.
    pattern = _ASCII_CODE if pc.all(pc.string_is_ascii(sample)).as_py() else _CODE
    return pc.mean(pc.match_substring_regex(sample, pattern)).as_py() >= _MIN_CODE_SHARE


def with_decimal_comma(parsed: ParsedColumn | None) -> ParsedColumn:
    """Return a parsed column whose number format has decimal commas, and points between thousands."""
    parsed = parsed or ParsedColumn(None, NumberFormat.DECIMAL_COMMA, "")
    return parsed._replace(number_format=NumberFormat.DECIMAL_COMMA)
