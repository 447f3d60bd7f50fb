"""The choice of a column reader for each raw column: by its schema or, without one, by its training values.

A column reader converts the raw values of one column to floats, with its method ``to_floats``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.schema.datetimes import ISO_FORMAT
from lib.schema.table_schema import BOOLEAN, DATETIME, DURATION, NUMBER, ORDERED, TEXT, ColumnSchema
from lib.training.features.categories import CategoryColumn, OrderedColumn, factorize
from lib.training.features.dates import DateColumn, detect_format
from lib.training.features.numbers import DurationColumn, NumberColumn, parse_numbers
from lib.training.features.text import TextColumn

# A column of numbers or dates may contain a few other values, such as "n/a".
MIN_PARSED_SHARE = 0.9
# Maximum number of distinct texts to parse as dates.
MAX_DATE_SAMPLES = 1_000
# Free text has several words per value and mostly distinct values. Repeated values are codes, however long.
MIN_WORDS_PER_TEXT = 2.5
MIN_DISTINCT_SHARE_OF_TEXT = 0.2
# A column with a greater share of distinct values is an identifier: new rows have other values.
MAX_DISTINCT_SHARE_OF_CODES = 0.95


@dataclass(frozen=True)
class ExcludedColumn:
    """A column that is not used as a feature, and the reason."""

    reason: str


ColumnReader = NumberColumn | CategoryColumn | DateColumn | TextColumn


@dataclass(frozen=True)
class DetectionOptions:
    """Parameters of `TableEncoder` that the detection uses; documented there."""

    max_categories: int
    max_topics: int
    seed: int
    month_first: bool


def detect_column(
    values: pd.Series, options: DetectionOptions, schema: ColumnSchema | None = None
) -> ColumnReader | ExcludedColumn:
    """Return a column reader, which converts the column to floats, or the reason to exclude the column.

    Parameters
    ----------
    values : pandas.Series
        The raw column.
    options : DetectionOptions
    schema : ColumnSchema, optional
        The column's kind and date format; inferred from the values by default.

    Returns
    -------
    ColumnReader or ExcludedColumn

    Examples
    --------
    >>> options = DetectionOptions(max_categories=30, max_topics=16, seed=0, month_first=False)
    >>> detect_column(pd.Series(["1", "2", "$3"]), options).kind
    'number'
    >>> detect_column(pd.Series([None, None], dtype=object), options)
    ExcludedColumn(reason='all values are missing')
    >>> detect_column(pd.Series(["1", "2", "3"]), options, ColumnSchema("zip", "code")).categories
    ['1', '2', '3']
    """
    return _infer_reader(values, options) if schema is None else _make_reader(values, options, schema)


def _make_reader(values: pd.Series, options: DetectionOptions, schema: ColumnSchema) -> ColumnReader | ExcludedColumn:
    """Return the column reader that the schema asks for, or the reason to exclude the column."""
    if not values.notna().any():
        return ExcludedColumn("all values are missing")
    if schema.kind in (NUMBER, BOOLEAN):
        return NumberColumn()
    if schema.kind == DURATION:
        return DurationColumn()
    if schema.kind == DATETIME:
        return DateColumn(values, schema.date_format or ISO_FORMAT)
    if schema.kind == ORDERED:
        return OrderedColumn(schema.order)
    counts = _count_texts(values)
    counts = counts[counts.index != ""]
    if counts.empty:
        return ExcludedColumn("all values are missing")
    if schema.kind == TEXT:
        return _detect_text_or_codes(values, counts, options)
    return _detect_codes(counts, options)


def _infer_reader(values: pd.Series, options: DetectionOptions) -> ColumnReader | ExcludedColumn:
    """Infer the kind of a column from its values; return its column reader, or the reason to exclude the column."""
    dtype = values.dtype
    if dtype.kind in "iufbm":
        return NumberColumn()
    if dtype.kind == "M":
        return DateColumn(values)
    if dtype.kind == "c":
        return ExcludedColumn("complex numbers")
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    if inferred in ("date", "datetime", "datetime64"):
        return DateColumn(values.astype(object))
    counts = _count_texts(values)
    counts = counts[[not _is_missing(text) for text in counts.index]]
    if counts.empty:
        return ExcludedColumn("all values are missing")
    if dtype != "category":
        reader = _detect_numbers_or_dates(values, counts, options)
        if reader is not None:
            return reader
    return _detect_text_or_codes(values, counts, options)


def _count_texts(values: pd.Series) -> pd.Series:
    """Return the number of rows with each distinct text, indexed by the text; missing values are not counted."""
    indices, texts = factorize(values)
    counts = pd.Series(np.bincount(indices[indices >= 0], minlength=len(texts)), index=pd.Index(texts, dtype=object))
    return counts.groupby(level=0).sum()


def _is_missing(text: str) -> bool:
    """Return whether a text is blank, or a number that is not finite: ``"nan"``, ``"inf"``, ``"1e400"``."""
    if not text:
        return True
    try:
        return not np.isfinite(float(text))
    except ValueError:
        return False


def _detect_numbers_or_dates(values: pd.Series, counts: pd.Series, options: DetectionOptions) -> ColumnReader | None:
    """Return a column reader for numbers or dates if most texts can be parsed as such, else None."""
    texts = list(counts.index)
    # A leading zero belongs to a code: the ZIP code 00501 is not the number 501.
    has_leading_zero = any(re.match(r"0\d", text) for text in texts)
    if not has_leading_zero:
        is_number = ~np.isnan(parse_numbers(pd.Series(texts, dtype=object)))
        if counts[is_number].sum() >= MIN_PARSED_SHARE * counts.sum():
            return NumberColumn()
    sample = counts[:: len(texts) // MAX_DATE_SAMPLES + 1]
    date_format, share = detect_format(sample, options.month_first)
    return DateColumn(values, date_format) if share >= MIN_PARSED_SHARE else None


def _detect_text_or_codes(
    values: pd.Series, counts: pd.Series, options: DetectionOptions
) -> ColumnReader | ExcludedColumn:
    """Return a column reader for free text if the column contains any, else one for categories or codes."""
    texts, row_count = list(counts.index), int(counts.sum())
    words_per_text = np.mean([len(text.split()) for text in texts])
    is_free_text = words_per_text >= MIN_WORDS_PER_TEXT and len(texts) > MIN_DISTINCT_SHARE_OF_TEXT * row_count
    if len(texts) <= options.max_categories or not is_free_text:
        return _detect_codes(counts, options)
    try:
        return TextColumn(values, options.max_topics, options.seed)
    except ValueError:
        return ExcludedColumn("free text in which no word occurs in two rows")


def _detect_codes(counts: pd.Series, options: DetectionOptions) -> ColumnReader | ExcludedColumn:
    """Return a column reader for few categories or many codes, or the reason to exclude a column of identifiers."""
    texts, row_count = list(counts.index), int(counts.sum())
    if len(texts) <= options.max_categories:
        return CategoryColumn("category", texts)
    if len(texts) > MAX_DISTINCT_SHARE_OF_CODES * row_count:
        return ExcludedColumn("a different value in nearly every row")
    return CategoryColumn("code", texts)
