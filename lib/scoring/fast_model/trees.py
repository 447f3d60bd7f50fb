"""The trees of a gradient boosting as bit masks, evaluated in microseconds.

scikit-learn walks from node to node in compiled code, but it calls that code once per tree and checks its input first;
for a few rows this overhead takes nearly all of the time. Here no tree is walked. Each leaf of a tree is a bit, ordered
from left to right. If the condition of an inner node is false, a row cannot reach the leaves of its left subtree. Sort
all conditions on one feature by their thresholds: the false conditions come first, and one bisection counts them. A
lookup table, made in advance, contains for each count the leaves that a row can still reach in every tree. The masks
of all features are combined by ``and``; the lowest bit that remains in each tree's mask is the leaf that is reached.

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


class _MaskType(NamedTuple):
    """The type of a mask, and of the floats from whose exponent the position of its lowest bit is read.

    Attributes
    ----------
    bits : int
        Number of bits, which limits the leaves of a tree.
    mask, floating, integer : type
        NumPy types of this size: of the mask, of a float, and of a signed integer.
    fraction_bits : int
        Number of bits of the float's fraction, which come before its exponent.
    exponent_of_one : int
        The stored exponent of the float 1.0.
    """

    bits: int
    mask: type
    floating: type
    integer: type
    fraction_bits: int
    exponent_of_one: int


_MASK_TYPES = (
    _MaskType(32, np.uint32, np.float32, np.int32, 23, 127),
    _MaskType(64, np.uint64, np.float64, np.int64, 52, 1023),
)
_MAX_LEAVES = 64
MAX_TABLE_BYTES = 256 * 2**20
# Rows are evaluated in blocks of this size, so that intermediate arrays fit the processor's cache.
BLOCK_ROWS = 128
# An inner node: its feature, its tree, its threshold, the mask of the leaves that a row can reach if the condition is
# false, and whether missing values go to the left.
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
    """A model cannot be expressed as bit masks; the message states the reason."""


class _Feature(NamedTuple):
    """All conditions on one feature.

    Attributes
    ----------
    number : int
        The feature's column in the matrix of features.
    thresholds : numpy.ndarray
        Sorted thresholds, with infinity at the end. NumPy sorts NaN behind infinity, so a missing value selects the
        last row of the table.
    threshold_list : list of float
        The thresholds as a list, which `bisect` searches faster than an array for a single row.
    table : numpy.ndarray of shape (thresholds + 1, trees)
        Masks of the leaves that a row can reach: row k for a value above the first k thresholds, the last row for a
        missing value.
    first_row : int
        Index of this table's first row in the table of all features.
    """

    number: int
    thresholds: np.ndarray
    threshold_list: list[float]
    table: np.ndarray
    first_row: int


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
        tree_count, leaf_count = leaves.shape
        if leaf_count > _MAX_LEAVES:
            raise NoBitMasks(f"a tree has more than {_MAX_LEAVES} leaves")
        self.arrays = (conditions, leaves, baseline)
        self._type = next(mask_type for mask_type in _MASK_TYPES if leaf_count <= mask_type.bits)
        self._baseline, self._output_count = baseline, baseline.shape[1]
        self._leaves = leaves.ravel()
        # `_sum_leaves` adds a float's exponent, which is `exponent_of_one` for a tree's first leaf.
        first_leaves = np.arange(tree_count) * leaf_count - self._type.exponent_of_one
        self._first_leaves = first_leaves.astype(self._type.integer)
        if not len(conditions):  # trees of a single leaf: add a condition that is always true
            conditions = np.array([(0, 0, np.inf, 2**64 - 1, True)], dtype=CONDITION)
        self._table: np.ndarray = np.empty((0, tree_count), self._type.mask)
        self._features = self._make_tables(conditions)

    def _make_tables(self, conditions: np.ndarray) -> list[_Feature]:
        """Make the lookup table of each feature, as parts of one table of all features."""
        numbers = np.unique(conditions["feature"])
        by_feature = [conditions[conditions["feature"] == number] for number in numbers]
        thresholds = [np.append(np.unique(group["threshold"]), np.inf) for group in by_feature]
        row_count, tree_count = sum(len(values) + 1 for values in thresholds), len(self._first_leaves)
        table_bytes = row_count * tree_count * self._type.bits // 8
        if table_bytes > MAX_TABLE_BYTES:
            raise NoBitMasks(f"its tables would take {table_bytes / 2**20:.0f} MB")
        self._table = np.full((row_count, tree_count), np.iinfo(self._type.mask).max, self._type.mask)
        features: list[_Feature] = []
        first_row = 0
        for number, group, values in zip(numbers.tolist(), by_feature, thresholds, strict=True):
            table = self._table[first_row : first_row + len(values) + 1]
            _clear_unreachable_leaves(table, values, group)
            features.append(_Feature(number, values, values.tolist(), table, first_row))
            first_row += len(table)
        return features

    @classmethod
    def from_sklearn(cls, model: Any) -> Trees:
        """Convert the trees of a HistGradientBoostingClassifier or HistGradientBoostingRegressor.

        Raises
        ------
        NoBitMasks
            For the reasons of the class, or if a node splits by category.
        """
        if model._preprocessor is not None or model.is_categorical_ is not None:
            raise NoBitMasks("the model splits by categories")
        nodes = [predictor.nodes for iteration in model._predictors for predictor in iteration]
        leaves = np.zeros((len(nodes), max(int(tree_nodes["is_leaf"].sum()) for tree_nodes in nodes)))
        if leaves.shape[1] > _MAX_LEAVES:
            raise NoBitMasks(f"a tree has more than {_MAX_LEAVES} leaves")
        conditions = [
            condition
            for tree, tree_nodes in enumerate(nodes)
            for condition in _conditions(tree_nodes, tree, leaves[tree])
        ]
        baseline = np.reshape(model._baseline_prediction, (1, model.n_trees_per_iteration_))
        return cls(np.array(conditions, dtype=CONDITION), leaves, baseline)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return the sum of all trees' leaf values for each row and output.

        Parameters
        ----------
        rows : numpy.ndarray of shape (rows, features)
            Floats; NaN stands for a missing value.

        Returns
        -------
        numpy.ndarray of shape (rows, outputs)
        """
        if len(rows) == 1:
            return self._sum_leaves(self._masks_of_row(rows[0].tolist()))
        starts = range(0, len(rows), BLOCK_ROWS)
        sums = [self._sum_leaves(self._masks_of_rows(rows[start : start + BLOCK_ROWS])) for start in starts]
        return sums[0] if len(sums) == 1 else np.concatenate(sums)

    def _masks_of_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the mask of reachable leaves for each row and tree."""
        masks: np.ndarray = np.empty((len(rows), len(self._first_leaves)), self._type.mask)
        looked_up, columns = np.empty_like(masks), np.ascontiguousarray(rows.T)
        for position, feature in enumerate(self._features):
            indices = feature.thresholds.searchsorted(columns[feature.number])
            # No index is out of range; "clip" skips the check for it.
            feature.table.take(indices, 0, looked_up if position else masks, "clip")
            if position:
                np.bitwise_and(masks, looked_up, masks)
        return masks

    def _masks_of_row(self, row: list[float]) -> np.ndarray:
        """Return the masks of a single row of shape (1, trees). For one row, `bisect` is faster than NumPy."""
        indices = []
        for number, _, thresholds, _, first_row in self._features:
            value = row[number]
            is_missing = value != value
            indices.append(first_row + (len(thresholds) if is_missing else bisect_left(thresholds, value)))
        return np.bitwise_and.reduce(self._table.take(indices, 0, None, "clip"), 0)[None, :]

    def _sum_leaves(self, masks: np.ndarray) -> np.ndarray:
        """Return the sum of the leaf values that each row reaches, which the lowest set bit of each mask marks."""
        lowest = np.negative(masks)
        lowest &= masks
        # As a float, a single bit is a power of two, whose exponent is the bit's position; compute it in place.
        leaf_indices = np.empty_like(masks)
        leaf_indices.view(self._type.floating)[...] = lowest
        leaf_indices = leaf_indices.view(self._type.integer)
        leaf_indices >>= self._type.fraction_bits
        leaf_indices += self._first_leaves
        terms = np.empty((len(self._first_leaves) // self._output_count + 1, self._output_count, len(masks)))
        terms[0] = self._baseline.T
        indices = leaf_indices.T.astype(np.intp, order="C").reshape(terms[1:].shape)
        self._leaves.take(indices, None, terms[1:], "clip")
        # Sum tree by tree, as scikit-learn does, so that rounding is the same. With one number per tree, add.reduce
        # would sum pairwise and round differently.
        return (np.add.reduce(terms) if terms[0].size > 1 else np.add.accumulate(terms)[-1]).T


def _clear_unreachable_leaves(table: np.ndarray, thresholds: np.ndarray, conditions: np.ndarray) -> None:
    """Clear the bits of unreachable leaves in a feature's table, in which all bits are set.

    Parameters
    ----------
    table : numpy.ndarray of shape (thresholds + 1, trees)
        The table to change; see `_Feature`.
    thresholds : numpy.ndarray
        Sorted thresholds of the feature.
    conditions : numpy.ndarray of CONDITION
        The conditions on the feature.
    """
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
    conditions, leaf_count = [], 0
    # Depth first, left before right. An inner node is visited twice: the second time, its left subtree is complete.
    # The node's number and, on the second visit, the number of its subtree's first leaf; -1 on the first visit.
    stack: list[tuple[int, int]] = [(0, -1)]
    while stack:
        node, first_leaf = stack.pop()
        if is_leaf[node]:
            values[leaf_count] = leaf_values[node]
            leaf_count += 1
        elif first_leaf < 0:
            stack += [(right[node], -1), (node, leaf_count), (left[node], -1)]
        else:
            left_leaves = (1 << leaf_count) - (1 << first_leaf)
            mask = ~left_leaves & (2**64 - 1)
            conditions.append((features[node], tree, thresholds[node], mask, missing_left[node]))
    return conditions
