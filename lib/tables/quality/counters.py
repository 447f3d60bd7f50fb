"""Detection of columns that count rows and start again, e.g. in each group of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

_FIRST_NUMBERS = (0, 1)
_MIN_RESTARTS = 2
_MIN_DISTINCT = 3
# With more groups per row, hardly any group has several rows.
_MAX_GROUPS_PER_ROW = 0.5
_MAX_ROWS = 100_000


@dataclass(frozen=True)
class Counter:
    """A column that counts rows from 0 or 1, and starts again.

    Attributes
    ----------
    name : str
    groups : str
        The column with the groups: the counter starts again in each of its values. Empty if there is no such column.
    starts : int
        Number of rows with the first number.
    """

    name: str
    groups: str
    starts: int


def find_counter(frame: pd.DataFrame, name: str, group_columns: Sequence[str]) -> Counter | None:
    """Return how a column counts rows and starts again; None if it does not.

    There are two kinds of counters. One numbers the rows of each group without a gap, in any order. The other increases
    by 1 from row to row, or returns to its first number.

    Parameters
    ----------
    frame : DataFrame
    name : str
        A column of whole numbers.
    group_columns : sequence of str
        Columns whose values may be the groups, in order of preference.

    Examples
    --------
    >>> visits = pd.DataFrame({"patient": ["a", "a", "a", "b", "b", "c"], "visit": [1, 2, 3, 1, 2, 1]})
    >>> find_counter(visits, "visit", ["patient"])
    Counter(name='visit', groups='patient', starts=3)
    """
    values = frame[name].head(_MAX_ROWS)
    if not may_be_counter(values):
        return None
    numbers = values.to_numpy(dtype=np.int64)
    for group in group_columns:
        codes = pd.factorize(frame[group].head(_MAX_ROWS))[0]
        if group != name and counts_rows_in_groups(numbers, codes):
            return Counter(name, group, int(codes.max()) + 1)
    is_start = numbers == numbers.min()
    increases_by_one = np.diff(numbers) == 1
    starts = int(is_start.sum())
    if is_start[0] and starts > _MIN_RESTARTS and starts <= _MAX_GROUPS_PER_ROW * len(numbers):
        return Counter(name, "", starts) if (increases_by_one | is_start[1:]).all() else None
    return None


def may_be_counter(values: pd.Series) -> bool:
    """Return whether a column contains every whole number from 0 or 1 up to its maximum, and at least three numbers."""
    if not pd.api.types.is_integer_dtype(values.dtype) or values.empty or values.isna().any():
        return False
    low, high = int(values.min()), int(values.max())
    return low in _FIRST_NUMBERS and _MIN_DISTINCT <= high - low + 1 == values.nunique()


def counts_rows_in_groups(numbers: np.ndarray, codes: np.ndarray) -> bool:
    """Return whether each group contains the numbers from the smallest one on, without gaps or repetitions.

    Parameters
    ----------
    numbers : ndarray of int, of shape (rows,)
    codes : ndarray of int, of shape (rows,)
        The group of each row, from 0; negative if it is missing.
    """
    groups = int(codes.max(initial=-1)) + 1
    if codes.min(initial=0) < 0 or not _MIN_RESTARTS <= groups <= _MAX_GROUPS_PER_ROW * len(numbers):
        return False
    order = np.lexsort((numbers, codes))
    starts_group = np.append(True, np.diff(codes[order]) != 0)
    expected = np.arange(len(numbers)) - np.flatnonzero(starts_group)[np.cumsum(starts_group) - 1]
    return bool((numbers[order] - numbers.min() == expected).all())
