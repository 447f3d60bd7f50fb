"""Columns that stay text because their dates, numbers or booleans are written in several formats."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lib import cores
from lib.schema import datetimes
from lib.schema.table_schema import DATETIME, TableSchema
from lib.tables.files.categoricals import is_text

_SAMPLE_ROWS = 500
_MIN_FORMATTED_SHARE = 0.3
_MIN_READABLE_SHARE = 0.9
_MIN_FORMAT_SHARE = 0.02
_MAX_EXAMPLES = 3
_MAX_BOOLEAN_WORDS = 8
_DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d[ -][A-Za-z]{3,9}[ -,]|^[A-Za-z]{3,9} \d{1,2},? \d{4}"
_AROUND_NUMBER = r"[^\d.,]{0,4}"
_DECIMAL_COMMA = rf"^{_AROUND_NUMBER}(\d+|\d{{1,3}}(\.\d{{3}})+),(\d{{1,2}}|\d{{4,}}){_AROUND_NUMBER}$|\.\d{{3}},\d"
_DECIMAL_POINT = rf"^{_AROUND_NUMBER}(\d+|\d{{1,3}}(,\d{{3}})+)\.(\d{{1,2}}|\d{{4,}}){_AROUND_NUMBER}$|,\d{{3}}\.\d"
_BOOLEAN_WORDS = {"true", "false", "yes", "no", "y", "n", "t", "f", "0", "1", "on", "off"}


def describe_mixed_columns(table: pa.Table, schema: TableSchema, other_notes: str = "") -> list[str]:
    """Return a sentence for each text column whose values are written in several formats.

    Parameters
    ----------
    table : Table of shape (rows, columns)
    schema : TableSchema
    other_notes : str
        Other sentences about the table, joined. A column is left out if one of them already says that it stays text.
    """
    indices = [
        index
        for index, field in enumerate(table.schema)
        if is_text(field.type)
        and not (field.name in schema.columns and schema.columns[field.name].kind == DATETIME)
        and f"{field.name} stays text" not in other_notes
    ]
    names = table.column_names
    notes = cores.map_threads(lambda index: describe_mixed_values(names[index], table.column(index)), indices)
    return list(filter(None, notes))


def describe_mixed_values(name: str, values: pa.ChunkedArray) -> str:
    """Return a sentence on the formats of a text column; empty if it does not mix formats.

    Examples
    --------
    >>> describe_mixed_values("fee", pa.chunked_array([["1.234,50", "1,234.50"] * 20]))
    "fee stays text: some numbers have a decimal comma ('1.234,50'), others a decimal point ('1,234.50'). Use only one."
    >>> describe_mixed_values("new", pa.chunked_array([["True", "no", "0", "1"] * 20]))
    "new spells true and false in several ways: 'True', 'no', '0', '1'. Each counts as another value; use one spelling."
    """
    texts = _sample_texts(values)
    if not len(texts):
        return ""
    return _describe_numbers(name, texts) or _describe_dates(name, texts) or _describe_boolean_words(name, texts)


def _sample_texts(values: pa.ChunkedArray) -> pa.Array:
    """Return the texts of evenly spaced rows, without surrounding spaces."""
    present = values.drop_null()
    step = max(1, len(present) // _SAMPLE_ROWS)
    positions = pa.array(range(0, len(present), step), pa.int64())
    texts = pc.utf8_trim_whitespace(pc.cast(pc.take(present, positions), pa.string()))
    return texts.filter(pc.not_equal(texts, "")).combine_chunks()


def _describe_numbers(name: str, texts: pa.Array) -> str:
    with_comma = texts.filter(pc.match_substring_regex(texts, _DECIMAL_COMMA))
    with_point = texts.filter(pc.match_substring_regex(texts, _DECIMAL_POINT))
    if min(len(with_comma), len(with_point)) < max(1, _MIN_FORMAT_SHARE * len(texts)):
        return ""
    if len(with_comma) + len(with_point) < _MIN_FORMATTED_SHARE * len(texts):
        return ""
    return (
        f"{name} stays text: some numbers have a decimal comma ({with_comma[0].as_py()!r}), others a decimal point "
        f"({with_point[0].as_py()!r}). Use only one."
    )


def _describe_dates(name: str, texts: pa.Array) -> str:
    if pc.mean(pc.match_substring_regex(texts, _DATE)).as_py() < _MIN_FORMATTED_SHARE:
        return ""
    series = pd.Series(texts.to_pylist(), dtype=object)
    formats, is_date = _find_date_formats(series)
    if not formats or is_date.mean() < _MIN_FORMATTED_SHARE:
        return ""
    written = ", ".join(map(datetimes.describe_format, formats))
    if is_date.mean() >= _MIN_READABLE_SHARE:
        return f"{name} stays text: its dates have several formats ({written}). Use only one." if formats[1:] else ""
    examples = ", ".join(map(repr, series[~is_date].unique()[:_MAX_EXAMPLES]))
    return (
        f"{name} stays text: only {is_date.mean():.0%} of its values are dates ({written}). Others are not: {examples}."
    )


def _find_date_formats(texts: pd.Series) -> tuple[list[str], pd.Series]:
    """Return the date formats that together read the most texts, the best first, and for each text if it is read."""
    candidates = datetimes.candidate_formats(texts.tolist())
    readable_by_format = {date_format: datetimes.parse_column(texts, date_format).notna() for date_format in candidates}
    formats, is_date = list[str](), pd.Series(False, index=texts.index)
    while True:
        gains = {date_format: int((readable & ~is_date).sum()) for date_format, readable in readable_by_format.items()}
        best = max(gains, key=gains.__getitem__)
        if gains[best] < max(1, _MIN_FORMAT_SHARE * len(texts)):
            return formats, is_date
        formats.append(best)
        is_date |= readable_by_format[best]


def _describe_boolean_words(name: str, texts: pa.Array) -> str:
    words = pc.unique(texts)[: _MAX_BOOLEAN_WORDS + 1].to_pylist()
    spellings = {word.casefold() for word in words}
    if len(words) > _MAX_BOOLEAN_WORDS or len(spellings) < 3 or not spellings <= _BOOLEAN_WORDS:
        return ""
    listed = ", ".join(map(repr, words))
    return f"{name} spells true and false in several ways: {listed}. Each counts as another value; use one spelling."
