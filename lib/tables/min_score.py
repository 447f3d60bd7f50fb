"""The smallest score worth promoting: better than a no-skill model beyond chance, on the test rows of a table."""

from __future__ import annotations

import math

import pandas as pd

_TEST_SHARE = 0.2  # the default of test_fraction
_STANDARD_ERRORS = 2


def propose_min_score(metric: str, target: pd.Series, positive_class: object = None) -> tuple[float, float] | None:
    """Return the score of a no-skill model, and the least score that is better beyond chance.

    Parameters
    ----------
    metric : {"roc_auc", "average_precision", "f1_macro", "r2"}
        The primary metrics that ``init`` proposes.
    target : Series
        The target of all rows, without missing values.
    positive_class : object, optional
        The positive class of a binary task.

    Returns
    -------
    tuple of float, or None
        None if the table has too few rows to tell a model from guessing.

    Examples
    --------
    >>> propose_min_score("roc_auc", pd.Series(["no"] * 500 + ["yes"] * 500))
    (0.5, 0.59)
    >>> propose_min_score("average_precision", pd.Series(["no"] * 930 + ["yes"] * 70), "yes")
    (0.07, 0.21)
    """
    rows = len(target) * _TEST_SHARE
    if metric == "r2":
        guess, error = 0.0, math.sqrt(2 / max(rows, 1))
    else:
        shares = target.value_counts(normalize=True)
        smallest = max(float(shares.min()) * rows, 1)
        if metric == "roc_auc":
            # The standard error of the AUC of random scores, by the variance of the Mann-Whitney statistic.
            guess, error = 0.5, math.sqrt((rows + 1) / (12 * smallest * max(rows - smallest, 1)))
        elif metric == "average_precision":
            guess = float(shares[positive_class])
            error = math.sqrt(guess * (1 - guess) / max(guess * rows, 1))
        else:
            largest = float(shares.max())
            guess = 2 * largest / (1 + largest) / len(shares)
            error = math.sqrt(0.25 / max(rows, 1))
    minimum = math.ceil(100 * (guess + _STANDARD_ERRORS * error)) / 100
    return (round(guess, 2), minimum) if minimum < 1 else None
