"""Shapley values by sampling, for any model.

References
----------
Strumbelj and Kononenko: Explaining prediction models and individual predictions with feature contributions. Knowledge
and Information Systems 2014. Mitchell, Cooper, Frank and Holmes: Sampling permutations for Shapley value estimation.
JMLR 2022 (a permutation and its reverse).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

# Pairs of a random order of the columns and its reverse.
ORDER_PAIRS = 16


def sample_contributions(
    score: Callable[[dict[str, list]], np.ndarray],
    row: Mapping[str, Any],
    background: Sequence[Mapping[str, Any]],
    seed: int = 0,
    order_pairs: int = ORDER_PAIRS,
) -> tuple[np.ndarray, float]:
    """Estimate what each column adds to the score of a row.

    In a random order, the columns of a background row get the values of the row one by one; a column's contribution is
    the mean change of the score when it gets its value.

    Parameters
    ----------
    score : callable
        Returns the score of each row for values by column.
    row : mapping of str to object
        Value by column.
    background : sequence of mapping
        Rows to compare with.
    seed : int
        The same seed gives the same result.
    order_pairs : int
        Number of random orders; each is used with its reverse.

    Returns
    -------
    contributions : ndarray of shape (columns,)
        Their sum is the score of the row minus `expected`.
    expected : float
        Mean score of the background rows that were used.

    Examples
    --------
    >>> def score(table):
    ...     return 2.0 * np.array(table["a"]) + np.array(table["b"])
    >>> sample_contributions(score, {"a": 3, "b": 1}, [{"a": 1, "b": 1}])
    (array([4., 0.]), 3.0)
    """
    random = np.random.default_rng(seed)
    columns = list(row)
    orders, starts = [], []
    for pair in range(order_pairs):
        order = random.permutation(len(columns))
        orders += [order, order[::-1]]
        starts += [background[(pair * len(background)) // order_pairs]] * 2
    steps = len(columns) + 1
    # Row `step` of an order has the values of the row in the first `step` columns of the order.
    positions = np.empty((len(orders), len(columns)), dtype=int)
    for number, order in enumerate(orders):
        positions[number, order] = np.arange(len(columns))
    table = {
        name: [
            row[name] if positions[number, column] < step else start[name]
            for number, start in enumerate(starts)
            for step in range(steps)
        ]
        for column, name in enumerate(columns)
    }
    scores = np.asarray(score(table), dtype=float).reshape(len(orders), steps)
    changes = np.diff(scores, axis=1)
    contributions = changes[np.arange(len(orders))[:, None], positions].mean(axis=0)
    return contributions, float(scores[:, 0].mean())
