"""Bootstrap resamples: how often each unit, a test row or a block of rows, occurs in each of them."""

from __future__ import annotations

import numpy as np

MAX_UNITS = 2_000
_MAX_COUNT = 12  # a count above 12 has a probability below 1e-10


def assign_units(rows: int, seed: int) -> np.ndarray:
    """Return the unit of each row: the row itself, or one of 2,000 random blocks of a larger table.

    Sums over random blocks vary as sums over rows do, so that resampling blocks gives the same standard error. With
    2,000 blocks its own relative error is 1.6 %, and the time no longer grows with the rows.

    Kleiner et al.: A scalable bootstrap for massive data, 2014, has the same aim by other means.

    Parameters
    ----------
    rows : int
    seed : int

    Returns
    -------
    ndarray of int, of shape (rows,)
        Numbers from 0, without gaps.

    Examples
    --------
    >>> assign_units(3, seed=0).tolist(), len(set(assign_units(50_000, seed=0).tolist()))
    ([0, 1, 2], 2000)
    """
    if rows <= MAX_UNITS:
        return np.arange(rows)
    return np.random.default_rng(seed).permutation(rows) % MAX_UNITS


def draw_weights(units: int, replicates: int, seed: int) -> np.ndarray:
    """Draw the number of times that each unit occurs in each resample.

    The counts are independent and have a Poisson distribution with mean 1, the limit of drawing units with replacement.

    Hanley and MacGibbon: Creating non-parametric bootstrap samples using Poisson frequencies, 2006.

    Parameters
    ----------
    units : int
        Number of units.
    replicates : int
        Number of resamples.
    seed : int

    Returns
    -------
    ndarray of uint8, of shape (replicates, units)

    Examples
    --------
    >>> bool(0.99 < draw_weights(units=1000, replicates=500, seed=0).mean() < 1.01)
    True
    """
    draws = np.random.default_rng(seed).integers(0, 2**16, (replicates, units), dtype=np.uint16)
    return _tabulate_poisson()[draws]


def _tabulate_poisson() -> np.ndarray:
    """Return the Poisson count that belongs to each of the 65,536 values of a random 16-bit number."""
    from scipy import stats

    bounds = stats.poisson.cdf(np.arange(_MAX_COUNT), 1)
    return np.searchsorted(bounds, (np.arange(2**16) + 0.5) / 2**16).astype(np.uint8)
