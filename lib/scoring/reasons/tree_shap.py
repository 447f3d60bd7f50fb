"""Exact Shapley values of tree ensembles, in NumPy alone.

The value of a set of columns is the path-dependent one of TreeSHAP: at a condition on a column outside the set, both
branches are followed, weighted by their shares of the training rows.

For a leaf, let q be 1 for a feature whose conditions on the way to the leaf the row fulfils and 0 otherwise, and z the
product of the branches' shares for these conditions. The Shapley value of feature i at the leaf is

    value * (q_i - z_i) * integral over t from 0 to 1 of the product over the other features j of (t q_j + (1 - t) z_j),

because the integral of t^s (1 - t)^(d - 1 - s) is the weight s! (d - 1 - s)! / d! of a coalition of s features. The
integrand is a polynomial of a degree below the number of features on the way, so Gauss-Legendre quadrature is exact.
Sums over leaves are formed along the branches, as in Linear TreeSHAP, and all branches of a depth are computed at once.

References
----------
Lundberg, Erion, Chen, DeGrave, Prutkin, Nair, Katz, Himmelfarb, Bansal and Lee: From local explanations to global
understanding with explainable AI for trees. Nature Machine Intelligence 2020. Yu, Xu, Bifet and Read: Linear TreeShap.
NeurIPS 2022 (sums of polynomials along the branches).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.scoring.reasons.leaf_tables import LeafPaths, LeafTables, select_leaves

# A branch without training rows has a share above 0, because shares are divided by.
_MIN_SHARE = 1e-12
# Tables are used if most leaves can have one. For larger ensembles, they would not fit into the memory limit.
_MIN_TABLE_SHARE, _MAX_TABLE_NODES = 0.8, 200_000


@dataclass(frozen=True)
class TreeArrays:
    """The nodes of all trees of an ensemble, in depth-first order, each tree from its root.

    Attributes
    ----------
    left, right : ndarray of int, of shape (nodes,)
        The children; -1 at a leaf.
    feature : ndarray of int, of shape (nodes,)
        The feature of a node's condition; any number at a leaf.
    threshold : ndarray of float, of shape (nodes,)
        A row goes to the left if its value is not above the threshold.
    missing_left : ndarray of bool, of shape (nodes,)
        Whether a missing value goes to the left.
    cover : ndarray of float, of shape (nodes,)
        Weight of the training rows at the node.
    values : ndarray of float, of shape (nodes, outputs)
        What a leaf adds to each output; 0 at other nodes.
    baseline : ndarray of float, of shape (outputs,)
        What is added to the sum of all trees.
    is_single_precision : bool
        Whether the trees compare values that are rounded to 32 bits.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    cover: np.ndarray
    values: np.ndarray
    baseline: np.ndarray
    is_single_precision: bool = False


class TreeShap:
    """Shapley values of a tree ensemble.

    Parameters
    ----------
    trees : TreeArrays
    feature_count : int

    Attributes
    ----------
    expected : ndarray of shape (outputs,)
        The mean output of the training rows: what the Shapley values of a row are added to.
    """

    def __init__(self, trees: TreeArrays, feature_count: int):
        self._trees, self._feature_count = trees, feature_count
        node_count = len(trees.left)
        inner = np.flatnonzero(trees.left >= 0)
        parent = np.full(node_count, -1)
        parent[trees.left[inner]] = parent[trees.right[inner]] = inner
        self._branches = np.flatnonzero(parent >= 0)  # each node below a root, which stands for the branch above it
        self._parent = parent
        self._feature = np.where(parent >= 0, trees.feature[parent], -1)
        self._is_left = np.zeros(node_count, dtype=bool)
        self._is_left[trees.left[inner]] = True
        self._levels = _split_by_depth(trees.left, trees.right, parent)
        share = np.ones(node_count)
        share[self._branches] = np.maximum(
            trees.cover[self._branches] / trees.cover[parent[self._branches]], _MIN_SHARE
        )
        self._above = self._find_branches_above()
        self._share = share.copy()  # the product of shares of a feature's conditions down to the branch
        unique_features = np.zeros(node_count, dtype=int)
        path_share = np.ones(node_count)
        for level in self._levels[1:]:
            above = self._above[level]
            has_above = above >= 0
            self._share[level[has_above]] *= self._share[above[has_above]]
            unique_features[level] = unique_features[parent[level]] + ~has_above
            path_share[level] = path_share[parent[level]] * share[level]
        self._end = self._find_subtree_ends()
        self._tables: dict[int, LeafTables | None] = {}
        self.expected = trees.baseline + path_share @ trees.values
        points, weights = np.polynomial.legendre.leggauss(max(1, (int(unique_features.max(initial=1)) + 1) // 2))
        self._points, self._weights = (points + 1) / 2, weights / 2
        self._make_factors()

    def _find_branches_above(self) -> np.ndarray:
        """Return the nearest branch above each branch with a condition on the same feature; -1 if there is none."""
        above = np.full(len(self._parent), -1)
        nodes = self._branches
        ancestors = self._parent[nodes]
        while len(nodes):
            is_branch = self._parent[ancestors] >= 0
            nodes, ancestors = nodes[is_branch], ancestors[is_branch]
            is_same = self._feature[ancestors] == self._feature[nodes]
            above[nodes[is_same]] = ancestors[is_same]
            nodes, ancestors = nodes[~is_same], self._parent[ancestors[~is_same]]
        return above

    def _find_subtree_ends(self) -> np.ndarray:
        """Return the number of the first node after each node's subtree."""
        end = np.arange(1, len(self._parent) + 1)
        for level in reversed(self._levels[1:]):
            np.maximum.at(end, self._parent[level], end[level])
        return end

    def _make_factors(self) -> None:
        """Compute the factors of each branch at the quadrature points, if a row fulfils its conditions or not."""
        share, points = self._share[:, None], self._points
        self._factor_if_not = (1 - points) * share
        self._factor_if = points + self._factor_if_not
        self._has_above = self._above >= 0
        self._ones, self._zeros = np.ones((1, len(points))), np.zeros((1, len(points)))

    @property
    def node_count(self) -> int:
        """Number of nodes, to which the time for a row is proportional."""
        return len(self._parent)

    def __call__(self, rows: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Return the Shapley values of rows, each for one output.

        Parameters
        ----------
        rows : ndarray of shape (rows, features)
            Floats; NaN stands for a missing value.
        outputs : ndarray of int, of shape (rows,)
            The output to explain.

        Returns
        -------
        ndarray of shape (rows, features)
            The sum of a row is its output minus the output's `expected`.
        """
        rows = np.asarray(rows, dtype=np.float32 if self._trees.is_single_precision else float)
        return np.stack([self._explain(row, int(output)) for row, output in zip(rows, outputs, strict=True)])

    def _explain(self, row: np.ndarray, output: int) -> np.ndarray:
        """Return the Shapley values of one row for one output, of shape (features,)."""
        if output not in self._tables:
            self._tables[output] = self._make_tables(output)
        tables = self._tables[output]
        return self._follow_branches(row, output) if tables is None else tables(row)

    def _make_tables(self, output: int) -> LeafTables | None:
        """Return tables for an output; None if most leaves have too many features for a table."""
        if len(self._parent) > _MAX_TABLE_NODES:
            return None
        paths = self._find_paths(output)
        is_fast = len(paths.counts) > 0 and select_leaves(paths.counts).mean() >= _MIN_TABLE_SHARE
        return LeafTables(paths, self._feature_count) if is_fast else None

    def _find_paths(self, output: int) -> LeafPaths:
        """Return the features on the way to each leaf that adds to an output."""
        trees = self._trees
        leaves = np.flatnonzero((trees.left < 0) & (trees.values[:, output] != 0) & (self._parent >= 0))
        low, high, allows_missing = self._find_intervals()
        numbers, branches = np.arange(len(leaves)), leaves
        parts = []
        while len(numbers):
            parts.append((numbers, branches))
            branches = self._parent[branches]
            is_branch = self._parent[branches] >= 0
            numbers, branches = numbers[is_branch], branches[is_branch]
        number = np.concatenate([part[0] for part in parts]) if parts else np.empty(0, dtype=int)
        branch = np.concatenate([part[1] for part in parts]) if parts else np.empty(0, dtype=int)
        # A branch is part of the last one below it with the same feature.
        node_count, above = len(self._parent), self._above[branch]
        replaced = (number * node_count + above)[above >= 0]
        is_last = ~np.isin(number * node_count + branch, replaced)
        number, branch = number[is_last], branch[is_last]
        order = np.argsort(number, kind="stable")
        branch = branch[order]
        counts = np.bincount(number, minlength=len(leaves))
        return LeafPaths(
            counts,
            trees.values[leaves, output],
            self._feature[branch],
            self._share[branch],
            low[branch],
            high[branch],
            allows_missing[branch],
        )

    def _find_intervals(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the interval that the conditions on a branch's feature leave, and whether missing values pass."""
        trees, branches = self._trees, self._branches
        low, high = np.full(len(self._parent), -np.inf), np.full(len(self._parent), np.inf)
        allows_missing = np.zeros(len(self._parent), dtype=bool)
        parent, is_left = self._parent[branches], self._is_left[branches]
        high[branches] = np.where(is_left, trees.threshold[parent], np.inf)
        low[branches] = np.where(is_left, -np.inf, trees.threshold[parent])
        allows_missing[branches] = trees.missing_left[parent] == is_left
        for level in self._levels[1:]:
            nodes = level[self._has_above[level]]
            above = self._above[nodes]
            low[nodes] = np.maximum(low[nodes], low[above])
            high[nodes] = np.minimum(high[nodes], high[above])
            allows_missing[nodes] &= allows_missing[above]
        return low, high, allows_missing

    def _follow_branches(self, row: np.ndarray, output: int) -> np.ndarray:
        """Return the Shapley values of one row for one output, of shape (features,)."""
        trees, parent, above, branches = self._trees, self._parent, self._above, self._branches
        tested = row[trees.feature]
        goes_left = np.where(np.isnan(tested), trees.missing_left, tested <= trees.threshold)
        fulfils = goes_left[parent] == self._is_left
        for level in self._levels[1:]:
            fulfils[level] &= fulfils[above[level]] | ~self._has_above[level]
        factors = np.where(fulfils[:, None], self._factor_if, self._factor_if_not)
        # The last row stands for "no branch above": it changes no product.
        relative = factors / np.concatenate([factors, self._ones])[above]
        products = np.ones_like(factors)
        for level in self._levels[1:]:
            products[level] = products[parent[level]] * relative[level]
        gains = (fulfils - self._share)[:, None] / factors
        gains -= np.concatenate([gains, self._zeros])[above]
        sums = np.zeros((len(products) + 1, len(self._points)))
        np.cumsum(products * trees.values[:, output, None], axis=0, out=sums[1:])
        below = sums[self._end[branches]] - sums[branches]
        contributions = np.einsum("ij,ij,j->i", below, gains[branches], self._weights)
        return np.bincount(self._feature[branches], contributions, self._feature_count)


def _split_by_depth(left: np.ndarray, right: np.ndarray, parent: np.ndarray) -> list[np.ndarray]:
    """Return the nodes of each depth, the roots first."""
    levels, level = [], np.flatnonzero(parent < 0)
    while len(level):
        levels.append(level)
        inner = level[left[level] >= 0]
        level = np.sort(np.concatenate([left[inner], right[inner]]))
    return levels
