"""Columns and targets encoded as NumPy arrays, for the search for leaks."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.schema.date_columns import to_datetimes
from lib.tables.quality.profile import BOOLEAN, DATE, NUMBER, NUMBERS, TEXT

FOLDS = 3
_MAX_BINS = 64
_MIN_ROWS_PER_BIN = 10
# In wide tables, fewer rows are searched, so that time and memory grow linearly with the columns.
_MAX_CELLS = 20_000_000
_MIN_ROWS = 2_000
_MAX_CLASSES = 30
# In a regression, the most frequent target, such as 0, counts as a class if its share of the rows is in this range.
_MIN_MODE_SHARE, _MAX_MODE_SHARE = 0.05, 0.95
_KINDS_BY_TYPE = {"b": BOOLEAN, "M": DATE} | dict.fromkeys("iuf", NUMBER)


@dataclass(frozen=True, eq=False)
class EncodedColumn:
    """A column as numbers or categories.

    Attributes
    ----------
    name : Hashable
    bins : ndarray of int, of shape (rows,)
        Bin of each value from 1, by quantile or by category; 0 for missing values.
    numbers : ndarray of float, of shape (rows,), or None
        Numbers, dates in days, or booleans, with NaN where missing; None for categories.
    levels : int
        Number of different values; all missing values together count as one value.
    is_missing_flag : bool
        Whether the column only says which values of the original column are missing.
    """

    name: Hashable
    bins: np.ndarray
    numbers: np.ndarray | None
    levels: int
    is_missing_flag: bool = False

    @property
    def is_flag(self) -> bool:
        """Whether there are exactly two different values; one of them may be a missing value."""
        return self.levels == 2

    @functools.cached_property
    def features(self) -> np.ndarray:
        """Values for a model, as floats of shape (rows,), with NaN where missing."""
        if self.numbers is not None:
            return self.numbers
        return np.where(self.bins == 0, np.nan, self.bins).astype(float)


@dataclass(frozen=True, eq=False)
class Target:
    """The target of a sample of rows.

    Attributes
    ----------
    is_regression : bool
    values : ndarray of shape (rows,)
        Floats for a regression, otherwise class codes. The code 0 is that of the most frequent class.
    classes : list
        Class of each code; empty for a regression.
    folds : ndarray of int, of shape (rows,)
        Fold of each row, from 0. Every fold has its share of each class.
    """

    is_regression: bool
    values: np.ndarray
    classes: list[Hashable]
    folds: np.ndarray

    @functools.cached_property
    def ranks(self) -> np.ndarray:
        """Rank of each value, as floats of shape (rows,)."""
        return rank(self.values)

    @functools.cached_property
    def is_mode(self) -> np.ndarray | None:
        """Whether each target is the most frequent one; None if that one is too rare or too frequent for a class."""
        values, counts = np.unique(self.values, return_counts=True)
        is_mode = self.values == values[counts.argmax()]
        return is_mode if _MIN_MODE_SHARE <= is_mode.mean() <= _MAX_MODE_SHARE else None

    @property
    def is_learnable(self) -> bool:
        """Whether there are at least two different targets, and one row for each fold."""
        return len(self.values) >= FOLDS and bool(np.ptp(self.values) > 0)


def rank(values: np.ndarray) -> np.ndarray:
    """Return the rank of each value, from 1; equal values get the mean of their ranks.

    Examples
    --------
    >>> rank(np.array([30, 10, 30]))
    array([2.5, 1. , 2.5])
    """
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[places]


def sample_rows(frame: pd.DataFrame, target_column: str, max_rows: int, seed: int) -> pd.DataFrame:
    """Return a random sample of the rows that have a target."""
    rows = np.flatnonzero(frame[target_column].notna().to_numpy())
    max_rows = min(max_rows, max(_MIN_ROWS, _MAX_CELLS // frame.shape[1]))
    if len(rows) > max_rows:  # unlike DataFrame.sample, this does not permute all rows first
        rows = np.random.default_rng(seed).choice(rows, max_rows, replace=False, shuffle=False)
    return frame if len(rows) == len(frame) else frame.iloc[np.sort(rows)]


def encode_target(sample: pd.DataFrame, target_column: str, task: str, seed: int) -> tuple[pd.DataFrame, Target]:
    """Return the columns of the sample without the target, and the encoded target.

    Rows are left out if their class has fewer rows than there are folds, or if their target is infinite.
    """
    y, random = sample[target_column], np.random.default_rng(seed)
    if task == "regression":
        values = y.to_numpy(dtype=float)
        is_used = np.isfinite(values)
        classes: list[Hashable] = []
        values = values[is_used]
        folds = random.permutation(len(values)) % FOLDS
    else:
        counts = y.value_counts()
        classes = list(counts.index[counts >= FOLDS][:_MAX_CLASSES])
        codes = pd.Index(classes).get_indexer(pd.Index(y))
        is_used = codes >= 0
        values = codes[is_used]
        order = np.lexsort((random.random(len(values)), values))  # by class, shuffled within each class
        folds = np.empty(len(values), dtype=int)
        folds[order] = np.arange(len(values)) % FOLDS
    features = sample.drop(columns=target_column)
    return features if is_used.all() else features[is_used], Target(task == "regression", values, classes, folds)


def encode_columns(frame: pd.DataFrame, kinds: Mapping[str, str] | None = None) -> Iterable[EncodedColumn]:
    """Encode the columns, each followed by a flag of missing values if it has some.

    The columns themselves, but not their flags, are left out if they are constant or text with mostly distinct values.

    Parameters
    ----------
    frame : DataFrame of shape (rows, columns)
    kinds : mapping of str to str, optional
        Kind of each column, one of `profile.KINDS`. By default, the kinds are derived from the data types, and text is
        not checked for dates, because that would take longer than the search itself.
    """
    for name, values in frame.items():
        kind = kinds[str(name)] if kinds else _KINDS_BY_TYPE.get(getattr(values.dtype, "kind", "O"), TEXT)
        numbers = _to_numbers(values, kind)
        bins = _encode_text(values) if numbers is None else bin_numbers(numbers)
        is_missing = bins == 0
        has_missing = bool(is_missing.any() and not is_missing.all())
        levels = has_missing + (int(bins.max(initial=0)) if numbers is None else _count_distinct(numbers))
        is_repetitive = numbers is not None or levels <= len(bins) / 2
        if levels - has_missing > 1 and is_repetitive:
            yield EncodedColumn(name, bins, numbers, levels)
        if has_missing:
            yield EncodedColumn(name, is_missing.astype(int) + 1, None, levels=2, is_missing_flag=True)


def _count_distinct(numbers: np.ndarray) -> int:
    distinct = np.unique(numbers)
    return len(distinct) - bool(len(distinct) and np.isnan(distinct[-1]))


def _to_numbers(values: pd.Series, kind: str) -> np.ndarray | None:
    """Return numbers, booleans, or dates in days since 1970 as floats, with NaN for missing values; None for text."""
    if kind in NUMBERS or kind == BOOLEAN:
        numeric = values if values.dtype.kind in "iufb" else pd.to_numeric(values, errors="coerce")
        numbers = numeric.to_numpy(dtype=float, na_value=np.nan)
        return np.where(np.isfinite(numbers), numbers, np.nan)
    if kind == DATE:
        dates = to_datetimes(values)
        if dates is not None and dates.notna().any():
            if dates.dtype.kind != "M":
                return dates.to_numpy(dtype=float)
            seconds = dates.to_numpy().astype("datetime64[s]")  # nanoseconds would end in 2262
            return np.where(np.isnat(seconds), np.nan, seconds.astype(np.int64) / 86400)
    return None


def _encode_text(values: pd.Series) -> np.ndarray:
    """Return the code of each text, from 1; 0 for missing and blank texts."""
    codes, texts = pd.factorize(values)
    blank = np.array([str(text).strip() == "" for text in texts], dtype=bool)
    if blank.any():
        codes = np.where(np.isin(codes, np.flatnonzero(blank)), -1, codes)
        codes = pd.factorize(np.where(codes < 0, np.nan, codes))[0]
    return codes + 1


def bin_numbers(numbers: np.ndarray) -> np.ndarray:
    """Return the bin of each number, from 1; 0 for missing values.

    The bins are quantiles: at most 64 bins of at least ten rows. If there are fewer distinct numbers, each has a bin.

    Examples
    --------
    >>> bin_numbers(np.array([5.0, np.nan, 7.0, 5.0]))
    array([1, 0, 2, 1])
    """
    present = np.sort(numbers)[: len(numbers) - np.count_nonzero(np.isnan(numbers))]  # NaN is sorted last
    if not len(present):
        return np.zeros(len(numbers), dtype=int)
    max_bins = int(np.clip(len(present) // _MIN_ROWS_PER_BIN, 2, _MAX_BINS))
    is_first = np.ones(len(present), dtype=bool)
    np.not_equal(present[1:], present[:-1], out=is_first[1:])
    edges = present[is_first]
    if len(edges) > max_bins:
        places = np.arange(1, max_bins + 1) * len(present) // max_bins - 1
        edges = np.unique(present[places])
    return np.where(np.isnan(numbers), 0, np.searchsorted(edges, numbers) + 1)
