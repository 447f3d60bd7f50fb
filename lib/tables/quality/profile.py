"""Column profiles: the kind, missing values, range and categories of each column of a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lib.schema.date_columns import infer_date_format, to_datetimes
from lib.schema.text_values import category_names

BOOLEAN, WHOLE, NUMBER, DATE, TEXT = KINDS = ("boolean", "whole number", "number", "date", "text")
NUMBERS = (WHOLE, NUMBER)
# Text with more distinct values is not a list of categories, but names, codes or sentences, and later tables contain
# new ones.
MAX_CATEGORIES = 30
_MIN_ROWS_PER_CATEGORY = 5
_TENTHS = np.linspace(0.0, 1.0, 11)  # the first edge is the minimum
_QUARTILES = (0.25, 0.5, 0.75)
_SAMPLE_TEXTS = 1_000
_MAX_SEARCHED_TEXTS = 10_000  # the search for a date format strips all texts it gets


@dataclass(frozen=True)
class ColumnProfile:
    """Profile of one column.

    Attributes
    ----------
    name : str
    kind : str
        One of `KINDS`. A date may be stored as text.
    rows, missing, distinct : int
        Number of rows, of missing values, and of distinct values that are not missing.
    minimum, maximum : float or None
        Range of the finite numbers.
    bins : dict of float to float
        Share of the numbers in each bin, by the upper edge of the bin: one bin per distinct number if there are few of
        them; otherwise one bin for the minimum, and ten bins with equally many numbers.
    quartiles : tuple of float
        First quartile, median and third quartile of the finite numbers.
    at_minimum, at_maximum : int
        Number of rows with the smallest number, and with the largest.
    categories : dict of str to int
        Number of rows of each category, the most frequent first; empty for text with many distinct values.
    mean_words : float
        Mean number of words per text.
    invalid : int
        In a column of dates, the number of values that are not dates.
    """

    name: str
    kind: str
    rows: int
    missing: int
    distinct: int
    minimum: float | None = None
    maximum: float | None = None
    bins: dict[float, float] = field(default_factory=dict)
    quartiles: tuple[float, float, float] = (0.0, 0.0, 0.0)
    at_minimum: int = 0
    at_maximum: int = 0
    categories: dict[str, int] = field(default_factory=dict)
    mean_words: float = 0.0
    invalid: int = 0

    @property
    def present(self) -> int:
        """Number of values that are not missing."""
        return self.rows - self.missing

    @property
    def is_unique(self) -> bool:
        """Whether no value is missing or repeated."""
        return self.missing == 0 and self.distinct == self.rows > 1


def describe(frame: pd.DataFrame) -> dict[str, ColumnProfile]:
    """Return the profile of each column, by name."""
    return {str(name): describe_column(frame[name]) for name in frame.columns}


def describe_column(values: pd.Series) -> ColumnProfile:
    """Return the profile of one column.

    Examples
    --------
    >>> profile = describe_column(pd.Series(["2024-01-31", None, "2024-02-01"], name="day"))
    >>> profile.kind, profile.missing, profile.distinct
    ('date', 1, 2)
    """
    kind = infer_kind(values)
    present = values.dropna()
    if kind in NUMBERS and isinstance(present.dtype, np.dtype) and present.dtype.kind in "iuf":
        ordered = np.sort(present.to_numpy())  # sorting numbers is faster than counting each of them
        distinct = int(np.count_nonzero(ordered[1:] != ordered[:-1])) + bool(len(ordered))
        missing = len(values) - len(ordered)
        return ColumnProfile(str(values.name), kind, len(values), missing, distinct, **_describe_range(ordered))
    if kind == TEXT:
        present = category_names(values).dropna()
    counts = present.value_counts()
    if kind == DATE and present.dtype == object:
        present, counts = _remove_blanks(present, counts)
    details: dict[str, Any] = {}
    if kind == DATE:
        details = {"invalid": _count_invalid_dates(present, counts)}
    elif kind in NUMBERS:
        details = _describe_range(np.sort(present.to_numpy(dtype=float)))
    else:
        max_categories = max(2, min(MAX_CATEGORIES, len(present) // _MIN_ROWS_PER_CATEGORY))
        if len(counts) <= max_categories:
            details["categories"] = {str(category): int(rows) for category, rows in counts.items()}
        if kind == TEXT:
            words = [len(str(text).split()) for text in counts.index[:_SAMPLE_TEXTS]]
            details["mean_words"] = float(np.mean(words or [0]))
    missing = len(values) - len(present)
    return ColumnProfile(str(values.name), kind, len(values), missing, len(counts), **details)


def _remove_blanks(present: pd.Series, counts: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the values, and the count of each distinct value, without blank texts."""
    is_blank = np.fromiter((str(value).strip() == "" for value in counts.index), dtype=bool, count=len(counts))
    if not is_blank.any():
        return present, counts
    return present[~present.isin(counts.index[is_blank])], counts[~is_blank]


def _count_invalid_dates(present: pd.Series, counts: pd.Series) -> int:
    """Count the values of a date column that are not dates.

    Parameters
    ----------
    present : Series
        Values that are not missing.
    counts : Series of int
        Number of rows with each distinct value, which is the index.
    """
    if present.dtype.kind == "M":
        return 0
    is_text = pd.api.types.infer_dtype(counts.index) == "string"
    dates = to_datetimes(pd.Series(counts.index), infer_date_format(present) or "" if is_text else "")
    return 0 if dates is None else int(counts[dates.isna().to_numpy()].sum())


def infer_kind(values: pd.Series) -> str:
    """Return the kind of a column, one of `KINDS`.

    Examples
    --------
    >>> infer_kind(pd.Series([1.0, None, 3.0])), infer_kind(pd.Series(["31/12/2024", "01/01/2025"]))
    ('whole number', 'date')
    """
    if pd.api.types.is_bool_dtype(values.dtype):
        return BOOLEAN
    if pd.api.types.is_numeric_dtype(values.dtype):
        return WHOLE if _are_whole(values) else NUMBER
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return DATE
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    if inferred == "boolean":
        return BOOLEAN
    if inferred in ("decimal", "floating", "mixed-integer-float", "integer", "timedelta"):
        return NUMBER
    if inferred in ("date", "datetime", "datetime64"):
        return DATE
    if isinstance(values.dtype, pd.CategoricalDtype):
        return TEXT
    if len(values) > _MAX_SEARCHED_TEXTS:
        values = values.dropna()
        values = values.sample(min(len(values), _MAX_SEARCHED_TEXTS), random_state=0)
    return DATE if infer_date_format(values) else TEXT


def _are_whole(values: pd.Series) -> bool:
    if pd.api.types.is_integer_dtype(values.dtype):
        return True
    numbers = _finite_numbers(values)
    return len(numbers) > 0 and bool((numbers == np.floor(numbers)).all())


def _describe_range(ordered: np.ndarray) -> dict[str, Any]:
    """Return the fields of a profile that describe finite numbers; empty if none of the sorted numbers is finite."""
    numbers = ordered.astype(float, copy=False)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return {}
    edges = _bin_edges(numbers)
    counts = np.diff(np.searchsorted(numbers, edges, side="right"), prepend=0)
    bins = {float(edge): float(count / len(numbers)) for edge, count in zip(edges, counts, strict=True)}
    low, median, high = (float(quartile) for quartile in np.quantile(numbers, _QUARTILES, method="inverted_cdf"))
    return {
        "minimum": float(numbers[0]),
        "maximum": float(numbers[-1]),
        "bins": bins,
        "quartiles": (low, median, high),
        "at_minimum": int(np.count_nonzero(numbers == numbers[0])),
        "at_maximum": int(np.count_nonzero(numbers == numbers[-1])),
    }


def _bin_edges(numbers: np.ndarray) -> np.ndarray:
    """Return the upper edges of the bins of sorted numbers.

    These are the distinct numbers if there are few of them; otherwise minimum, deciles and maximum.
    """
    is_first = np.concatenate([[True], numbers[1:] != numbers[:-1]])
    if np.count_nonzero(is_first) <= MAX_CATEGORIES:
        return numbers[is_first]
    # Edges are values of the column, so that an edge rounded for the contract file separates the same rows.
    return np.unique(np.quantile(numbers, _TENTHS, method="inverted_cdf"))


def _finite_numbers(values: pd.Series) -> np.ndarray:
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    return numbers[np.isfinite(numbers)]
