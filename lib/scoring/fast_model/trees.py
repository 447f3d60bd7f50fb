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
from typing import Any, NamedTuple

import numpy as np

# Bits of a word, and how a power of two in it is read off a float: the float's type, the same bits as an integer,
# where its exponent begins, and the exponent of one.
WORDS = {
    32: (np.uint32, np.float32, np.int32, 23, 127),
    64: (np.uint64, np.float64, np.int64, 52, 1023),
}
MOST_TABLE_BYTES = 256 * 2**20
# Rows at a time, so that what is in between stays in the processor's cache.
ROWS = 128
# A node that asks: about what, in which tree, the leaves that are left after a no, and where missing values go.
QUESTION = np.dtype(
    [
        ("feature", np.int32),
        ("tree", np.int32),
        ("threshold", np.float64),
        ("mask", np.uint64),
        ("missing_left", np.bool_),
    ]
)


class NoBitMasks(Exception):
    """A model cannot be put into masks; the message says why."""


class _Asked(NamedTuple):
    """A feature that is asked about.

    Attributes
    ----------
    feature : int
        Its place.
    thresholds : numpy.ndarray
        In order, and infinity: NumPy sorts a missing value behind it, and so finds the last row of the table.
    listed : list of float
        The same.
    table : numpy.ndarray of shape (thresholds + 1, trees)
        What is left over of all leaves: row k for a value above the first k thresholds, the last for a missing one.
    first : int
        Its first row in the table of all features.
    """

    feature: int
    thresholds: np.ndarray
    listed: list[float]
    table: np.ndarray
    first: int


class Trees:
    """Sums of a histogram gradient boosting, before its link.

    Parameters
    ----------
    questions : numpy.ndarray of QUESTION
        Of all trees.
    leaves : numpy.ndarray of shape (trees, leaves)
        Values, from left to right; as wide as the largest tree.
    baseline : numpy.ndarray of shape (1, outputs)
        What trees add to. Those of one iteration stand together, one an output.

    Raises
    ------
    NoBitMasks
        A tree has more leaves than a word has bits, or the tables would be too large.
    """

    def __init__(self, questions: np.ndarray, leaves: np.ndarray, baseline: np.ndarray):
        trees, width = leaves.shape
        bits = next((bits for bits in WORDS if width <= bits), 0)
        if not bits:
            raise NoBitMasks(f"a tree has more than {max(WORDS)} leaves")
        self.plain = (questions, leaves, baseline)
        self._word, *self._exponent, one = WORDS[bits]
        self._baseline, self._outputs = baseline, baseline.shape[1]
        # Where each tree's leaves begin, less the exponent of one, which the first leaf's bit has.
        self._leaves = leaves.ravel()
        self._firsts = (np.arange(trees) * width - one).astype(self._exponent[1])
        if not len(questions):  # one that rules nothing out, where no tree asks any
            questions = np.array([(0, 0, np.inf, 2**64 - 1, True)], dtype=QUESTION)
        of_feature = [questions[questions["feature"] == feature] for feature in np.unique(questions["feature"])]
        in_order = [np.append(np.unique(asked["threshold"]), np.inf) for asked in of_feature]
        rows = sum(len(thresholds) + 1 for thresholds in in_order)
        size = rows * trees * bits // 8
        if size > MOST_TABLE_BYTES:
            raise NoBitMasks(f"its tables would take {size / 2**20:.0f} MB")
        self._table = np.full((rows, trees), np.iinfo(self._word).max, self._word)
        self._asked: list[_Asked] = []
        first = 0
        for asked, thresholds in zip(of_feature, in_order, strict=True):
            table = self._table[first : first + len(thresholds) + 1]
            _fill(table, thresholds, asked)
            self._asked.append(_Asked(int(asked["feature"][0]), thresholds, thresholds.tolist(), table, first))
            first += len(table)

    @classmethod
    def from_sklearn(cls, model: Any) -> Trees:
        """Trees of a HistGradientBoostingClassifier or HistGradientBoostingRegressor.

        Raises
        ------
        NoBitMasks
            Likewise, or where a node asks for categories.
        """
        if model._preprocessor is not None or model.is_categorical_ is not None:
            raise NoBitMasks("it asks for categories")
        nodes = [one.nodes for iteration in model._predictors for one in iteration]
        leaves = np.zeros((len(nodes), max(int(of_tree["is_leaf"].sum()) for of_tree in nodes)))
        if leaves.shape[1] > max(WORDS):
            raise NoBitMasks(f"a tree has more than {max(WORDS)} leaves")
        questions = [one for tree, of_tree in enumerate(nodes) for one in _questions(of_tree, tree, leaves[tree])]
        baseline = np.reshape(model._baseline_prediction, (1, model.n_trees_per_iteration_))
        return cls(np.array(questions, dtype=QUESTION), leaves, baseline)

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
        masks = np.empty((len(rows), len(self._firsts)), self._word)
        looked_up, columns = np.empty_like(masks), np.ascontiguousarray(rows.T)
        for at, (feature, thresholds, _, table, _) in enumerate(self._asked):
            # "clip" for its speed: no place is out of the table.
            table.take(thresholds.searchsorted(columns[feature]), 0, looked_up if at else masks, "clip")
            if at:
                np.bitwise_and(masks, looked_up, masks)
        return masks

    def _masks_of_one(self, row: list[float]) -> np.ndarray:
        """The same for one row, whose values are looked up faster without NumPy."""
        places = []
        for feature, _, thresholds, _, first in self._asked:
            value = row[feature]
            places.append(first + (bisect_left(thresholds, value) if value == value else len(thresholds)))
        return np.bitwise_and.reduce(self._table.take(places, 0, None, "clip"), 0)[None, :]

    def _sums(self, masks: np.ndarray) -> np.ndarray:
        as_float, as_integer, fraction = self._exponent
        lowest = np.negative(masks)
        lowest &= masks
        # The same as a float, and its exponent, in one and the same memory.
        leaves = np.empty_like(masks)
        leaves.view(as_float)[...] = lowest
        leaves = leaves.view(as_integer)
        leaves >>= fraction
        leaves += self._firsts
        added = np.empty((len(self._firsts) // self._outputs + 1, self._outputs, len(masks)))
        added[0] = self._baseline.T
        places = leaves.T.astype(np.intp, order="C").reshape(added[1:].shape)
        self._leaves.take(places, None, added[1:], "clip")
        # One tree after the other, as scikit-learn does it. So does NumPy where it adds rows of several numbers;
        # single numbers it adds in pairs, which rounds otherwise.
        return (np.add.reduce(added) if added[0].size > 1 else np.add.accumulate(added)[-1]).T


def _fill(table: np.ndarray, thresholds: np.ndarray, asked: np.ndarray) -> None:
    """Write the table of a feature, where every leaf is left as yet."""
    place, right = thresholds.searchsorted(asked["threshold"]), ~asked["missing_left"]
    masks = asked["mask"].astype(table.dtype)
    np.bitwise_and.at(table, (place + 1, asked["tree"]), masks)
    np.bitwise_and.at(table[-1], asked["tree"][right], masks[right])
    np.bitwise_and.accumulate(table[:-1], axis=0, out=table[:-1])


def _questions(nodes: np.ndarray, tree: int, values: np.ndarray) -> list[tuple[int, int, float, int, bool]]:
    """Of each node that asks: a QUESTION. The value of each leaf is written into `values`."""
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
            found.append((features[node], tree, thresholds[node], mask, missing_left[node]))
    return found
