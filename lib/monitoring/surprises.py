"""Surprises: how unexpected the counts of a window are, as numbers that are standard normal without drift.

The cells of a column form a binary tree. At each node, the rows below the node are split into a left and a right part.
Without drift, the rows of the window and the earlier rows are exchangeable. Given the totals of both, the number of
the window's rows in the left part then has a hypergeometric distribution. Its randomised distribution function is
uniform, and its quantile of the normal distribution is a standard normal number: exactly, for any number of rows and
any distribution of the column. The numbers of different nodes are independent, because each is conditional on the
totals of its node. Those of different windows are independent, because the earlier rows of a window include all rows of
the windows before it.

This is the argument behind conformal test martingales (Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random
World", 2nd edition, 2022, chapter 8), applied to batches of rows and to counts.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import special

# Hypergeometric probabilities are added up to this distance from the mean and from the observed number, in standard
# deviations; those beyond are too small to matter.
_REACH = 10


def measure_surprises(earlier: np.ndarray, window: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a standard normal number for each node of the tree over the cells of a column.

    Parameters
    ----------
    earlier : ndarray of int, of shape (cells,)
        Number of earlier rows in each cell: those of the reference, and those of all windows before this one.
    window : ndarray of int, of shape (cells,)
        Number of the window's rows in each cell.
    random : Generator
        Draws a point within the probability of the observed number, which makes the distribution continuous.

    Returns
    -------
    ndarray of float, of shape (cells - 1,)
        Positive if the left part of a node has more rows than expected. The first number is that of missing values.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> surprises = measure_surprises(np.array([0, 500, 500]), np.array([0, 90, 10]), random)
    >>> bool(surprises[1] > 7)
    True
    """
    surprises = []
    for left, right in _list_splits(len(window)):
        drawn, total = window[left].sum(), earlier[left].sum() + window[left].sum()
        drawn_both = drawn + window[right].sum()
        total_both = total + earlier[right].sum() + window[right].sum()
        surprises.append(_to_normal(int(drawn), int(total), int(drawn_both), int(total_both), random.random()))
    return np.array(surprises)


def measure_seasonal_surprises(earlier: np.ndarray, window: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a standard normal number for each node, from comparisons within seasons only.

    Within each season, the rows of the window and the earlier rows are exchangeable if nothing but the season has
    changed. The numbers of the seasons are independent. Their sum, weighted by the standard deviations of the counts,
    is standard normal, because the weights depend on the totals only, and their squares sum to 1. A season without
    earlier rows has the weight 0.

    Parameters
    ----------
    earlier, window : ndarray of int, of shape (seasons, cells)
        Number of rows by season and cell; see `measure_surprises`.
    random : Generator

    Returns
    -------
    ndarray of float, of shape (cells - 1,)

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> summer, winter = [0, 500, 0], [0, 0, 500]
    >>> earlier, window = np.array([summer, winter]), np.array([[0, 90, 0], [0, 0, 0]])
    >>> bool(abs(measure_seasonal_surprises(earlier, window, random)[1]) < 5)
    True
    >>> bool(measure_surprises(earlier.sum(axis=0), window.sum(axis=0), random)[1] > 7)
    True
    """
    is_present = window.sum(axis=1) > 0
    if not is_present.any():
        return measure_surprises(earlier.sum(axis=0), window.sum(axis=0), random)
    earlier, window = earlier[is_present], window[is_present]
    numbers = np.array([measure_surprises(*counts, random) for counts in zip(earlier, window, strict=True)])
    variances = np.array([_measure_variances(*counts) for counts in zip(earlier, window, strict=True)])
    totals = variances.sum(axis=0)
    # Without any information, each number is noise, and the first one is as good as any other.
    first_only = np.zeros_like(variances)
    first_only[0] = 1.0
    weights = np.sqrt(np.where(totals > 0, variances / np.where(totals > 0, totals, 1.0), first_only))
    return np.asarray((weights * numbers).sum(axis=0))


def _measure_variances(earlier: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return the variance of the window's number of rows in the left part of each node, given the totals."""
    variances = []
    for left, right in _list_splits(len(window)):
        total = earlier[left].sum() + window[left].sum()
        total_both = total + earlier[right].sum() + window[right].sum()
        drawn_both = window[left].sum() + window[right].sum()
        variances.append(_compute_variance(int(total), int(drawn_both), int(total_both)))
    return np.array(variances)


def _compute_variance(total: int, drawn_both: int, total_both: int) -> float:
    """Return the variance of a hypergeometric number; see `_to_normal`."""
    if total_both < 2:
        return 0.0
    share = total / total_both
    return drawn_both * share * (1 - share) * (total_both - drawn_both) / (total_both - 1)


def describe_node(node: int, cell_count: int) -> tuple[list[int], list[int]]:
    """Return the cells in the left and in the right part of a node."""
    left, right = list(_list_splits(cell_count))[node]
    cells = list(range(cell_count))
    return cells[left], cells[right]


def _list_splits(cell_count: int) -> Iterator[tuple[slice, slice]]:
    """Yield the parts of each node: missing values against all others first, then halves of the other cells."""
    yield slice(0, 1), slice(1, cell_count)
    parts = [(1, cell_count)]
    while parts:
        start, stop = parts.pop(0)
        if stop - start < 2:
            continue
        middle = (start + stop) // 2
        yield slice(start, middle), slice(middle, stop)
        parts += [(start, middle), (middle, stop)]


def _to_normal(drawn: int, total: int, drawn_both: int, total_both: int, point: float) -> float:
    """Return the normal quantile of the randomised distribution function of a hypergeometric number.

    Parameters
    ----------
    drawn : int
        The number of the window's rows in the left part.
    total : int
        The number of all rows in the left part.
    drawn_both, total_both : int
        The number of the window's rows and of all rows in both parts.
    point : float
        A uniform number between 0 and 1: where to draw within the probability of `drawn`.
    """
    lowest, highest = max(0, drawn_both - (total_both - total)), min(drawn_both, total)
    if lowest == highest:  # the counts tell nothing
        return float(special.ndtri(min(max(point, 1e-16), 1 - 1e-16)))
    mean = drawn_both * total / total_both
    variance = _compute_variance(total, drawn_both, total_both)
    reach = int(_REACH * np.sqrt(variance)) + _REACH
    first, last = max(lowest, min(int(mean), drawn) - reach), min(highest, max(int(mean), drawn) + reach)
    counts = np.arange(first, last + 1)
    logarithms = (
        _log_binomial(total, counts)
        + _log_binomial(total_both - total, drawn_both - counts)
        - _log_binomial(total_both, np.array(drawn_both))
    )
    probabilities = np.exp(logarithms)
    equal = probabilities[drawn - first]
    below = probabilities[: drawn - first].sum() + point * equal
    above = probabilities[drawn - first + 1 :].sum() + (1 - point) * equal
    smallest = np.finfo(float).tiny
    return float(special.ndtri(max(below, smallest)) if below < above else -special.ndtri(max(above, smallest)))


def _log_binomial(size: int, chosen: np.ndarray) -> np.ndarray:
    """Return the logarithm of the number of ways to choose some of `size` rows."""
    return special.gammaln(size + 1) - special.gammaln(chosen + 1) - special.gammaln(size - chosen + 1)
