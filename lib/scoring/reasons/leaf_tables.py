"""Exact Shapley values of small trees, looked up in tables.

What a leaf adds to the Shapley values of its features depends only on which of their conditions a row fulfils. For a
leaf with d features there are 2**d cases, whose values are computed in advance, as in Fast TreeSHAP v2. A row
then takes one comparison for each leaf and feature, and one lookup for each leaf. Leaves with too many features for a
table are computed for each row. `tree_shap` has the formula, and another algorithm for large trees.

References
----------
Yang: Fast TreeSHAP: accelerating SHAP value computation for trees. arXiv:2109.09847, 2021 (section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MAX_FEATURES = 10
MAX_TABLE_BYTES = 80 * 2**20
_BLOCK_ELEMENTS = 2**21


@dataclass(frozen=True)
class LeafPaths:
    """The features on the way to each leaf, one entry for each leaf and feature, ordered by leaf.

    Attributes
    ----------
    counts : ndarray of int, of shape (leaves,)
        Number of features of each leaf.
    values : ndarray of float, of shape (leaves,)
        What the leaf adds to the output.
    feature : ndarray of int, of shape (entries,)
    share : ndarray of float, of shape (entries,)
        Share of the training rows that take the branches of the feature's conditions.
    low, high : ndarray of float, of shape (entries,)
        A row fulfils the conditions if its value is above `low` and not above `high`.
    allows_missing : ndarray of bool, of shape (entries,)
        Whether a missing value fulfils the conditions.
    """

    counts: np.ndarray
    values: np.ndarray
    feature: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    allows_missing: np.ndarray


@dataclass(frozen=True)
class _Group:
    """Leaves with the same number of features: their entries, the first row of each leaf's table, and all tables.

    The entries are ordered by the number of the feature within the leaf, then by leaf: NumPy is fast on long rows.
    """

    entries: slice
    leaf_count: int
    feature_count: int
    first_rows: np.ndarray
    powers: np.ndarray
    table: np.ndarray


class LeafTables:
    """Shapley values of one output of a tree ensemble.

    Parameters
    ----------
    paths : LeafPaths
    feature_count : int
        Number of all features.
    """

    def __init__(self, paths: LeafPaths, feature_count: int):
        self._feature_count = feature_count
        entry_leaf = np.repeat(np.arange(len(paths.counts)), paths.counts)
        has_table = select_leaves(paths.counts)
        sizes = np.where(has_table, paths.counts, MAX_FEATURES + 1)
        by_leaf = np.argsort(sizes[entry_leaf], kind="stable")  # the entries of a leaf stay together
        order = by_leaf.copy()
        self._groups: list[_Group] = []
        first = 0
        for count in range(1, MAX_FEATURES + 1):
            values = paths.values[has_table & (paths.counts == count)]
            if len(values):
                entries = slice(first, first + count * len(values))
                table = _make_table(paths.share[by_leaf[entries]].reshape(-1, count), values)
                first_rows = np.arange(len(values)) * 2**count
                powers = (2 ** np.arange(count)).astype(np.float32)
                self._groups.append(_Group(entries, len(values), count, first_rows, powers, table))
                order[entries] = by_leaf[entries].reshape(-1, count).T.ravel()
                first = entries.stop
        self._others: _OtherLeaves | None = None
        if not has_table.all():
            others = slice(first, len(order))
            share = paths.share[order[others]]
            self._others = _OtherLeaves(others, paths.counts[~has_table], paths.values[~has_table], share)
        self._feature, self._low, self._high = paths.feature[order], paths.low[order], paths.high[order]
        self._allows_missing = paths.allows_missing[order]
        self._feature_of_contribution = paths.feature[by_leaf]

    def __call__(self, row: np.ndarray) -> np.ndarray:
        """Return the Shapley values of a row, of shape (features,)."""
        tested = row.take(self._feature)
        fulfils = (tested > self._low) & (tested <= self._high)
        if (is_missing := np.isnan(row)).any():
            fulfils |= is_missing.take(self._feature) & self._allows_missing
        contributions = np.empty(len(tested))
        for group in self._groups:
            # 32 bits represent the numbers of all cases exactly.
            cases = group.powers @ fulfils[group.entries].reshape(group.feature_count, -1)
            target = contributions[group.entries].reshape(-1, group.feature_count)
            group.table.take(group.first_rows + cases.astype(np.intp), 0, target, "clip")
        if self._others is not None:
            contributions[self._others.entries] = self._others(fulfils[self._others.entries])
        return np.bincount(self._feature_of_contribution, contributions, self._feature_count)


class _OtherLeaves:
    """Leaves with too many features for a table.

    Parameters
    ----------
    entries : slice
    counts, values : ndarray of shape (leaves,)
    share : ndarray of shape (entries,)
    """

    def __init__(self, entries: slice, counts: np.ndarray, values: np.ndarray, share: np.ndarray):
        self.entries = entries
        self._starts = np.cumsum(counts) - counts
        self._leaf = np.repeat(np.arange(len(counts)), counts)
        points, weights = _quadrature(int(counts.max()))
        self._share, self._weighted = share, values[self._leaf][:, None] * weights
        self._factor_if_not = (1 - points) * share[:, None]
        self._factor_if = points + self._factor_if_not

    def __call__(self, fulfils: np.ndarray) -> np.ndarray:
        """Return the contribution of each entry."""
        factors = np.where(fulfils[:, None], self._factor_if, self._factor_if_not)
        products = np.multiply.reduceat(factors, self._starts)[self._leaf]
        contributions: np.ndarray = (fulfils - self._share) * (products / factors * self._weighted).sum(axis=1)
        return contributions


def select_leaves(counts: np.ndarray) -> np.ndarray:
    """Return which leaves have tables: those with few features, within a limit of memory.

    Parameters
    ----------
    counts : ndarray of int, of shape (leaves,)
        Number of features of each leaf.
    """
    sizes = np.bincount(counts, minlength=MAX_FEATURES + 1)[: MAX_FEATURES + 1]
    features = np.arange(MAX_FEATURES + 1)
    table_bytes = np.cumsum(8 * sizes * features * 2**features)
    max_features = int(np.flatnonzero(table_bytes <= MAX_TABLE_BYTES)[-1])
    is_selected: np.ndarray = counts <= max_features
    return is_selected


def _make_table(shares: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the contributions of each leaf and case, of shape (leaves * cases, features).

    See `lib.scoring.reasons.tree_shap` for the formula.

    Parameters
    ----------
    shares : ndarray of shape (leaves, features)
    values : ndarray of shape (leaves,)
    """
    leaf_count, feature_count = shares.shape
    case_count = 2**feature_count
    fulfils = (np.arange(case_count)[:, None] >> np.arange(feature_count)) & 1
    points, weights = _quadrature(feature_count)
    table = np.empty((leaf_count, case_count, feature_count))
    block = max(1, _BLOCK_ELEMENTS // (case_count * feature_count))
    for start in range(0, leaf_count, block):
        part = slice(start, start + block)
        share = shares[part, None, :]
        sums = np.zeros((len(shares[part]), case_count, feature_count))
        for point, weight in zip(points, weights, strict=True):
            factors = point * fulfils + (1 - point) * share
            sums += weight * np.prod(factors, axis=2, keepdims=True) / factors
        table[part] = values[part, None, None] * (fulfils - share) * sums
    return table.reshape(leaf_count * case_count, feature_count)


def _quadrature(feature_count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points and weights that integrate the products of all features but one from 0 to 1 exactly."""
    points, weights = np.polynomial.legendre.leggauss((feature_count + 1) // 2)
    return (points + 1) / 2, weights / 2
