"""Lower confidence bounds of scores, corrected for the number of columns that were scored."""

from __future__ import annotations

import functools
import math
from statistics import NormalDist

import numpy as np

_SIGNIFICANCE = 0.05
_AUC_GRID = np.linspace(0, 1, 1001)
_MIN_ROWS_FOR_R2 = 5


def bonferroni_deviations(tests: int) -> float:
    """Return how many standard deviations below an estimate the lower bound lies, if there are several tests.

    The probability that at least one of the bounds is wrong is at most 5 % (Bonferroni's correction).

    Examples
    --------
    >>> round(bonferroni_deviations(1), 2), round(bonferroni_deviations(1_000), 2)
    (1.64, 3.89)
    """
    return NormalDist().inv_cdf(1 - _SIGNIFICANCE / max(1, tests))


def auc_lower_bound(auc: float, positives: float, negatives: float, deviations: float) -> float:
    """Return the lower confidence bound of an AUC.

    Unlike a symmetric interval, the bound is valid near 1: a perfect score on few rows has a bound far below 1.

    Parameters
    ----------
    auc : float
    positives, negatives : float
        Number of rows of the class, and of all other classes.
    deviations : float
        Result of `bonferroni_deviations`.

    References
    ----------
    Newcombe, R. G. (2006). Confidence intervals for an effect size measure based on the Mann-Whitney statistic.
    Part 2: asymptotic methods and evaluation (method 5). Statistics in Medicine 25, 559-573.

    Examples
    --------
    >>> [round(auc_lower_bound(1.0, rows, rows, deviations=1.64), 3) for rows in (10, 100, 1_000)]
    [0.856, 0.987, 0.999]
    """
    if not positives or not negatives:
        return 0.0
    is_compatible = (_AUC_GRID <= auc) & (auc - _AUC_GRID <= deviations * _auc_deviations(positives, negatives))
    return float(min(auc, _AUC_GRID[is_compatible.argmax()])) if is_compatible.any() else auc


@functools.lru_cache(64)
def _auc_deviations(positives: float, negatives: float) -> np.ndarray:
    """Return the standard deviation of an estimated AUC, for each true AUC in `_AUC_GRID`."""
    half = (positives + negatives) / 2 - 1
    shape = 1 + half * ((1 - _AUC_GRID) / (2 - _AUC_GRID) + _AUC_GRID / (1 + _AUC_GRID))
    return np.sqrt(_AUC_GRID * (1 - _AUC_GRID) * shape / (positives * negatives))


def r2_lower_bound(r2: float, rows: int, deviations: float) -> float:
    """Return the lower confidence bound of an R2, the square of the correlation of prediction and target.

    Parameters
    ----------
    r2 : float
    rows : int
    deviations : float
        Result of `bonferroni_deviations`.

    References
    ----------
    Fisher, R. A. (1921). On the "probable error" of a coefficient of correlation deduced from a small sample.
    Metron 1, 3-32.

    Examples
    --------
    >>> [round(r2_lower_bound(0.99, rows, deviations=1.64), 3) for rows in (10, 100, 1_000)]
    [0.966, 0.986, 0.989]
    """
    if r2 <= 0 or rows < _MIN_ROWS_FOR_R2:
        return 0.0
    z = math.atanh(min(math.sqrt(r2), 1 - 1e-12)) - deviations / math.sqrt(rows - 3)
    return math.tanh(max(0.0, z)) ** 2
