"""The trees of a gradient boosting as bit masks, evaluated in microseconds.

scikit-learn walks from node to node in compiled code, but it calls that code once per tree and checks its input first;
for a few rows this overhead takes nearly all of the time. Here no tree is walked. Each leaf of a tree is a bit, ordered
from left to right. If the condition of an inner node is false, the leaves of its left subtree are impossible. Sort all
conditions on one feature by their thresholds: the false ones are a prefix, which one bisection finds. A lookup table
made in advance holds, for each prefix, the leaves that remain possible in every tree. The rows of all features' tables
are combined by ``and``; the lowest bit that remains in each tree is its leaf.

Leaf values are added in the same order as in scikit-learn, so that sums are equal to the last bit.

References
----------
Lucchese et al.: QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees. SIGIR
2015. (It scans the thresholds; tables of the results are possible here because a feature has few thresholds.)
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, NamedTuple

import numpy as np

# By the bits of a mask: its type, and how to read the position of a single bit from the exponent of a float: the float
# type, the integer type of the same size, the bits before the exponent, and the exponent of 1.0.
WORDS: dict[int, tuple[type, type, type, int, int]] = {
    32: (np.uint32, np.float32, np.int32, 23, 127),
    64: (np.uint64, np.float64, np.int64, 52, 1023),
}
MAX_TABLE_BYTES = 256 * 2**20
# Rows that are evaluated at a time, so that intermediate arrays fit the processor's cache.
BLOCK_ROWS = 128
# An inner node: its feature, its tree, its threshold, the leaves that remain if it is false, and whether missing values
# go to the left.
CONDITION = np.dtype(
    [
        ("feature", np.int32),
        ("tree", np.int32),
        ("threshold", np.float64),
        ("mask", np.uint64),
        ("missing_left", np.bool_),
    ]
)


class NoBitMasks(Exception):
    """A model that cannot be expressed as bit masks; the message says why."""


class _Feature(NamedTuple):
    """All conditions on one feature.

    Attributes
    ----------
    number : int
        The feature's column.
    thresholds : numpy.ndarray
        Sorted, with infinity at the end: NumPy sorts NaN behind it, which selects the last row of the table.
    threshold_list : list of float
        The same as a list, which `bisect` searches faster for a single row.
    table : numpy.ndarray of shape (thresholds + 1, trees)
        The leaves that remain: row k for a value above the first k thresholds, the last row for a missing value.
    first : int
        Index of this table's first row in the table of all features.
    """

    number: int
    thresholds: np.ndarray
    threshold_list: list[float]
    table: np.ndarray
    first: int


class Trees:
    """The sums of a histogram gradient boosting's trees, before the inverse link function.

    Parameters
    ----------
    conditions : numpy.ndarray of CONDITION
        The inner nodes of all trees.
    leaves : numpy.ndarray of shape (trees, leaves)
        Leaf values from left to right, padded to the largest tree.
    baseline : numpy.ndarray of shape (1, outputs)
        The initial value of each output. The trees of one iteration, one per output, are adjacent.

    Raises
    ------
    NoBitMasks
        If a tree has more leaves than a mask has bits, or the tables would be too large.
    """

    def __init__(self, conditions: np.ndarray, leaves: np.ndarray, baseline: np.ndarray):
        trees, width = leaves.shape
        bits = next((bits for bits in WORDS if width <= bits), 0)
        if not bits:
            raise NoBitMasks(f"a tree has more than {max(WORDS)} leaves")
        self.arrays = (conditions, leaves, baseline)
        self._mask, self._float, self._integer, self._fraction_bits, exponent_of_one = WORDS[bits]
        self._baseline, self._outputs = baseline, baseline.shape[1]
        # The index of each tree's first leaf, less the exponent of 1.0, which is what the first leaf's bit has.
        self._leaves = leaves.ravel()
        self._first_leaves = (np.arange(trees) * width - exponent_of_one).astype(self._integer)
        if not len(conditions):  # trees of a single leaf: add a condition that is always true
            conditions = np.array([(0, 0, np.inf, 2**64 - 1, True)], dtype=CONDITION)
        self._table: np.ndarray = np.empty((0, trees), self._mask)
        self._features = self._make_tables(conditions, bits)

    def _make_tables(self, conditions: np.ndarray, bits: int) -> list[_Feature]:
        numbers = np.unique(conditions["feature"])
        by_feature = [conditions[conditions["feature"] == number] for number in numbers]
        thresholds = [np.append(np.unique(group["threshold"]), np.inf) for group in by_feature]
        rows, trees = sum(len(values) + 1 for values in thresholds), len(self._first_leaves)
        size = rows * trees * bits // 8
        if size > MAX_TABLE_BYTES:
            raise NoBitMasks(f"its tables would take {size / 2**20:.0f} MB")
        self._table = np.full((rows, trees), np.iinfo(self._mask).max, self._mask)
        features: list[_Feature] = []
        first = 0
        for number, group, values in zip(numbers.tolist(), by_feature, thresholds, strict=True):
            table = self._table[first : first + len(values) + 1]
            _fill(table, values, group)
            features.append(_Feature(number, values, values.tolist(), table, first))
            first += len(table)
        return features

    @classmethod
    def from_sklearn(cls, model: Any) -> Trees:
        """Convert the trees of a HistGradientBoostingClassifier or HistGradientBoostingRegressor.

        Raises
        ------
        NoBitMasks
            As above, or if a node splits by category.
        """
        if model._preprocessor is not None or model.is_categorical_ is not None:
            raise NoBitMasks("the model splits by categories")
        nodes = [predictor.nodes for iteration in model._predictors for predictor in iteration]
        leaves = np.zeros((len(nodes), max(int(tree_nodes["is_leaf"].sum()) for tree_nodes in nodes)))
        if leaves.shape[1] > max(WORDS):
            raise NoBitMasks(f"a tree has more than {max(WORDS)} leaves")
        conditions = [
            condition
            for tree, tree_nodes in enumerate(nodes)
            for condition in _conditions(tree_nodes, tree, leaves[tree])
        ]
        baseline = np.reshape(model._baseline_prediction, (1, model.n_trees_per_iteration_))
        return cls(np.array(conditions, dtype=CONDITION), leaves, baseline)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return the sums for rows.

        Parameters
        ----------
        rows : numpy.ndarray of shape (rows, features)
            Floats; NaN if missing.

        Returns
        -------
        numpy.ndarray of shape (rows, outputs)
        """
        if len(rows) == 1:
            return self._sum_leaves(self._masks_of_row(rows[0].tolist()))
        blocks = [self._sum_leaves(self._masks(rows[at : at + BLOCK_ROWS])) for at in range(0, len(rows), BLOCK_ROWS)]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def _masks(self, rows: np.ndarray) -> np.ndarray:
        masks: np.ndarray = np.empty((len(rows), len(self._first_leaves)), self._mask)
        looked_up, columns = np.empty_like(masks), np.ascontiguousarray(rows.T)
        for position, feature in enumerate(self._features):
            indices = feature.thresholds.searchsorted(columns[feature.number])
            # No index is out of range; "clip" skips the check for it.
            feature.table.take(indices, 0, looked_up if position else masks, "clip")
            if position:
                np.bitwise_and(masks, looked_up, masks)
        return masks

    def _masks_of_row(self, row: list[float]) -> np.ndarray:
        """Return the masks of one row, whose values are looked up faster without NumPy."""
        indices = []
        for number, _, thresholds, _, first in self._features:
            value = row[number]
            is_missing = value != value
            indices.append(first + (len(thresholds) if is_missing else bisect_left(thresholds, value)))
        return np.bitwise_and.reduce(self._table.take(indices, 0, None, "clip"), 0)[None, :]

    def _sum_leaves(self, masks: np.ndarray) -> np.ndarray:
        """Return the sum of the trees' leaf values for each row; a mask's lowest set bit marks the leaf reached."""
        lowest = np.negative(masks)
        lowest &= masks
        # The index of the lowest set bit is the exponent of that bit as a float; compute it in place.
        leaves = np.empty_like(masks)
        leaves.view(self._float)[...] = lowest
        leaves = leaves.view(self._integer)
        leaves >>= self._fraction_bits
        leaves += self._first_leaves
        terms = np.empty((len(self._first_leaves) // self._outputs + 1, self._outputs, len(masks)))
        terms[0] = self._baseline.T
        indices = leaves.T.astype(np.intp, order="C").reshape(terms[1:].shape)
        self._leaves.take(indices, None, terms[1:], "clip")
        # Sum tree by tree in scikit-learn's order, so that rounding matches. With one number per tree, add.reduce
        # would sum pairwise and round differently, so use accumulate.
        return (np.add.reduce(terms) if terms[0].size > 1 else np.add.accumulate(terms)[-1]).T


def _fill(table: np.ndarray, thresholds: np.ndarray, conditions: np.ndarray) -> None:
    """Fill the table of a feature, in which all leaves are still possible."""
    positions, missing_right = thresholds.searchsorted(conditions["threshold"]), ~conditions["missing_left"]
    masks = conditions["mask"].astype(table.dtype)
    np.bitwise_and.at(table, (positions + 1, conditions["tree"]), masks)
    np.bitwise_and.at(table[-1], conditions["tree"][missing_right], masks[missing_right])
    np.bitwise_and.accumulate(table[:-1], axis=0, out=table[:-1])


def _conditions(nodes: np.ndarray, tree: int, values: np.ndarray) -> list[tuple[int, int, float, int, bool]]:
    """Return the CONDITION of each inner node of a tree, and write the value of each leaf into `values`."""
    left, right, is_leaf = (nodes[field].tolist() for field in ("left", "right", "is_leaf"))
    features, thresholds = nodes["feature_idx"].tolist(), nodes["num_threshold"].tolist()
    missing_left, leaf_values = nodes["missing_go_to_left"].tolist(), nodes["value"].tolist()
    conditions, leaves = [], 0
    # Depth first, left before right. An inner node is visited twice: the second time, its left subtree is complete.
    stack: list[tuple[int, int]] = [(0, -1)]  # the node, and on the second visit its first leaf
    while stack:
        node, first_leaf = stack.pop()
        if is_leaf[node]:
            values[leaves] = leaf_values[node]
            leaves += 1
        elif first_leaf < 0:
            stack += [(right[node], -1), (node, leaves), (left[node], -1)]
        else:
            left_subtree = (1 << leaves) - (1 << first_leaf)
            mask = ~left_subtree & (2**64 - 1)
            conditions.append((features[node], tree, thresholds[node], mask, missing_left[node]))
    return conditions
