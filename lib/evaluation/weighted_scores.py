"""Metrics on many weightings of the same rows at once, as the bootstrap needs them.

`lib.metrics` scores one set of rows. A bootstrap needs a thousand scores of the same predictions, which differ only in
how often each row counts. Everything that does not depend on the weights, such as sorting, is done once here. Weights
of the rows themselves (`Predictions.weights`) multiply those of the resamples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from lib.errors import InputError
from lib.evaluation.row_influence import average_precision_influence, roc_auc_influence, split_classes
from lib.metrics import Metric, Predictions

# Takes weights of shape (resamples, units), and returns scores of shape (resamples,). NaN: undefined on the resample.
# Weights are whole numbers: how often a resample contains a unit.
WeightedScorer = Callable[[np.ndarray], np.ndarray]

_CLASS_METRICS = ("precision", "recall", "f1")
_LABEL_METRICS = (
    *_CLASS_METRICS,
    "accuracy",
    "balanced_accuracy",
    "precision_macro",
    "recall_macro",
    "f1_macro",
    "f1_weighted",
)
_MEAN_METRICS = ("log_loss", "rmse", "mae", "mape", "r2")
_RANK_METRICS = ("roc_auc", "average_precision", "roc_auc_ovr_macro", "average_precision_macro")
KNOWN_METRICS = (*_LABEL_METRICS, *_MEAN_METRICS, *_RANK_METRICS)
_MAX_CHUNK_CELLS = 2_000_000  # rows of the resamples that are scored at once
_SMALLEST_PROBABILITY = np.finfo(np.float64).eps  # as in sklearn.metrics.log_loss


def make_weighted_scorer(
    metric: Metric, truth: np.ndarray, predictions: Predictions, units: np.ndarray
) -> WeightedScorer:
    """Return a function that scores the same predictions under many weightings of their units.

    With a weight of 1 for each unit, the score is that of ``metric.score``. On blocks of rows, metrics of the order of
    the rows are approximated by the influence of each row. A metric of the customer's own is scored on repeated rows,
    one resample after the other.

    Parameters
    ----------
    metric : Metric
    truth : ndarray of shape (rows,)
        True classes or values.
    predictions : Predictions
        For the same rows.
    units : ndarray of int, of shape (rows,)
        The unit of each row, from `lib.evaluation.resampling.assign_units`.

    Examples
    --------
    >>> from lib import metrics
    >>> predictions = Predictions(np.array([1.0, 2.0, 4.0]))
    >>> mae, rows = metrics.get("mae", "regression"), np.arange(3)
    >>> score = make_weighted_scorer(mae, np.array([1.0, 2.0, 3.0]), predictions, rows)
    >>> score(np.array([[1, 1, 2], [1, 1, 0]])).tolist()
    [0.5, 0.0]
    """
    if metric.name in _LABEL_METRICS:
        return _score_labels(metric.name, truth, predictions, units)
    if metric.name in _MEAN_METRICS:
        return _score_means(metric.name, truth, predictions, units)
    if metric.name in _RANK_METRICS:
        has_blocks = int(units.max()) + 1 < len(units)
        if has_blocks and predictions.weights is None:
            return _score_by_influence(metric, truth, predictions, units)
        score = _score_ranks(metric.name, truth, predictions)
        return _score_blocks(score, units) if has_blocks else score
    return _score_repeated_rows(metric, truth, predictions, units)


def _score_labels(name: str, truth: np.ndarray, predictions: Predictions, units: np.ndarray) -> WeightedScorer:
    """Score predicted classes by the weighted counts of each class: its hits, its rows and its predictions."""
    codes, seen_classes = pd.factorize(np.concatenate([truth.astype(object), predictions.labels.astype(object)]))
    classes = seen_classes.tolist()
    if predictions.positive_class not in classes:
        classes.append(predictions.positive_class)
    true_codes, label_codes = codes[: len(truth)], codes[len(truth) :]
    is_hit = true_codes == label_codes
    positive = classes.index(predictions.positive_class)
    size = (int(units.max()) + 1, len(classes))
    row_weights = _row_weights(predictions)

    def count(class_codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.bincount(units * size[1] + class_codes, weights, minlength=size[0] * size[1]).reshape(size)

    hits = count(true_codes, is_hit * row_weights)
    actual, predicted = count(true_codes, row_weights), count(label_codes, row_weights)

    def score(weights: np.ndarray) -> np.ndarray:
        numbers = weights.astype(float)
        return _combine_counts(name, numbers @ hits, numbers @ actual, numbers @ predicted, positive)

    return score


def _combine_counts(
    name: str, hits: np.ndarray, actual: np.ndarray, predicted: np.ndarray, positive: int
) -> np.ndarray:
    """Return a metric from the counts of each class, all of shape (resamples, classes)."""
    if name == "accuracy":
        return _divide(hits.sum(axis=1), actual.sum(axis=1))
    precision, recall = _divide(hits, predicted, empty=0), _divide(hits, actual, empty=0)
    f1 = _divide(2 * hits, actual + predicted, empty=0)
    if name in _CLASS_METRICS:
        return {"precision": precision, "recall": recall, "f1": f1}[name][:, positive]
    if name == "balanced_accuracy":
        return _divide((recall * (actual > 0)).sum(axis=1), (actual > 0).sum(axis=1))
    if name == "f1_weighted":
        return _divide((f1 * actual).sum(axis=1), actual.sum(axis=1))
    is_present = (actual > 0) | (predicted > 0)  # scikit-learn averages over the classes of the rows and labels
    values = {"precision_macro": precision, "recall_macro": recall, "f1_macro": f1}[name]
    return _divide((values * is_present).sum(axis=1), is_present.sum(axis=1))


def _score_means(name: str, truth: np.ndarray, predictions: Predictions, units: np.ndarray) -> WeightedScorer:
    """Score by weighted means of one or a few values per row."""
    if name == "log_loss":
        columns = [_row_log_losses(truth, predictions)]
    else:
        truth = truth.astype(float)
        errors, centred = predictions.labels - truth, truth - truth.mean()
        with np.errstate(divide="ignore", invalid="ignore"):
            columns = {
                "rmse": [errors**2],
                "mae": [np.abs(errors)],
                "mape": [np.abs(errors) / np.abs(truth)],
                "r2": [errors**2, centred, centred**2],
            }[name]
    row_weights = _row_weights(predictions)
    sums = _sum_by_unit([*(column * row_weights for column in columns), row_weights], units)

    def score(weights: np.ndarray) -> np.ndarray:
        totals = weights.astype(float) @ sums
        means = _divide(totals[:, :-1], totals[:, -1:])
        if name == "rmse":
            return np.sqrt(means[:, 0])
        if name == "r2":
            return 1 - _divide(means[:, 0], means[:, 2] - means[:, 1] ** 2)
        return means[:, 0]

    return score


def _row_weights(predictions: Predictions) -> np.ndarray:
    """Return the weight of each row; 1 without weights."""
    return np.ones(len(predictions.labels)) if predictions.weights is None else predictions.weights


def _sum_by_unit(columns: list[np.ndarray], units: np.ndarray) -> np.ndarray:
    """Return the sum of each column over the rows of each unit, of shape (units, columns)."""
    return np.column_stack([np.bincount(units, column) for column in columns])


def _row_log_losses(truth: np.ndarray, predictions: Predictions) -> np.ndarray:
    """Return the negative logarithm of the probability of each row's true class."""
    position = {label: column for column, label in enumerate(predictions.class_names)}
    columns = np.array([position.get(label, -1) for label in truth.tolist()])
    probabilities = predictions.class_probabilities
    own = probabilities[np.arange(len(truth)), columns] / probabilities.sum(axis=1)
    own = np.where(columns >= 0, own, 0)
    return -np.log(np.clip(own, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY))


def _score_by_influence(
    metric: Metric, truth: np.ndarray, predictions: Predictions, units: np.ndarray
) -> WeightedScorer:
    """Score by the score on all rows plus the mean influence of the rows of a resample."""
    observed = metric.score(truth, predictions)
    influence = roc_auc_influence if metric.name.startswith("roc_auc") else average_precision_influence
    sums = _sum_by_unit([influence(truth, predictions), np.ones(len(truth))], units)

    def score(weights: np.ndarray) -> np.ndarray:
        totals = weights.astype(float) @ sums
        return observed + _divide(totals[:, 0], totals[:, 1])

    return score


def _score_ranks(name: str, truth: np.ndarray, predictions: Predictions) -> WeightedScorer:
    """Score the order of the rows by probability; the mean over the classes of a resample if there are several."""
    area = _area_under_roc if name.startswith("roc_auc") else _average_precision
    row_weights = _row_weights(predictions)
    scorers = [_score_one_order(area, *sides, row_weights) for sides in split_classes(truth, predictions)]

    def score(weights: np.ndarray) -> np.ndarray:
        scores = np.stack([scorer(weights) for scorer in scorers])
        is_defined = ~np.isnan(scores)
        return _divide(np.where(is_defined, scores, 0).sum(axis=0), is_defined.sum(axis=0))

    return score


def _score_blocks(score: WeightedScorer, units: np.ndarray) -> WeightedScorer:
    """Return a scorer of weights of blocks, from a scorer of weights of rows; it needs memory for a few resamples."""
    chunk = max(1, _MAX_CHUNK_CELLS // len(units))

    def score_chunks(weights: np.ndarray) -> np.ndarray:
        starts = range(0, len(weights), chunk)
        return np.concatenate([score(weights[start : start + chunk][:, units]) for start in starts])

    return score_chunks


def _score_one_order(
    area: Callable[[np.ndarray, np.ndarray], np.ndarray],
    is_class: np.ndarray,
    probabilities: np.ndarray,
    row_weights: np.ndarray,
) -> WeightedScorer:
    """Score the order of the rows for one class; rows with equal probabilities are one step of the curve."""
    order = np.argsort(-probabilities, kind="stable")
    ordered = probabilities[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    positives = is_class[order]

    def score(weights: np.ndarray) -> np.ndarray:
        sorted_weights = weights[:, order] * row_weights[order]
        hits = np.cumsum(sorted_weights * positives, axis=1, dtype=float)[:, ends]
        return area(hits, np.cumsum(sorted_weights, axis=1, dtype=float)[:, ends])

    return score


def _area_under_roc(hits: np.ndarray, called: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve, from the positives and all rows up to each step of the curve."""
    misses = called - hits
    steps = np.diff(misses, axis=1, prepend=0)
    middles = hits - np.diff(hits, axis=1, prepend=0) / 2
    return _divide((steps * middles).sum(axis=1), hits[:, -1] * misses[:, -1])


def _average_precision(hits: np.ndarray, called: np.ndarray) -> np.ndarray:
    """Return the average precision, from the positives and all rows up to each step of the curve."""
    gains = np.diff(hits, axis=1, prepend=0)
    return _divide((gains * _divide(hits, called, empty=0)).sum(axis=1), hits[:, -1])


def _score_repeated_rows(
    metric: Metric, truth: np.ndarray, predictions: Predictions, units: np.ndarray
) -> WeightedScorer:
    """Score each resample by itself; NaN where the metric raises an error on it, e.g. for lack of a class."""

    def score_one(weights: np.ndarray) -> float:
        rows = np.repeat(np.arange(len(truth)), weights[units])
        try:
            return metric.score(truth[rows], predictions.select(rows))
        except (ValueError, ArithmeticError, InputError):
            return float("nan")

    return lambda weights: np.array([score_one(row) for row in weights])


def _divide(numerators: np.ndarray, denominators: np.ndarray, empty: float = np.nan) -> np.ndarray:
    """Divide arrays; where a denominator is 0, the result is `empty`."""
    denominators = np.asarray(denominators, dtype=float)
    is_empty = denominators == 0
    return np.where(is_empty, empty, numerators / np.where(is_empty, 1, denominators))
