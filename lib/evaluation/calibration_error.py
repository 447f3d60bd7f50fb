"""The expected calibration error, and the reliability of probabilities by bin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BINS = 10


class Reliability(NamedTuple):
    """Predicted and observed frequencies in bins with equally many rows.

    Attributes
    ----------
    predicted : ndarray of float, of shape (bins,)
        Mean predicted probability of each bin.
    observed : ndarray of float, of shape (bins,)
        Share of the rows of each bin for which the prediction came true.
    rows : ndarray of int, of shape (bins,)
    """

    predicted: np.ndarray
    observed: np.ndarray
    rows: np.ndarray


def measure_reliability(probabilities: np.ndarray, codes: np.ndarray, bins: int = BINS) -> Reliability:
    """Compare predicted probabilities with observed frequencies.

    Of two classes, the probability of the second one is examined; of more classes, that of the most probable one (Guo
    et al., On calibration of modern neural networks, ICML 2017).

    Parameters
    ----------
    probabilities : ndarray of float, of shape (rows, classes)
    codes : ndarray of int, of shape (rows,)
        The position of each row's true class among the classes.
    bins : int
        Number of bins; fewer if there are fewer rows.

    Examples
    --------
    >>> predicted = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8]])
    >>> measure_reliability(predicted, np.array([0, 0, 1, 0]), bins=2).observed.tolist()
    [0.0, 0.5]
    """
    if probabilities.shape[1] == 2:
        predicted, came_true = probabilities[:, 1], codes == 1
    else:
        predicted, came_true = probabilities.max(axis=1), probabilities.argmax(axis=1) == codes
    order = np.argsort(predicted, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return Reliability(
        np.array([predicted[part].mean() for part in parts]),
        np.array([came_true[part].mean() for part in parts]),
        np.array([len(part) for part in parts]),
    )


def calibration_error(probabilities: np.ndarray, codes: np.ndarray, bins: int = BINS) -> float:
    """Return the expected calibration error: the mean distance of predicted and observed frequencies over all rows.

    Even perfect probabilities have an error above 0 on few rows, because observed frequencies vary by chance.
    Parameters are those of `measure_reliability`.

    Examples
    --------
    >>> calibration_error(np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([0, 1]), bins=1)
    0.0
    """
    reliability = measure_reliability(probabilities, codes, bins)
    distances = np.abs(reliability.predicted - reliability.observed)
    return float(np.average(distances, weights=reliability.rows))
