"""scikit-learn's tree ensembles as one tree, for answers in microseconds.

An ensemble's own `predict` calls compiled code once a tree, and before each call checks its input: for a single row
that is nearly all of the time. Here all trees are laid into one array of nodes, below a few nodes that find the right
one: they branch on a feature of our own, the number of the tree. One call of scikit-learn's own compiled traversal
then sends every row through every tree, with its thresholds and its handling of missing values, and the leaves are
added up in the order in which the ensemble adds them. So the sums are the same to the last bit.

The traversal is private to scikit-learn. Whoever uses this compares its answers with the model's own first
(`lib.serving.fast`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# Where rows are many, the ensemble's own call per tree costs less than a copy of the rows for each tree.
MOST_COPIES = 40_000


class MergedTrees:
    """Trees in one array of nodes.

    Parameters
    ----------
    trees : sequence of numpy.ndarray
        Nodes of each tree, as scikit-learn's histogram boosting keeps them.
    leaves : sequence of numpy.ndarray, each of shape (nodes, outputs)
        What each node of each tree adds, where it is a leaf.
    features : int
        How many features a row has.
    """

    def __init__(self, trees: Sequence[np.ndarray], leaves: Sequence[np.ndarray], features: int):
        from sklearn.ensemble._hist_gradient_boosting._predictor import _predict_from_raw_data

        self._traverse = _predict_from_raw_data
        self.count, self._features = len(trees), features
        starts = np.cumsum([len(trees) - 1, *map(len, trees)])
        nodes = np.zeros(starts[-1], dtype=trees[0].dtype)
        for tree, start in zip(trees, starts, strict=False):
            part = nodes[start : start + len(tree)]
            part[:] = tree
            part["left"] += np.uint32(start)
            part["right"] += np.uint32(start)
        self._route(nodes, starts)
        nodes["value"] = np.arange(len(nodes))
        self._nodes = nodes
        self._leaves = np.concatenate([np.zeros((len(trees) - 1, leaves[0].shape[1])), *leaves])
        self._no_categories = np.zeros((0, 8), dtype=np.uint32), np.zeros(features + 1, dtype=np.uint32)

    def _route(self, nodes: np.ndarray, starts: np.ndarray) -> None:
        """Lay a balanced tree over the trees: its nodes come first, and ask for the number of the tree."""
        unused = iter(range(self.count - 1))

        def lay(first: int, last: int) -> int:
            if first == last:
                return starts[first]
            at, middle = next(unused), (first + last) // 2
            left, right = lay(first, middle), lay(middle + 1, last)
            nodes[at]["feature_idx"], nodes[at]["num_threshold"] = self._features, middle + 0.5
            nodes[at]["left"], nodes[at]["right"] = left, right
            return at

        lay(0, self.count - 1)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """What each tree adds for each row.

        Returns
        -------
        numpy.ndarray of shape (trees, rows, outputs)
        """
        copies = np.empty((self.count, len(rows), self._features + 1))
        copies[:, :, :-1] = rows
        copies[:, :, -1] = np.arange(self.count)[:, None]
        found = np.empty(self.count * len(rows))
        flat = copies.reshape(-1, self._features + 1)
        self._traverse(self._nodes, flat, *self._no_categories[:1], *self._no_categories, 1, found)
        return self._leaves[found.astype(np.intp)].reshape(self.count, len(rows), -1)


def boosting(model: Any) -> Callable[[np.ndarray], np.ndarray] | None:
    """Sums of a histogram gradient boosting for rows, or None where it is none or asks for categories.

    Returns
    -------
    callable
        From rows of shape (rows, features) to sums of shape (rows, outputs), before the link.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    if type(model) not in (HistGradientBoostingClassifier, HistGradientBoostingRegressor):
        return None
    if model._preprocessor is not None or model.is_categorical_ is not None:
        return None
    outputs = model.n_trees_per_iteration_
    predictors = [one for iteration in model._predictors for one in iteration]
    trees = MergedTrees(
        [one.nodes for one in predictors], [one.nodes["value"][:, None] for one in predictors], model.n_features_in_
    )
    baseline = model._baseline_prediction.reshape(1, 1, outputs)

    def sums(rows: np.ndarray) -> np.ndarray:
        if len(rows) * trees.count > MOST_COPIES:
            return model._raw_predict(rows)
        added = trees(rows).reshape(-1, outputs, len(rows)).transpose(0, 2, 1)
        # Added one after the other, as the model does it; numpy.sum adds in pairs, which rounds otherwise.
        start = np.broadcast_to(baseline, (1, len(rows), outputs))
        return np.add.accumulate(np.concatenate([start, added]), axis=0)[-1]

    return sums
