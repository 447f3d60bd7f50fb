"""Performance without labels: what a metric would be on rows whose true values are not known yet.

Classification: a metric's expected value is that on rows that occur once for each class, weighted with the calibrated
probability of the class. It is corrected by the difference between the realised and the expected metric on the
reference rows, which are weighted by the density ratio of the window as far as the ratio can be trusted.

Regression: errors are drawn from those of the reference rows, relative to a model of the loss and weighted in the same
way, times the loss that the model expects for each row.

The interval contains the realised metric with 95 % if the relation between rows and target is the same as in the
reference: it comes from true values drawn from the same distributions, for bootstrap samples of the reference rows.
**A change of that relation, concept drift, cannot be seen without labels.**

Sources: Guillory et al., "Predicting with confidence on unseen distributions", ICCV 2021; Białek et al., "Estimating
model performance under covariate shift without labels", 2024 (calibrated probabilities and density ratios); Robins &
Rotnitzky, "Semiparametric efficiency in multivariate regression models with missing data", JASA 90, 1995 (correction of
a model by weighted residuals).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
import pandas as pd

from lib.errors import DataError
from lib.metrics import Metric, Predictions
from lib.monitoring.class_model import ClassModel
from lib.monitoring.density_ratio import DensityRatio, estimate_density_ratio
from lib.monitoring.error_model import ErrorModel
from lib.monitoring.row_encoding import fit_encoding
from lib.monitoring.scores import Interval

MAX_REFERENCE_ROWS, MAX_WINDOW_ROWS = 70_000, 30_000
_DRAWS = 60
_DEVIATIONS = 1.96
CONCEPT_DRIFT = (
    "The estimate assumes that the relation between the columns and the target has not changed. Such a change, concept "
    "drift, cannot be seen without labels."
)


class ScoreEstimator:
    """Estimates of a metric on rows without labels.

    Parameters
    ----------
    rows : DataFrame
        Reference rows, new to the model, with its columns.
    predictions : Predictions
        Of the reference rows.
    truth : ndarray of shape (rows,)
    metric : Metric
    seed : int

    Examples
    --------
    >>> from lib import metrics
    >>> random = np.random.default_rng(0)
    >>> size = random.normal(size=500)
    >>> rows, truth = pd.DataFrame({"size": size}), size + random.normal(scale=0.5, size=500)
    >>> estimator = ScoreEstimator(rows, Predictions(size), truth, metrics.get("rmse", "regression"), seed=0)
    >>> bool(abs(estimator.estimate(rows, Predictions(size)).value - 0.5) < 0.05)
    True
    """

    def __init__(self, rows: pd.DataFrame, predictions: Predictions, truth: np.ndarray, metric: Metric, seed: int):
        self._metric, self._random, self._seed = metric, np.random.default_rng(seed), seed
        chosen = _choose(len(rows), MAX_REFERENCE_ROWS, self._random)
        rows, self._predictions, self._truth = rows.iloc[chosen], predictions.select(chosen), truth[chosen]
        self._encoding = fit_encoding(rows)
        self._columns = self._encoding.encode(rows)
        is_category = self._encoding.is_category
        if predictions.probabilities is None:
            self._errors = ErrorModel(self._columns, is_category, self._predictions.labels, self._truth, seed)
        else:
            self._codes = pd.Index(predictions.class_names).get_indexer(pd.Index(self._truth))
            probabilities = self._predictions.class_probabilities
            self._classes = ClassModel(self._columns, is_category, probabilities, self._codes, seed)

    def estimate(self, rows: pd.DataFrame, predictions: Predictions) -> Interval | None:
        """Return the estimated metric with its interval; None where the metric is undefined.

        Parameters
        ----------
        rows : DataFrame
            Columns that are absent count as missing.
        predictions : Predictions
            Of the same rows.
        """
        chosen = _choose(len(rows), MAX_WINDOW_ROWS, self._random)
        columns, predictions = self._encoding.encode(rows.iloc[chosen]), predictions.select(chosen)
        ratio = self._estimate_ratio(columns, predictions)
        if predictions.probabilities is None:
            return self._estimate_regression(columns, predictions, ratio)
        return self._estimate_classification(columns, predictions, ratio)

    def _estimate_ratio(self, columns: np.ndarray, predictions: Predictions) -> DensityRatio:
        outputs = _numbers(self._predictions)
        reference = np.column_stack([self._columns, outputs])
        window = np.column_stack([columns, _numbers(predictions)])
        is_category = [*self._encoding.is_category, *[False] * outputs.shape[1]]
        return estimate_density_ratio(reference, window, is_category, self._seed)

    def _estimate_classification(
        self, columns: np.ndarray, predictions: Predictions, ratio: DensityRatio
    ) -> Interval | None:
        calibrated = self._classes.predict(columns, predictions.class_probabilities)
        value = self._expect(predictions, calibrated) + self._correct(ratio)
        scores = []
        for _ in range(_DRAWS):
            codes = _draw_codes(calibrated, self._random)
            scores.append(self._score(predictions.class_names, codes, predictions))
        spread = np.hypot(np.nanstd(scores), self._reference_deviation) if np.isfinite(scores).any() else np.nan
        return _to_interval(value, spread)

    @cached_property
    def _reference_deviation(self) -> float:
        """Standard error of the metric on the reference rows: that of the correction."""
        names, scores = self._predictions.class_names, []
        for _ in range(_DRAWS):
            sample = self._random.integers(0, len(self._codes), len(self._codes))
            scores.append(self._score(names, self._codes[sample], self._predictions.select(sample)))
        return float(np.nanstd(scores)) if np.isfinite(scores).any() else np.nan

    def _correct(self, ratio: DensityRatio) -> float:
        """Return the realised minus the expected metric on the reference, weighted as far as the ratio is trusted."""
        weighted = self._residual(ratio.weights) if ratio.trust > 0 else 0.0
        return (1 - ratio.trust) * self._unweighted_correction + ratio.trust * weighted

    @cached_property
    def _unweighted_correction(self) -> float:
        return self._residual(np.ones(len(self._codes)))

    def _residual(self, weights: np.ndarray) -> float:
        weighted = replace(self._predictions, weights=weights)
        realised = self._score(weighted.class_names, self._codes, weighted)
        return realised - self._expect(weighted, self._classes.out_of_fold)

    def _expect(self, predictions: Predictions, calibrated: np.ndarray) -> float:
        """Return the metric on rows that occur once for each class, weighted with its calibrated probability."""
        count, classes = calibrated.shape
        repeated = predictions.select(np.tile(np.arange(count), classes))
        weights = calibrated.T.ravel()
        if repeated.weights is not None:
            weights = weights * repeated.weights
        return self._score(
            predictions.class_names, np.repeat(np.arange(classes), count), replace(repeated, weights=weights)
        )

    def _score(self, names: list, codes: np.ndarray, predictions: Predictions) -> float:
        """Return the metric; NaN where it is undefined, as ROC AUC is with one class."""
        try:
            return float(self._metric.score(np.array(names)[codes], predictions))
        except (ValueError, DataError):
            return float("nan")

    def _estimate_regression(
        self, columns: np.ndarray, predictions: Predictions, ratio: DensityRatio
    ) -> Interval | None:
        expected = self._errors.predict(columns, predictions.labels)
        weights = (1 - ratio.trust) + ratio.trust * ratio.weights
        scores = []
        for _ in range(_DRAWS):
            sample = self._random.integers(0, len(weights), len(weights))  # a bootstrap sample of the reference
            shares = weights[sample] / weights[sample].sum()
            drawn = self._random.choice(self._errors.relative_errors[sample], len(expected), p=shares)
            scores.append(float(self._metric.score(predictions.labels + expected * drawn, predictions)))
        return _to_interval(float(np.mean(scores)), float(np.std(scores)))


def _choose(count: int, most: int, random: np.random.Generator) -> np.ndarray:
    """Return the positions of all rows, or of a random sample."""
    return np.arange(count) if count <= most else np.sort(random.choice(count, most, replace=False))


def _numbers(predictions: Predictions) -> np.ndarray:
    """Return the output as numbers, of shape (rows, outputs); the last class's probability follows from the others'."""
    if predictions.probabilities is None:
        return predictions.labels[:, None]
    return predictions.probabilities[:, :-1]


def _draw_codes(probabilities: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw a class for each row."""
    limits = np.cumsum(probabilities, axis=1)
    points = random.random((len(probabilities), 1)) * limits[:, -1:]
    return np.minimum((points >= limits).sum(axis=1), probabilities.shape[1] - 1)


def _to_interval(value: float, deviation: float) -> Interval | None:
    if not (np.isfinite(value) and np.isfinite(deviation)):
        return None
    return Interval(float(value), float(value - _DEVIATIONS * deviation), float(value + _DEVIATIONS * deviation))
