"""Calibrators: functions from a model's probabilities to calibrated ones, in NumPy alone.

They travel with a model. `lib.evaluation.calibration` fits them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Probabilities of shape (rows, classes) to calibrated probabilities of the same shape.
Calibrator = Callable[[np.ndarray], np.ndarray]
# Powers of smaller probabilities would underflow, and of 0 be undefined.
_MIN_PROBABILITY = 1e-12


@dataclass(frozen=True, eq=False)
class BinaryCurve:
    """A piecewise linear curve for the probability of the second of two classes.

    Attributes
    ----------
    probabilities : ndarray of float, of shape (knots,)
        The model's probabilities at the knots, in ascending order.
    calibrated : ndarray of float, of shape (knots,)
        The calibrated probabilities at the knots.

    Examples
    --------
    >>> curve = BinaryCurve(np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.25, 1.0]))
    >>> curve(np.array([[0.5, 0.5], [0.25, 0.75]])).tolist()
    [[0.75, 0.25], [0.375, 0.625]]
    """

    probabilities: np.ndarray
    calibrated: np.ndarray

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrate probabilities of shape (rows, 2)."""
        second = np.interp(probabilities[:, 1], self.probabilities, self.calibrated)
        return np.stack([1 - second, second], axis=1)


@dataclass(frozen=True, eq=False)
class ClassCurves:
    """A curve for the probability of each of several classes; the results are scaled to a sum of 1.

    Attributes
    ----------
    curves : tuple of BinaryCurve
        In the order of the classes. Calibrated probabilities must be above 0.
    """

    curves: tuple[BinaryCurve, ...]

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrate probabilities of shape (rows, classes)."""
        columns = [
            np.interp(probabilities[:, number], curve.probabilities, curve.calibrated)
            for number, curve in enumerate(self.curves)
        ]
        calibrated = np.stack(columns, axis=1)
        calibrated /= calibrated.sum(axis=1, keepdims=True)
        return calibrated


@dataclass(frozen=True)
class Temperature:
    """Probabilities raised to a power and scaled to a sum of 1, for any number of classes.

    A power below 1 makes a model less confident (Guo et al., On calibration of modern neural networks, ICML 2017; the
    power is the inverse of the temperature). The order of the classes stays the same.

    Attributes
    ----------
    power : float

    Examples
    --------
    >>> Temperature(0.5)(np.array([[0.2, 0.8]])).round(3).tolist()
    [[0.333, 0.667]]
    """

    power: float

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Calibrate probabilities of shape (rows, classes)."""
        # In one memory order, because the order decides how sums are rounded.
        logarithms = np.log(np.maximum(np.ascontiguousarray(probabilities, dtype=float), _MIN_PROBABILITY))
        powers = np.exp(self.power * (logarithms - logarithms.max(axis=1, keepdims=True)))
        calibrated: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
        return calibrated


def most_probable(classes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the most probable class of each row; the first of several equally probable ones."""
    return classes.take(probabilities.argmax(axis=1))
