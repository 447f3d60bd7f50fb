"""What a raw column holds: number, category, code, text, date, or nothing to learn from."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.training.features.categories import CategoryColumn, factorize
from lib.training.features.dates import DateColumn, find_format
from lib.training.features.numbers import NumberColumn, read_numbers
from lib.training.features.text import TextColumn

# A column of numbers with some "n/a" in it is one of numbers; one half of words is not.
MOSTLY = 0.9
# Distinct words that are tried as dates.
SAMPLE_WORDS = 1_000
# Text is words in a row, mostly different ones. What repeats is a code, however long its name.
WORDS_PER_TEXT = 2.5
DISTINCT_PER_TEXT = 0.2
# With this share of different values, a code tells nothing about the next row.
DISTINCT_PER_ID = 0.95


@dataclass(frozen=True)
class LeftOut:
    """A column that is not used, and why."""

    reason: str


Column = NumberColumn | CategoryColumn | DateColumn | TextColumn


def recognise(values: pd.Series, max_levels: int, topics: int, seed: int, month_first: bool) -> Column | LeftOut:
    """Decide how a training column is to be read.

    Parameters
    ----------
    values : pandas.Series
        The raw column.
    max_levels : int
        With more levels than that a category is a code or text.
    topics, seed : int
        For text.
    month_first : bool
        For dates in which no row tells day from month.

    Returns
    -------
    Column or LeftOut
        The reader of this column, or the reason why it has none.
    """
    dtype = values.dtype
    if dtype.kind in "iufbm":
        return NumberColumn()
    if dtype.kind == "M":
        return DateColumn(values)
    if dtype.kind == "c":
        return LeftOut("complex numbers")
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    if inferred in ("date", "datetime", "datetime64"):
        return DateColumn(values.astype(object))
    return _recognise_words(values, max_levels, topics, seed, month_first, is_declared=dtype == "category")


def _recognise_words(
    values: pd.Series, max_levels: int, topics: int, seed: int, month_first: bool, is_declared: bool
) -> Column | LeftOut:
    codes, words = factorize(values)
    counts = pd.Series(np.bincount(codes[codes >= 0], minlength=len(words)), index=words)
    counts = counts[[not _is_empty(word) for word in counts.index]].groupby(level=0).sum()
    words, present = list(counts.index), int(counts.sum())
    if not words:
        return LeftOut("all values are missing")
    # A leading zero is part of a code: the zip code 00501 is not the number 501.
    has_zeros = any(re.match(r"0\d", word) for word in words)
    if not is_declared and not has_zeros:
        is_number = ~np.isnan(read_numbers(pd.Series(words, dtype=object)))
        if counts[is_number].sum() >= MOSTLY * present:
            return NumberColumn()
    if not is_declared:
        form, share = find_format(counts[:: len(words) // SAMPLE_WORDS + 1], month_first)
        if share >= MOSTLY:
            return DateColumn(values, form)
    if len(words) <= max_levels:
        return CategoryColumn("category", words)
    words_per_value = np.mean([len(word.split()) for word in words])
    if words_per_value >= WORDS_PER_TEXT and len(words) > DISTINCT_PER_TEXT * present:
        try:
            return TextColumn(values, topics, seed)
        except ValueError:
            return LeftOut("free text without a word that is in two rows")
    if len(words) > DISTINCT_PER_ID * present:
        return LeftOut("a different value in nearly every row")
    return CategoryColumn("code", words)


def _is_empty(word: str) -> bool:
    """Whether a word is blank, or a number that is none: ``"nan"``, ``"inf"``, ``"1e400"``."""
    if not word:
        return True
    try:
        return not np.isfinite(float(word))
    except ValueError:
        return False
