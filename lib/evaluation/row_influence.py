"""How much each row moves a metric that depends on the order of the rows: the derivative by the row's weight.

The mean of a score's influences over some rows approximates its change on those rows. This is the infinitesimal
jackknife of Jaeckel, 1972. For the area under the ROC curve, the influences are the structural components of DeLong.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from lib.metrics import Predictions


def split_classes(truth: np.ndarray, predictions: Predictions) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return whether each row has a class, and its probability: for the positive class, or for each true class."""
    if predictions.positive_class is not None:
        return [(truth == predictions.positive_class, predictions.positive_probability)]
    names, columns = predictions.class_names, predictions.class_probabilities
    zeros = np.zeros(len(truth))  # a class that the model does not know has probability 0
    return [
        (truth == label, columns[:, names.index(label)] if label in names else zeros)
        for label in sorted(set(truth.tolist()))
    ]


def roc_auc_influence(truth: np.ndarray, predictions: Predictions) -> np.ndarray:
    """Return how much each row moves the ROC AUC, or its mean over the classes.

    Sun and Xu: Fast implementation of DeLong's algorithm, 2014.

    Returns
    -------
    ndarray of shape (rows,)
        The mean is 0; the mean square divided by the number of rows is the variance of the AUC. NaN if a class has a
        single row, which shows no spread.
    """
    return np.mean([_class_auc_influence(*sides) for sides in split_classes(truth, predictions)], axis=0)


def average_precision_influence(truth: np.ndarray, predictions: Predictions) -> np.ndarray:
    """Return how much each row moves the average precision, or its mean over the classes.

    Returns
    -------
    ndarray of shape (rows,)
        The mean is 0; the mean square divided by the number of rows is the variance of the average precision.
    """
    return np.mean([_class_precision_influence(*sides) for sides in split_classes(truth, predictions)], axis=0)


def _class_auc_influence(is_class: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the influences on the AUC of one class against all others."""
    positives, negatives = int(is_class.sum()), int((~is_class).sum())
    ranks = stats.rankdata(probabilities)
    influence = np.empty(len(is_class))
    for side, own, others in ((is_class, positives, negatives), (~is_class, negatives, positives)):
        # The share of rows of the other side that rank below a row.
        shares = (ranks[side] - stats.rankdata(probabilities[side])) / others
        unbiased = np.sqrt(own / (own - 1)) if own > 1 else np.nan
        influence[side] = (shares - shares.mean()) * len(is_class) / own * unbiased
    influence[~is_class] *= -1  # a negative row that ranks higher lowers the area
    return influence


def _class_precision_influence(is_class: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the influences on the average precision of one class.

    With T hits among the A rows down to a step of the curve, the average precision is the sum of T/A over the
    positives, divided by their number. A row adds to A, and a positive row to T, at its own step and at all later ones.
    """
    order = np.argsort(-probabilities, kind="stable")
    ordered = probabilities[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    step_of_row = np.searchsorted(ends, np.arange(len(order)))
    positives = is_class[order].astype(float)
    hits, called = np.cumsum(positives)[ends], ends + 1.0
    gains = np.diff(hits, prepend=0)
    later_hits = np.cumsum((gains / called)[::-1])[::-1]
    later_calls = np.cumsum((gains * hits / called**2)[::-1])[::-1]
    average = (gains * hits / called).sum()
    count = hits[-1]
    derivative = (
        positives * (hits / called)[step_of_row] + positives * later_hits[step_of_row] - later_calls[step_of_row]
    )
    influence = np.empty(len(order))
    influence[order] = len(order) / count * (derivative - positives * average / count)
    return influence
