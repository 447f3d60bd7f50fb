"""Calibration: probabilities that agree with observed frequencies.

A calibrator is fitted on out-of-fold predictions: predictions for training rows by models that did not learn from them.
It is used only if it is better on rows that it was not fitted on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lib.evaluation.calibration_error import calibration_error
from lib.scoring.calibrators import BinaryCurve, Calibrator, ClassCurves, Temperature

ISOTONIC, VENN_ABERS, TEMPERATURE = METHODS = ("isotonic", "venn_abers", "temperature")
AUTO = "auto"
# Flexible methods need many rows of the rarest class; otherwise they fit noise.
_MIN_ISOTONIC_ROWS, _MIN_VENN_ABERS_ROWS = 1_000, 300
_FOLDS = 5
# A calibrator is used if it lowers the log loss by at least this many standard errors.
_MIN_STANDARD_ERRORS = 1.0
_GRID_POINTS = 50
# Share of the uncalibrated probability in the calibrated one.
_TILT = 1e-3
# Bounds of the logarithm of a temperature's power. Small powers moderate models that say 0 or 1, such as trees.
_LOG_POWERS = (-6.0, 3.0)
# Log losses of smaller probabilities would decide the comparison alone.
_MIN_PROBABILITY = 1e-6


@dataclass(frozen=True)
class Calibration:
    """The calibrator of a model, and the evidence for it.

    Attributes
    ----------
    method : str
        One of `METHODS`.
    calibrator : callable or None
        See `lib.scoring.calibrators`; None if the calibration is not better than chance would make it.
    error_before, error_after : float
        Expected calibration error of the out-of-fold predictions, and of the same predictions calibrated by calibrators
        that were fitted on other rows.
    calibrated : ndarray of float, of shape (rows, classes)
        The predictions calibrated in this way.
    """

    method: str
    calibrator: Calibrator | None
    error_before: float
    error_after: float
    calibrated: np.ndarray

    @property
    def rows(self) -> int:
        """Number of out-of-fold predictions."""
        return len(self.calibrated)


def calibrate(probabilities: np.ndarray, codes: np.ndarray, method: str = AUTO, seed: int = 0) -> Calibration:
    """Fit a calibrator on out-of-fold predictions, and decide whether it is to be used.

    Parameters
    ----------
    probabilities : ndarray of float, of shape (rows, classes)
        Out-of-fold predictions.
    codes : ndarray of int, of shape (rows,)
        The position of each row's true class among the classes.
    method : str
        One of `METHODS`, or ``"auto"``: chosen by the number of rows of the rarest class.
    seed : int
        Seed of the folds of the comparison.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> true = random.random(4_000)
    >>> overconfident = true**3 / (true**3 + (1 - true) ** 3)
    >>> codes = (random.random(4_000) < true).astype(int)
    >>> result = calibrate(np.column_stack([1 - overconfident, overconfident]), codes)
    >>> result.method, result.error_after < 0.2 * result.error_before
    ('isotonic', True)
    """
    if method == AUTO:
        method = choose_method(codes, probabilities.shape[1])
    fit = _FITTERS[method]
    calibrated = _cross_calibrate(fit, probabilities, codes, seed)
    gains = _log_losses(probabilities, codes) - _log_losses(calibrated, codes)
    is_better = gains.mean() > _MIN_STANDARD_ERRORS * gains.std() / np.sqrt(len(gains))
    return Calibration(
        method,
        fit(probabilities, codes) if is_better else None,
        calibration_error(probabilities, codes),
        calibration_error(calibrated, codes),
        calibrated,
    )


def choose_method(codes: np.ndarray, class_count: int) -> str:
    """Return the most flexible method for which the rarest class has enough rows.

    >>> choose_method(np.array([0, 1] * 1_000), 2), choose_method(np.array([0, 1] * 500), 2)
    ('isotonic', 'venn_abers')
    """
    rarest = int(np.bincount(codes, minlength=class_count).min())
    if rarest >= _MIN_ISOTONIC_ROWS:
        return ISOTONIC
    # Of several classes, the many regressions of Venn-Abers predictors would take too long.
    return VENN_ABERS if rarest >= _MIN_VENN_ABERS_ROWS and class_count == 2 else TEMPERATURE


def _cross_calibrate(
    fit: Callable[[np.ndarray, np.ndarray], Calibrator], probabilities: np.ndarray, codes: np.ndarray, seed: int
) -> np.ndarray:
    """Return probabilities calibrated by calibrators that were fitted on the rows of other folds."""
    folds = np.random.default_rng(seed).permutation(len(codes)) % _FOLDS
    calibrated = np.empty_like(probabilities)
    for fold in range(_FOLDS):
        is_held_out = folds == fold
        calibrator = fit(probabilities[~is_held_out], codes[~is_held_out])
        calibrated[is_held_out] = calibrator(probabilities[is_held_out])
    return calibrated


def _log_losses(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the logarithmic loss of each row."""
    losses: np.ndarray = -np.log(np.maximum(probabilities[np.arange(len(codes)), codes], _MIN_PROBABILITY))
    return losses


def _fit_temperature(probabilities: np.ndarray, codes: np.ndarray) -> Temperature:
    """Return the power with the smallest log loss."""
    from scipy.optimize import minimize_scalar

    def loss(log_power: float) -> float:
        return float(_log_losses(Temperature(float(np.exp(log_power)))(probabilities), codes).mean())

    return Temperature(float(np.exp(minimize_scalar(loss, bounds=_LOG_POWERS, method="bounded").x)))


def _fit_isotonic_curve(positives: np.ndarray, is_positive: np.ndarray) -> BinaryCurve:
    """Return an increasing curve through the centers of the steps of an isotonic regression.

    Centers keep the order of rows, which steps lose (Oron and Flournoy, Centered isotonic regression, Statistics in
    Biopharmaceutical Research 9, 2017). One further row of the unexpected class at each end, as in Laplace's rule,
    keeps probabilities above 0 and below 1.

    Parameters
    ----------
    positives : ndarray of float, of shape (rows,)
        Probability of the positive class.
    is_positive : ndarray of bool, of shape (rows,)
    """
    scores, shares, weights = _average_equal_scores(
        np.concatenate([[0.0, 1.0], positives]), np.concatenate([[1.0, 0.0], is_positive.astype(float)])
    )
    values, steps = np.unique(_fit_steps(shares, weights), return_inverse=True)
    centers = np.bincount(steps, scores * weights) / np.bincount(steps, weights)
    return _make_curve(centers, values)


def _fit_venn_abers_curve(positives: np.ndarray, is_positive: np.ndarray) -> BinaryCurve:
    """Return the Venn-Abers probabilities at quantiles of the model's probabilities, with lines between them.

    A new row with the quantile as its score is added with the label 0 and with the label 1. The values of both isotonic
    regressions at the row are combined to the probability with the smallest log loss in the worst case (Vovk, Petej and
    Fedorova, Large-scale probabilistic predictors with and without guarantees of validity, NeurIPS 2015).

    Parameters are those of `_fit_isotonic_curve`.
    """
    scores, shares, weights = _average_equal_scores(positives, is_positive.astype(float))
    quantiles = np.quantile(positives, np.linspace(0, 1, _GRID_POINTS), method="inverted_cdf")
    grid = np.unique(np.searchsorted(scores, quantiles))
    calibrated = np.empty(len(grid))
    for index, position in enumerate(grid):
        new_weights = weights.copy()
        new_weights[position] += 1
        low, high = (
            _fit_steps(_with_label(shares, weights, position, label), new_weights)[position] for label in (0.0, 1.0)
        )
        calibrated[index] = high / (1 - low + high)
    return _make_curve(scores[grid], calibrated)


def _average_equal_scores(scores: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct scores in ascending order, with the mean target and the number of rows of each."""
    distinct, positions, counts = np.unique(scores, return_inverse=True, return_counts=True)
    return distinct, np.bincount(positions, targets) / counts, counts.astype(float)


def _with_label(shares: np.ndarray, weights: np.ndarray, position: int, label: float) -> np.ndarray:
    """Return the mean targets after a row with the given label is added at one score."""
    changed = shares.copy()
    changed[position] = (shares[position] * weights[position] + label) / (weights[position] + 1)
    return changed


def _fit_steps(shares: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the values of a weighted isotonic regression."""
    from scipy.optimize import isotonic_regression

    steps: np.ndarray = isotonic_regression(shares, weights=weights).x
    return steps


def _make_curve(scores: np.ndarray, calibrated: np.ndarray) -> BinaryCurve:
    """Return a curve through the given points, constant beyond the first and the last one, and slightly tilted.

    The tilt keeps the order of rows, and so the ROC AUC, where the curve would otherwise be constant.
    """
    knots = np.concatenate([[0.0], scores, [1.0]])
    values = np.concatenate([calibrated[:1], calibrated, calibrated[-1:]])
    knots, first = np.unique(knots, return_index=True)
    return BinaryCurve(knots, (1 - _TILT) * values[first] + _TILT * knots)


def _fit_curves(
    fit: Callable[[np.ndarray, np.ndarray], BinaryCurve], probabilities: np.ndarray, codes: np.ndarray
) -> Calibrator:
    """Return one curve of two classes, or a curve for each of several classes against the others."""
    if probabilities.shape[1] == 2:
        return fit(probabilities[:, 1], codes == 1)
    return ClassCurves(tuple(fit(probabilities[:, code], codes == code) for code in range(probabilities.shape[1])))


_FITTERS: dict[str, Callable[[np.ndarray, np.ndarray], Calibrator]] = {
    ISOTONIC: lambda probabilities, codes: _fit_curves(_fit_isotonic_curve, probabilities, codes),
    VENN_ABERS: lambda probabilities, codes: _fit_curves(_fit_venn_abers_curve, probabilities, codes),
    TEMPERATURE: _fit_temperature,
}
