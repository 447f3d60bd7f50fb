"""How far an estimate goes wrong on rows that are unlike those it was made from.

The reference rows are sorted by how much they resemble the window, and divided into blocks. Each block is estimated
from the other ones, as the window is from the reference: these rows are shifted in the direction of the window, and
their true values are known. The root mean square of the errors is the deviation of an estimate by extrapolation.

This is cross-validation over blocks that differ, instead of random folds: Roberts et al., "Cross-validation strategies
for data with temporal, spatial, hierarchical, or phylogenetic structure", Ecography 40, 2017.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

BLOCKS, MAX_ROWS, MIN_ROWS = 3, 6_000, 150


def measure_extrapolation(
    resemblance: np.ndarray, measure_error: Callable[[np.ndarray, np.ndarray], float], random: np.random.Generator
) -> float:
    """Return the root mean square error of estimates of blocks from the other blocks.

    Parameters
    ----------
    resemblance : ndarray of float, of shape (rows,)
        How much each reference row resembles the window, such as its density ratio.
    measure_error : callable
        Takes the positions of the rows to learn from and of those to estimate, and returns the error of the estimate;
        NaN where the metric is undefined.
    random : Generator
        Chooses `MAX_ROWS` of the rows.

    Returns
    -------
    float
        0 with fewer than `MIN_ROWS` rows, or if no error is defined.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> values = np.arange(900.0)
    >>> error = lambda known, block: values[block].mean() - values[known].mean()
    >>> bool(measure_extrapolation(values, error, random) > 300)
    True
    """
    chosen = np.arange(len(resemblance))
    if len(chosen) > MAX_ROWS:
        chosen = random.choice(len(chosen), MAX_ROWS, replace=False)
    if len(chosen) < MIN_ROWS:
        return 0.0
    ordered = chosen[np.argsort(resemblance[chosen], kind="stable")]
    blocks = np.array_split(ordered, BLOCKS)
    errors = np.array([measure_error(np.setdiff1d(chosen, block), block) for block in blocks])
    errors = errors[np.isfinite(errors)]
    return float(np.sqrt(np.mean(errors**2))) if len(errors) else 0.0
