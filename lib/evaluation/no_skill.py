"""The no-skill model: the answer that needs no features, which every candidate has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib.metrics import Metric, Predictions

NO_SKILL = "no-skill"
# Saying "positive" in every row is the best guess for these metrics; never saying it would score 0.
_POSITIVE_GUESS_METRICS = ("precision", "f1")
_MEDIAN_METRICS = ("mae", "mape")


def predict_no_skill(
    train_target: pd.Series | np.ndarray,
    rows: int,
    metric: Metric,
    classes: Sequence[Any] | np.ndarray | None,
    positive_class: Any,
    weights: np.ndarray | None = None,
) -> Predictions:
    """Return the same prediction for every row, learned from the target alone.

    For classes, the label is the most frequent class, and the probabilities are the shares of the classes. For numbers,
    it is the mean, or the median if the primary metric is an absolute error.

    Parameters
    ----------
    train_target : Series of shape (training rows,)
        Target of the training rows.
    rows : int
        Number of rows to predict.
    metric : Metric
        The primary metric, which decides what the best guess is.
    classes : sequence or None
        Classes in the order of the probabilities; None for a regression.
    positive_class : object
        The positive class of a binary task.
    weights : ndarray of shape (training rows,), optional
        Weight of each training row; 1 by default.

    Examples
    --------
    >>> from lib import metrics
    >>> guess = predict_no_skill(pd.Series([1.0, 2.0, 6.0]), 2, metrics.get("r2", "regression"), None, None)
    >>> guess.labels.tolist()
    [3.0, 3.0]
    """
    target = np.asarray(train_target)
    if classes is None:
        numbers = target.astype(float)
        if metric.name in _MEDIAN_METRICS:
            guess = np.median(numbers) if weights is None else _weighted_median(numbers, weights)
        else:
            guess = np.average(numbers, weights=weights)
        return Predictions(np.full(rows, guess))
    names = np.asarray(classes)
    totals = pd.Series(np.ones(len(target)) if weights is None else weights).groupby(target.astype(object)).sum()
    totals = totals.reindex(names.tolist(), fill_value=0)
    shares = totals.to_numpy(dtype=float) / totals.sum()
    probabilities = np.tile(shares, (rows, 1))
    label = positive_class if metric.name in _POSITIVE_GUESS_METRICS else names[int(shares.argmax())]
    labels = np.full(rows, label, dtype=names.dtype)
    return Predictions(labels, probabilities, names, positive_class)


def _weighted_median(numbers: np.ndarray, weights: np.ndarray) -> float:
    """Return the smallest number up to which half of the weight lies."""
    order = np.argsort(numbers, kind="stable")
    totals = np.cumsum(weights[order])
    return float(numbers[order][np.searchsorted(totals, totals[-1] / 2)])
