"""A gradient boosting's trees as bit masks, for answers in microseconds.

scikit-learn walks from node to node in compiled code, but calls it once a tree and checks its input before: for a few
rows that is nearly all of the time. Here nothing is walked. The leaves of a tree are bits, in their order from left
to right, and a node whose question is answered by no rules out the leaves on its left. The questions on one feature
are ordered by their thresholds, so those answered by no are a beginning of that order, found by one bisection; what
they rule out together, in all trees, is one row of a table made beforehand. Rows of these tables, one a feature, are
combined by `and`; the lowest bit that is left in each tree is the leaf.

Leaves are added up in the order in which scikit-learn adds them, so that sums are the same to the last bit.

References
----------
Lucchese et al.: QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees. SIGIR
2015. (There thresholds are scanned; the table of what a scan gives is possible where a feature has few of them.)
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np

MOST_LEAVES = 64
MOST_TABLE_BYTES = 256 * 2**20
# Rows at a time, so that what is in between stays in the processor's cache.
ROWS = 128
ALL = np.uint64(2**64 - 1)


class NoMasks(Exception):
    """A model cannot be put into masks; the message says why."""


class Trees:
    """Sums of a histogram gradient boosting, before its link.

    Parameters
    ----------
    model : HistGradientBoostingClassifier or HistGradientBoostingRegressor
        Fitted.

    Raises
    ------
    NoMasks
        A tree has more leaves than a word has bits, a node asks for categories, or the tables would be too large.
    """

    def __init__(self, model: Any):
        trees = [one.nodes for iteration in model._predictors for one in iteration]
        if model._preprocessor is not None or model.is_categorical_ is not None:
            raise NoMasks("it asks for categories")
        if max(int(nodes["is_leaf"].sum()) for nodes in trees) > MOST_LEAVES:
            raise NoMasks(f"a tree has more than {MOST_LEAVES} leaves")
        self._outputs = model.n_trees_per_iteration_
        self._baseline = model._baseline_prediction.reshape(1, self._outputs)
        self._leaves = np.zeros(len(trees) * MOST_LEAVES)
        self._firsts = np.arange(len(trees)) * MOST_LEAVES
        questions: dict[int, list[tuple[float, int, int, bool]]] = {}
        for number, nodes in enumerate(trees):
            values = self._leaves[number * MOST_LEAVES :]
            for feature, threshold, mask, missing_left in _questions(nodes, values):
                questions.setdefault(feature, []).append((threshold, number, mask, missing_left))
        rows = sum(len({one[0] for one in asked}) + 2 for asked in questions.values())
        if rows * len(trees) * 8 > MOST_TABLE_BYTES:
            raise NoMasks(f"its tables would take {rows * len(trees) * 8 / 2**20:.0f} MB")
        self._tables = [(feature, *_table(asked, len(trees))) for feature, asked in sorted(questions.items())]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Sums for rows.

        Parameters
        ----------
        rows : numpy.ndarray of shape (rows, features)
            Floats; NaN where missing.

        Returns
        -------
        numpy.ndarray of shape (rows, outputs)
        """
        if len(rows) == 1:
            return self._sums(self._masks_of_one(rows[0].tolist()))
        parts = [self._sums(self._masks(rows[at : at + ROWS])) for at in range(0, len(rows), ROWS)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _masks(self, rows: np.ndarray) -> np.ndarray:
        masks = np.full((len(rows), len(self._firsts)), ALL)
        looked_up = np.empty_like(masks)
        missing = np.isnan(rows)
        has_missing = missing.any(axis=0).tolist()
        columns = np.ascontiguousarray(rows.T)
        for feature, thresholds, _, table in self._tables:
            found = thresholds.searchsorted(columns[feature])
            if has_missing[feature]:
                found[missing[:, feature]] = len(table) - 1
            # "clip" for its speed: no place is out of the table.
            np.take(table, found, axis=0, out=looked_up, mode="clip")
            np.bitwise_and(masks, looked_up, out=masks)
        return masks

    def _masks_of_one(self, row: list[float]) -> np.ndarray:
        """The same for one row, whose values are looked up faster without NumPy."""
        found = []
        for feature, _, thresholds, table in self._tables:
            value = row[feature]
            found.append(table[bisect_left(thresholds, value) if value == value else -1])
        if not found:
            return np.full((1, len(self._firsts)), ALL)
        return np.bitwise_and.reduce(found)[None, :]

    def _sums(self, masks: np.ndarray) -> np.ndarray:
        lowest = masks & -masks
        # A power of two as a float is its exponent, which stands above the 52 bits of the fraction.
        leaves = (lowest.astype(np.float64).view(np.int64) >> 52) - 1023
        added = np.empty((len(masks), len(self._firsts) // self._outputs + 1, self._outputs))
        added[:, 0] = self._baseline
        added[:, 1:] = self._leaves[self._firsts + leaves].reshape(len(masks), -1, self._outputs)
        # One after the other, as scikit-learn does it; numpy.sum adds in pairs, which rounds otherwise.
        return np.add.accumulate(added, axis=1)[:, -1]


def _questions(nodes: np.ndarray, values: np.ndarray) -> list[tuple[int, float, int, bool]]:
    """Of each node that asks: feature, threshold, the leaves that its no leaves over, and where missing values go.

    The value of each leaf is written into `values`.
    """
    left, right, is_leaf = (nodes[field].tolist() for field in ("left", "right", "is_leaf"))
    features, thresholds = nodes["feature_idx"].tolist(), nodes["num_threshold"].tolist()
    missing_left, leaf_values = nodes["missing_go_to_left"].tolist(), nodes["value"].tolist()
    found, leaves = [], 0
    # Depth first, left before right: a node is opened, and once its left side is done its mask is known.
    stack: list[tuple[int, int]] = [(0, -1)]
    while stack:
        node, first = stack.pop()
        if is_leaf[node]:
            values[leaves] = leaf_values[node]
            leaves += 1
        elif first < 0:
            stack += [(right[node], -1), (node, leaves), (left[node], -1)]
        else:
            ruled_out = (1 << leaves) - (1 << first)
            mask = ~ruled_out & (2**64 - 1)
            found.append((features[node], thresholds[node], mask, bool(missing_left[node])))
    return found


def _table(asked: Sequence[tuple[float, int, int, bool]], trees: int) -> tuple[np.ndarray, list[float], np.ndarray]:
    """Thresholds of a feature in order, twice, and what is left over by their number of noes.

    Row k of the table is for a value above the first k thresholds; the last row is for a missing one.
    """
    thresholds = sorted({threshold for threshold, *_ in asked})
    place = {threshold: number + 1 for number, threshold in enumerate(thresholds)}
    table = np.full((len(thresholds) + 2, trees), ALL)
    for threshold, tree, mask, missing_left in asked:
        table[place[threshold], tree] &= np.uint64(mask)
        if not missing_left:
            table[-1, tree] &= np.uint64(mask)
    table[:-1] = np.bitwise_and.accumulate(table[:-1], axis=0)
    return np.array(thresholds), thresholds, table
