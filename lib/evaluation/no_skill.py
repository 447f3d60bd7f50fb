"""The no-skill model: the answer that needs no features, which every candidate has to beat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from lib.metrics import Metric, Predictions

NO_SKILL = "no-skill"
# Saying "positive" in every row is the best guess for these metrics; never saying it would score 0.
_POSITIVE_GUESS_METRICS = ("precision", "f1")
_MEDIAN_METRICS = ("mae", "mape")
# Quantiles of the target that are tried as a guess for a metric of the customer's own.
_QUANTILES = np.linspace(0.05, 0.95, 19)


def predict_no_skill(
    train_target: pd.Series | np.ndarray,
    truth: pd.Series | np.ndarray,
    answers: Predictions,
    metric: Metric,
    train_weights: np.ndarray | None = None,
) -> Predictions:
    """Return the same prediction for every row, learned from the target alone.

    For classes, the label is the most frequent class, and the probabilities are the shares of the classes. For numbers,
    it is the mean, or the median if the primary metric is an absolute error. What suits a metric of the customer's own
    is not known: each class, or the mean and 19 quantiles, are tried on the rows to predict, and the best one is taken.

    Parameters
    ----------
    train_target : Series of shape (training rows,)
        Target of the training rows.
    truth : Series of shape (rows,)
        True values of the rows to predict. They decide between guesses for a metric of the customer's own.
    answers : Predictions
        A model's predictions for the same rows, from which classes, raw rows and weights are taken.
    metric : Metric
        The primary metric, which decides what the best guess is.
    train_weights : ndarray of shape (training rows,), optional
        Weight of each training row; 1 by default.

    Examples
    --------
    >>> from lib import metrics
    >>> answers = Predictions(np.array([1.5, 2.5]))
    >>> r2 = metrics.get("r2", "regression")
    >>> predict_no_skill(pd.Series([1.0, 2.0, 6.0]), [1.0, 2.0], answers, r2).labels.tolist()
    [3.0, 3.0]
    """
    target, row_count = np.asarray(train_target), len(answers.labels)
    if answers.classes is None:
        labels, probabilities = _guess_numbers(target.astype(float), metric, train_weights), None
    else:
        shares = _measure_shares(target, answers.classes, train_weights)
        labels, probabilities = _guess_classes(shares, answers, metric), np.tile(shares, (row_count, 1))
    guesses = [
        replace(answers, labels=np.full(row_count, label), probabilities=probabilities, rule=None) for label in labels
    ]
    if len(guesses) == 1:
        return guesses[0]
    scores = {str(position): metric.score(truth, guess) for position, guess in enumerate(guesses)}
    return guesses[int(metric.rank(scores)[0])]


def _guess_numbers(target: np.ndarray, metric: Metric, weights: np.ndarray | None) -> np.ndarray:
    """Return the candidates for the best guess by a metric."""
    mean = np.average(target, weights=weights)
    if metric.is_custom:
        return np.array([mean, *np.quantile(target, _QUANTILES)])
    if metric.name in _MEDIAN_METRICS:
        return np.array([np.median(target) if weights is None else _weighted_median(target, weights)])
    return np.array([mean])


def _measure_shares(target: np.ndarray, classes: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Return the share of each class in the training rows."""
    totals = pd.Series(np.ones(len(target)) if weights is None else weights).groupby(target.astype(object)).sum()
    totals = totals.reindex(np.asarray(classes).tolist(), fill_value=0)
    return totals.to_numpy(dtype=float) / totals.sum()


def _guess_classes(shares: np.ndarray, answers: Predictions, metric: Metric) -> np.ndarray:
    """Return the candidates for the best guess by a metric."""
    names = np.asarray(answers.classes)
    if metric.is_custom:
        return names
    if metric.name in _POSITIVE_GUESS_METRICS:
        return names[names == answers.positive_class]
    return names[[int(shares.argmax())]]


def _weighted_median(numbers: np.ndarray, weights: np.ndarray) -> float:
    """Return the smallest number up to which half of the weight lies."""
    order = np.argsort(numbers, kind="stable")
    totals = np.cumsum(weights[order])
    return float(numbers[order][np.searchsorted(totals, totals[-1] / 2)])
