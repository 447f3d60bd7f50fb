"""Evidence of a drift that grows as long as a drift lasts, and is rarely large without one, however often one looks.

Without drift, the surprises of a column (`lib.monitoring.surprises`) are independent standard normal numbers. A drift
that begins at a window shifts their mean. The evidence is the likelihood ratio of a shift against none. It is averaged
over shifts of several sizes in either direction (a normal prior for each size), and over all windows at which the
shift may begin. As a function of the number of windows, this is a test martingale: it starts at 1 and, without drift,
its mean stays 1. By Ville's inequality, the probability that it ever reaches 1 / a is at most a.

Sources: Ville, "Étude critique de la notion de collectif", 1939; Robbins, "Statistical methods related to the law of
the iterated logarithm", Annals of Mathematical Statistics 41, 1970; Shin, Ramdas & Rinaldo, "E-detectors", New England
Journal of Statistics in Data Science 2, 2024.
"""

from __future__ import annotations

import numpy as np
from scipy import special

# In standard deviations of a surprise.
_PRIOR_DEVIATIONS = (0.5, 2.0, 8.0)


def measure_evidence(surprises: np.ndarray) -> np.ndarray:
    """Return the logarithm of the evidence of a drift after each window.

    Parameters
    ----------
    surprises : ndarray of float, of shape (windows, nodes)

    Returns
    -------
    ndarray of float, of shape (windows,)

    Examples
    --------
    >>> steady, shifted = np.zeros((5, 3)), np.full((5, 3), 3.0)
    >>> bool(measure_evidence(steady)[-1] < 0), bool(measure_evidence(shifted)[-1] > 20)
    (True, True)
    """
    if not len(surprises):
        return np.empty(0)
    weighted = _weigh_starts(surprises)
    # The shift may also begin after the last window; then the likelihood ratio is 1 so far.
    later = -np.log(np.arange(len(surprises)) + 2)
    return special.logsumexp(np.vstack([weighted, later]), axis=0)


def find_start(surprises: np.ndarray) -> int:
    """Return the window, from 0, at which a drift most probably began."""
    return int(np.argmax(_weigh_starts(surprises)[:, -1]))


def _weigh_starts(surprises: np.ndarray) -> np.ndarray:
    """Return the log likelihood ratios of a shift that begins at each window, plus the log of the window's weight.

    Parameters
    ----------
    surprises : ndarray of float, of shape (windows, nodes)

    Returns
    -------
    ndarray of float, of shape (starts, windows)
        Minus infinity where the shift begins after the window.
    """
    windows = np.arange(len(surprises))
    lengths = windows[None, :] - windows[:, None] + 1
    has_begun = lengths > 0
    totals = np.vstack([np.zeros(surprises.shape[1]), np.cumsum(surprises, axis=0)])
    squares = (totals[None, 1:] - totals[:-1, None]) ** 2
    by_size = []
    for deviation in _PRIOR_DEVIATIONS:
        growth = 1 + np.maximum(lengths, 0) * deviation**2
        by_size.append(deviation**2 * squares.sum(axis=2) / (2 * growth) - squares.shape[2] * np.log(growth) / 2)
    ratios = special.logsumexp(by_size, axis=0) - np.log(len(_PRIOR_DEVIATIONS))
    weights = -np.log((windows + 1) * (windows + 2))  # the weights of all windows sum to 1
    return np.where(has_begun, ratios + weights[:, None], -np.inf)
