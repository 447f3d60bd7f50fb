"""Drift of a column: the difference between its distribution and the one in the contract, beyond chance.

Pearson's chi-square test of two samples says whether a difference is more than chance. The population stability index
says whether the difference is large enough to matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from lib.schema.text_values import category_names
from lib.tables.quality.contract import ColumnRules

# Probability of a false alarm for a whole table from the same population, shared by its columns.
FALSE_ALARM_RATE = 0.005
# The chi-square distribution is a good approximation from five expected rows per bin (Cochran, Biometrics 10, 1954).
_MIN_EXPECTED_ROWS = 5


@dataclass(frozen=True)
class Drift:
    """Difference between the distribution of a column in the table and in its contract.

    Attributes
    ----------
    index : float
        Population stability index minus the value expected without drift: 0.1 is a moderate change, 0.25 a large one.
    p_value : float
        Probability of a difference at least as large between two samples of one population.
    largest : str
        A clause about the bin or category whose share changed most; empty without drift.
    """

    index: float
    p_value: float
    largest: str = ""

    def is_violation(self, max_drift: float, column_count: int) -> bool:
        """Return whether the drift exceeds the limit, and is more than chance given the number of tested columns."""
        return self.index > max_drift and self.p_value < FALSE_ALARM_RATE / column_count


NO_DRIFT = Drift(0.0, 1.0)


# Number of values in each bin (array) or in each category (Series); empty if the rules have no distribution.
Counts: TypeAlias = np.ndarray | pd.Series


def count(values: pd.Series, rules: ColumnRules) -> Counts:
    """Count the values of a column in each bin or category that the rules of the column define."""
    if rules.bins:
        return _count_in_bins(values, rules.bins, has_minimum=rules.sample_size is not None)
    return category_names(values).value_counts() if rules.shares else np.zeros(0, dtype=int)


def add_counts(first: Counts, second: Counts) -> Counts:
    """Add the counts of two parts of a table."""
    if isinstance(first, pd.Series):
        return first.add(second, fill_value=0).astype(int)
    return first + second


def compare(counts: Counts, rules: ColumnRules, sample_size: int) -> Drift:
    """Compare the counts of a column with the distribution in its rules.

    The population stability index is the sum of (p - q) ln(p / q) over the bins (Siddiqi: Credit risk scorecards,
    2006). Without drift, the mean of this index is (bins - 1) (1 / n + 1 / m) for samples of n and m values (Yurdakul
    and Naranjo: Statistical properties of the population stability index, Journal of Risk Model Validation 14, 2020).
    This mean is subtracted.

    The p-value is that of Pearson's chi-square test of homogeneity. Neighboring bins, and rare categories, are
    merged until at least five rows are expected in both samples.

    Parameters
    ----------
    counts : ndarray or Series
        The result of `count`.
    rules : ColumnRules
        `bins` or `shares` hold the distribution. Without one there is no drift.
    sample_size : int
        Number of values that the distribution was measured from.

    Examples
    --------
    >>> rules = ColumnRules(shares={"red": 0.5, "blue": 0.5})
    >>> compare(count(pd.Series(["red", "blue"] * 50), rules), rules, 100)
    Drift(index=0.0, p_value=1.0, largest='')
    >>> drift = compare(count(pd.Series(["red", "red", "red", "blue"] * 50), rules), rules, 200)
    >>> round(drift.index, 2), f"{drift.p_value:.0e}", drift.largest
    (0.26, '2e-07', "the share of 'blue' changed from 50% to 25%")
    """
    if rules.bins:
        edges, shares = _sort_bins(rules.bins)
        # The contract's sample has no values below the first edge or above the last one.
        bins = _Bins(np.asarray(counts), np.array([0.0, *shares, 0.0]), edges, [])
    elif rules.shares:
        bins = _align_categories(pd.Series(counts), rules.shares)
    else:
        return NO_DRIFT
    if not bins.actual.sum() or not sample_size or not bins.shares.sum():
        return NO_DRIFT
    expected = bins.shares / bins.shares.sum() * sample_size
    groups = _group_neighbors(bins.actual, expected) if rules.bins else _group_rare_categories(bins.actual, expected)
    index, p_value = _measure_drift(np.bincount(groups, bins.actual), np.bincount(groups, expected))
    return Drift(index, p_value, bins.describe_largest_change() if index else "")


@dataclass(frozen=True)
class _Bins:
    """Bins of numbers or categories.

    Attributes
    ----------
    actual : ndarray of int, of shape (bins,)
        Number of the table's values in each bin.
    shares : ndarray of float, of shape (bins,)
        Share of the contract's sample in each bin.
    edges : ndarray of float, of shape (bins - 2,)
        Upper edges; empty for categories.
    categories : list of str
        Categories; empty for numbers.
    """

    actual: np.ndarray
    shares: np.ndarray
    edges: np.ndarray
    categories: list[str]

    def describe_largest_change(self) -> str:
        """Return a clause about the bin or category whose share changed most."""
        actual = self.actual / self.actual.sum()
        index = int(np.argmax(np.abs(actual - self.shares)))
        return f"the share of {self._describe_bin(index)} changed from {self.shares[index]:.0%} to {actual[index]:.0%}"

    def _describe_bin(self, index: int) -> str:
        if self.categories:
            return repr(self.categories[index])
        if index == 0:
            return f"values below {self.edges[0]:g}"
        if index > len(self.edges):
            return f"values above {self.edges[-1]:g}"
        lower = f"above {self.edges[index - 2]:g} and " if index > 1 else ""
        return f"values {lower}up to {self.edges[index - 1]:g}"


def _sort_bins(bins: dict[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the upper edges of the bins in ascending order, and the share of each bin."""
    order = np.argsort(np.array(list(bins), dtype=float))
    return np.array(list(bins), dtype=float)[order], np.array(list(bins.values()), dtype=float)[order]


def _count_in_bins(values: pd.Series, bins: dict[float, float], has_minimum: bool) -> np.ndarray:
    """Return the number of values in each bin, including those below and above all edges.

    If `has_minimum` is false, the first edge is not the smallest value of the contract's sample, so smaller values
    belong to the first bin.
    """
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    numbers = numbers[np.isfinite(numbers)]
    edges, _ = _sort_bins(bins)
    positions = 1 + np.searchsorted(edges, numbers, side="left")
    if has_minimum:
        positions[numbers < edges[0]] = 0
    return np.bincount(positions, minlength=len(edges) + 2)


def _align_categories(counts: pd.Series, shares: dict[str, float]) -> _Bins:
    """Return the number of values and the contract's share of each category that occurs in one of them."""
    names = category_names(pd.Series(list(shares), dtype=object)).fillna("")
    expected = pd.Series(list(shares.values()), dtype=float).groupby(names.to_numpy()).sum()
    categories = counts.index.union(expected.index)
    actual = counts.reindex(categories, fill_value=0).to_numpy()
    return _Bins(actual, expected.reindex(categories, fill_value=0.0).to_numpy(), np.empty(0), categories.tolist())


def _expected_in_smaller(actual: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the rows expected in each bin of the smaller sample if both samples have the same distribution."""
    totals = actual.sum(), expected.sum()
    return (actual + expected) * (min(totals) / sum(totals))


def _group_neighbors(actual: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the group of each bin: neighbors are merged into a group until enough rows are expected in it."""
    groups = np.zeros(len(actual), dtype=np.intp)
    group, rows = 0, 0.0
    for index, added in enumerate(_expected_in_smaller(actual, expected)):
        groups[index] = group
        rows += added
        if rows >= _MIN_EXPECTED_ROWS:
            group, rows = group + 1, 0.0
    groups[groups == group] = max(0, group - 1)  # the last bins have too few rows for a group of their own
    return groups


def _group_rare_categories(actual: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the group of each category: rare categories are merged, the rarest first."""
    order = np.argsort(_expected_in_smaller(actual, expected), kind="stable")
    groups = np.empty(len(actual), dtype=np.intp)
    groups[order] = _group_neighbors(actual[order], expected[order])
    return groups


def _measure_drift(actual: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """Return the population stability index, minus its mean without drift, and the p-value.

    Parameters
    ----------
    actual, expected : ndarray of shape (groups,)
        Number of rows of the table, and of the contract's sample, in each group.
    """
    from scipy.special import chdtrc

    groups = len(actual)
    if groups < 2:
        return 0.0, 1.0
    rows = np.array([[actual.sum()], [expected.sum()]])
    counts = np.array([actual, expected], dtype=float)
    pooled = rows * counts.sum(axis=0) / rows.sum()
    p_value = float(chdtrc(groups - 1, ((counts - pooled) ** 2 / pooled).sum()))
    # Adding half a row to each group keeps the index finite.
    p, q = (counts + 0.5) / (rows + 0.5 * groups)
    index = ((p - q) * np.log(p / q)).sum() - (groups - 1) * (1 / rows).sum()
    return max(0.0, float(index)), p_value
