"""The reader of each raw column, by its table schema or, without one, by what its training rows contain."""

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
# Number of distinct texts that are tried as dates.
MAX_DATE_SAMPLES = 1_000
# Free text has several words per value and mostly distinct values. Repeated values are codes, however long.
MIN_WORDS_PER_TEXT = 2.5
MIN_DISTINCT_SHARE_OF_TEXT = 0.2
# With more distinct values than this, a column is an identifier, which says nothing about new rows.
MAX_DISTINCT_SHARE_OF_CODES = 0.95


@dataclass(frozen=True)
class ExcludedColumn:
    """A column that is not used as a feature, and the reason."""

    reason: str


Column = NumberColumn | CategoryColumn | DateColumn | TextColumn


@dataclass(frozen=True)
class DetectionOptions:
    """Options of the detection; `TableEncoder` explains them."""

    max_categories: int
    max_topics: int
    seed: int
    month_first: bool


def detect_column(
    values: pd.Series, options: DetectionOptions, schema: ColumnSchema | None = None
) -> Column | ExcludedColumn:
    """Return an object that reads a training column, or the reason to exclude it.

    Parameters
    ----------
    values : pandas.Series
        The raw column.
    options : DetectionOptions
    schema : ColumnSchema, optional
        The column's kind and date format; inferred from the values by default.

    Returns
    -------
    Column or ExcludedColumn
        A reader of the column, or the reason to exclude it.

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


def _make_reader(values: pd.Series, options: DetectionOptions, schema: ColumnSchema) -> Column | ExcludedColumn:
    """Return the reader of a column by its schema."""
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
        return _detect_words(values, counts, options)
    return _detect_codes(counts, options)


def _infer_reader(values: pd.Series, options: DetectionOptions) -> Column | ExcludedColumn:
    """Return the reader of a column by what its values look like."""
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
    counts = counts[[not _is_missing(name) for name in counts.index]]
    if counts.empty:
        return ExcludedColumn("all values are missing")
    if dtype != "category":
        parsed = _detect_parsed_column(values, counts, options)
        if parsed is not None:
            return parsed
    return _detect_words(values, counts, options)


def _count_texts(values: pd.Series) -> pd.Series:
    """Return the number of rows with each text, indexed by the text; without missing values."""
    indices, names = factorize(values)
    counts = pd.Series(np.bincount(indices[indices >= 0], minlength=len(names)), index=pd.Index(names, dtype=object))
    return counts.groupby(level=0).sum()


def _is_missing(text: str) -> bool:
    """Return whether a text is blank, or a number that is not finite: ``"nan"``, ``"inf"``, ``"1e400"``."""
    if not text:
        return True
    try:
        return not np.isfinite(float(text))
    except ValueError:
        return False


def _detect_parsed_column(values: pd.Series, counts: pd.Series, options: DetectionOptions) -> Column | None:
    """Return a reader if most texts can be parsed as numbers or as dates."""
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


def _detect_words(values: pd.Series, counts: pd.Series, options: DetectionOptions) -> Column | ExcludedColumn:
    """Tell free text from categories, codes and identifiers."""
    texts, rows = list(counts.index), int(counts.sum())
    words_per_text = np.mean([len(text.split()) for text in texts])
    is_free_text = words_per_text >= MIN_WORDS_PER_TEXT and len(texts) > MIN_DISTINCT_SHARE_OF_TEXT * rows
    if len(texts) <= options.max_categories or not is_free_text:
        return _detect_codes(counts, options)
    try:
        return TextColumn(values, options.max_topics, options.seed)
    except ValueError:
        return ExcludedColumn("free text in which no word occurs in two rows")


def _detect_codes(counts: pd.Series, options: DetectionOptions) -> Column | ExcludedColumn:
    """Tell few categories, many codes and identifiers apart, which are encoded differently."""
    texts, rows = list(counts.index), int(counts.sum())
    if len(texts) <= options.max_categories:
        return CategoryColumn("category", texts)
    if len(texts) > MAX_DISTINCT_SHARE_OF_CODES * rows:
        return ExcludedColumn("a different value in nearly every row")
    return CategoryColumn("code", texts)
