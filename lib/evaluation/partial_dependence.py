"""Partial dependence: the mean answer of a model over rows in which one column has the same value.

References
----------
Friedman: Greedy function approximation: a gradient boosting machine. Annals of Statistics 2001, section 8.2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

MAX_VALUES = 10


def choose_values(values: list[Any], max_values: int = MAX_VALUES) -> list[Any]:
    """Return values of a column to compare: quantiles of numbers and dates, or the most frequent categories.

    Parameters
    ----------
    values : list
        Values as a request contains them; None for a missing value.

    Examples
    --------
    >>> choose_values([3.0, 1.0, None, 2.0, 2.0], 3)
    [1.0, 2.0, 3.0]
    >>> choose_values(["b", "a", "b", None])
    ['a', 'b']
    """
    present = [value for value in values if value is not None]
    counts = Counter(present)
    if len(counts) <= max_values:
        return sorted(counts)
    is_ordered = all(type(value) in (int, float) for value in present) or _are_dates(present)
    if not is_ordered:
        return [value for value, _ in counts.most_common(max_values)]
    ordered = sorted(present)
    positions = np.linspace(0, len(ordered) - 1, max_values).round().astype(int)
    return list(dict.fromkeys(ordered[position] for position in positions))


def _are_dates(values: list[Any]) -> bool:
    """Return whether values are text in ISO 8601, which is ordered like text."""
    return all(isinstance(value, str) and value[4:5] == "-" and value[7:8] == "-" for value in values)


def compute_partial_dependence(
    answer: Callable[[dict[str, list]], np.ndarray],
    table: Mapping[str, list],
    column: str,
    max_values: int = MAX_VALUES,
) -> pd.DataFrame:
    """Return the mean answer for each value of a column, with all other columns as they are.

    Parameters
    ----------
    answer : callable
        Returns the answers to values by column, of shape (rows, answers).
    table : mapping of str to list
        Values by column.
    column : str
    max_values : int

    Returns
    -------
    DataFrame of shape (values, answers)
        Indexed by the values of the column.

    Examples
    --------
    >>> table = {"a": [1.0, 2.0], "b": [0.0, 4.0]}
    >>> def answer(rows):
    ...     return np.stack([np.array(rows["a"]) * 10 + np.array(rows["b"])], axis=1)
    >>> compute_partial_dependence(answer, table, "a")[0].to_dict()
    {1.0: 12.0, 2.0: 22.0}
    """
    values = choose_values(table[column], max_values)
    row_count = len(table[column])
    means = [answer({**table, column: [value] * row_count}).mean(axis=0) for value in values]
    return pd.DataFrame(np.array(means).reshape(len(values), -1), index=pd.Index(values, name=column))
