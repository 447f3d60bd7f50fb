"""The choice of a threshold from probabilities of rows that the model was not fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.errors import DataError
from lib.parameters.thresholds import COST, F1, PRECISION, RECALL, ThresholdSetting

_RESAMPLES = 200
_INTERVAL_PERCENTILES = (2.5, 97.5)
_TOLERANCE = 1e-12


@dataclass(frozen=True)
class BinaryRows:
    """Rows of a binary task with the probability of the positive class, and the costs of both decisions.

    Attributes
    ----------
    is_positive : ndarray of bool, shape (rows,)
    probabilities : ndarray of float, shape (rows,)
        Probability of the positive class.
    weights : ndarray of float, shape (rows,)
    cost_if_called, cost_if_not : ndarray of float, shape (rows,)
        Cost of predicting the positive class in this row, and of predicting the other class.
    """

    is_positive: np.ndarray
    probabilities: np.ndarray
    weights: np.ndarray
    cost_if_called: np.ndarray
    cost_if_not: np.ndarray


@dataclass(frozen=True)
class ThresholdCurve:
    """The consequences of each threshold at which the predictions change, the highest threshold first.

    Attributes
    ----------
    thresholds : ndarray of shape (thresholds,)
    true_positives, called : ndarray of shape (thresholds,)
        Weight of the positive rows, and of all rows, whose probability reaches the threshold.
    costs : ndarray of shape (thresholds,)
        Cost of all decisions.
    positives : float
        Weight of all positive rows.
    """

    thresholds: np.ndarray
    true_positives: np.ndarray
    called: np.ndarray
    costs: np.ndarray
    positives: float

    @property
    def recall(self) -> np.ndarray:
        """Share of the positive rows that reach each threshold."""
        return self.true_positives / self.positives

    @property
    def precision(self) -> np.ndarray:
        """Share of positive rows among those that reach each threshold; 0 if no row does."""
        return np.divide(self.true_positives, self.called, out=np.zeros_like(self.called), where=self.called > 0)

    @property
    def f1(self) -> np.ndarray:
        """F1 score at each threshold."""
        return 2 * self.true_positives / (self.called + self.positives)


class _SortedRows:
    """Rows sorted by descending probability, whose curve can be computed for any weights."""

    def __init__(self, rows: BinaryRows):
        order = np.argsort(-rows.probabilities, kind="stable")
        probabilities = rows.probabilities[order]
        self._is_positive = rows.is_positive[order].astype(float)
        self._extra_cost_if_called = (rows.cost_if_called - rows.cost_if_not)[order]
        self._cost_if_not = rows.cost_if_not[order]
        self.weights = rows.weights[order].astype(float)
        # Rows with equal probabilities are called together, so only the last of them ends a group.
        self._group_ends = np.flatnonzero(np.append(probabilities[:-1] != probabilities[1:], True))
        levels = probabilities[self._group_ends]
        no_row = (levels[0] + 1) / 2 if levels[0] < 1 else np.nextafter(1.0, 2.0)
        self._thresholds = np.concatenate([[no_row], (levels[:-1] + levels[1:]) / 2, [0.0]])

    def make_curve(self, weights: np.ndarray) -> ThresholdCurve:
        """Return the curve of the rows with these weights, which are in the order of the sorted rows."""

        def accumulate(values: np.ndarray) -> np.ndarray:
            return np.concatenate([[0.0], np.cumsum(values)[self._group_ends]])

        return ThresholdCurve(
            self._thresholds,
            true_positives=accumulate(weights * self._is_positive),
            called=accumulate(weights),
            costs=(weights * self._cost_if_not).sum() + accumulate(weights * self._extra_cost_if_called),
            positives=float((weights * self._is_positive).sum()),
        )


def compute_curve(rows: BinaryRows) -> ThresholdCurve:
    """Return the consequences of each possible threshold."""
    sorted_rows = _SortedRows(rows)
    return sorted_rows.make_curve(sorted_rows.weights)


def choose_threshold(rows: BinaryRows, setting: ThresholdSetting) -> float:
    """Return the threshold that reaches the goal of the parameter ``threshold`` best.

    Raises
    ------
    DataError
        If no threshold reaches the requested precision.

    Examples
    --------
    >>> rows = BinaryRows(np.array([True, True, False]), np.array([0.8, 0.4, 0.2]), *np.ones((3, 3)))
    >>> round(choose_threshold(rows, ThresholdSetting("recall", 1.0)), 6)
    0.3
    """
    curve = compute_curve(rows)
    position = _choose_position(curve, setting)
    if position is None:
        raise DataError(
            f"threshold: no threshold reaches the precision {setting.value:g} on folds of the training rows; the "
            f"highest is {curve.precision.max():.3g}. Set a lower precision, or another threshold."
        )
    return float(curve.thresholds[position])


def estimate_interval(rows: BinaryRows, setting: ThresholdSetting, seed: int) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a threshold that is chosen from these rows.

    The interval shows how much the threshold would vary with other rows of the same population.
    """
    sorted_rows, rng = _SortedRows(rows), np.random.default_rng(seed)
    row_count = len(rows.weights)
    shares = np.full(row_count, 1 / row_count)
    thresholds = []
    for _ in range(_RESAMPLES):
        curve = sorted_rows.make_curve(sorted_rows.weights * rng.multinomial(row_count, shares))
        position = _choose_position(curve, setting) if curve.positives else None
        if position is not None:
            thresholds.append(curve.thresholds[position])
    low, high = np.percentile(thresholds, _INTERVAL_PERCENTILES)
    return float(low), float(high)


def _choose_position(curve: ThresholdCurve, setting: ThresholdSetting) -> int | None:
    """Return the position of the best threshold of a curve; None if none reaches the requested precision."""
    if setting.goal == F1:
        return int(curve.f1.argmax())
    if setting.goal == COST:
        return int(curve.costs.argmin())
    if setting.goal == RECALL:
        return int(np.argmax(curve.recall >= setting.value - _TOLERANCE))  # the first is the highest threshold
    assert setting.goal == PRECISION, setting.goal
    is_reached = (curve.precision >= setting.value - _TOLERANCE) & (curve.true_positives > 0)
    return int(np.flatnonzero(is_reached)[-1]) if is_reached.any() else None
