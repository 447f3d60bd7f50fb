"""Performance without labels: what a metric would be on rows whose true values are not known yet.

Classification: a metric's expected value is that on rows that occur once for each class, weighted with the calibrated
probability of the class. It is corrected by the difference between the realised and the expected metric on the
reference rows, which are weighted by the density ratio of the window as far as the ratio can be trusted.

Regression: errors are drawn from those of the reference rows, relative to a model of the loss and weighted in the same
way, times the loss that the model expects for each row.

The interval contains the realised metric with 95 % if the relation between rows and target is the same as in the
reference. Its deviation has four parts: of true values drawn from the same distributions; of bootstrap samples of the
reference rows; the difference from a second estimate, whose model knows the predictions alone and no column; and, as
far as the density ratio cannot be trusted, the error of extrapolation (`lib.monitoring.extrapolation`).
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
from lib.monitoring.extrapolation import measure_extrapolation
from lib.monitoring.row_encoding import fit_encoding
from lib.monitoring.scores import Interval

MAX_REFERENCE_ROWS, MAX_WINDOW_ROWS = 70_000, 30_000
_DRAWS = 60
_MAX_ROWS_BY_PREDICTION = 10_000  # a model of the predictions alone needs no more
_MIN_DOUBT = 0.1  # below it, the error of extrapolation is not worth its time
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
        some = _choose(len(self._columns), _MAX_ROWS_BY_PREDICTION, np.random.default_rng(seed))
        no_columns = np.empty((len(some), 0))
        if predictions.probabilities is None:
            labels = self._predictions.labels
            self._errors = ErrorModel(self._columns, is_category, labels, self._truth, seed)
            self._errors_by_prediction = ErrorModel(no_columns, [], labels[some], self._truth[some], seed)
        else:
            self._codes = pd.Index(predictions.class_names).get_indexer(pd.Index(self._truth))
            probabilities = self._predictions.class_probabilities
            self._classes = ClassModel(self._columns, is_category, probabilities, self._codes, seed)
            self._classes_by_prediction = ClassModel(no_columns, [], probabilities[some], self._codes[some], seed)

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
        sampling = float(np.nanstd(scores)) if np.isfinite(scores).any() else float("nan")
        second = self._classes_by_prediction.predict(columns[:, :0], predictions.class_probabilities)
        disagreement = abs(value - self._expect(predictions, second))
        parts = (sampling, self._reference_deviation, disagreement, self._measure_extrapolation(ratio))
        return _to_interval(value, *parts)

    def _measure_extrapolation(self, ratio: DensityRatio) -> float:
        """Return the error of estimates of reference rows from others that resemble the window more, or less."""
        measure = self._miss_errors if self._predictions.probabilities is None else self._miss_classes
        doubt = 1 - ratio.trust
        if doubt < _MIN_DOUBT:
            return 0.0
        return doubt * measure_extrapolation(ratio.weights, measure, self._random)

    def _miss_classes(self, known: np.ndarray, block: np.ndarray) -> float:
        """Return the expected minus the realised metric of a block, with a model that knows other rows."""
        probabilities = self._predictions.class_probabilities
        is_category = self._encoding.is_category
        model = ClassModel(self._columns[known], is_category, probabilities[known], self._codes[known], self._seed)
        predictions = self._predictions.select(block)
        expected = self._expect(predictions, model.predict(self._columns[block], probabilities[block]))
        return expected - self._score(predictions.class_names, self._codes[block], predictions)

    def _miss_errors(self, known: np.ndarray, block: np.ndarray) -> float:
        """Return the expected minus the realised metric of a block, with a model of the loss of other rows."""
        labels, is_category = self._predictions.labels, self._encoding.is_category
        model = ErrorModel(self._columns[known], is_category, labels[known], self._truth[known], self._seed)
        predictions = self._predictions.select(block)
        scores = self._draw_scores(model, self._columns[block], predictions, np.ones(len(known)))
        return float(np.mean(scores)) - float(self._metric.score(self._truth[block], predictions))

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
        weights = (1 - ratio.trust) + ratio.trust * ratio.weights
        scores = self._draw_scores(self._errors, columns, predictions, weights)
        by_prediction = self._errors_by_prediction
        equal_weights = np.ones(len(by_prediction.relative_errors))
        second = self._draw_scores(by_prediction, columns[:, :0], predictions, equal_weights)
        value = float(np.mean(scores))
        disagreement = abs(value - float(np.mean(second)))
        return _to_interval(value, float(np.std(scores)), disagreement, self._measure_extrapolation(ratio))

    def _draw_scores(
        self, errors: ErrorModel, columns: np.ndarray, predictions: Predictions, weights: np.ndarray
    ) -> list[float]:
        """Return the metric for errors that are drawn from weighted bootstrap samples of the reference."""
        expected = errors.predict(columns, predictions.labels)
        scores = []
        for _ in range(_DRAWS):
            sample = self._random.integers(0, len(weights), len(weights))
            shares = weights[sample] / weights[sample].sum()
            drawn = self._random.choice(errors.relative_errors[sample], len(expected), p=shares)
            scores.append(float(self._metric.score(predictions.labels + expected * drawn, predictions)))
        return scores


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


def _to_interval(value: float, *deviations: float) -> Interval | None:
    """Return an interval whose deviation has several independent parts; None if any is undefined."""
    deviation = float(np.sqrt(np.square(deviations).sum()))
    if not (np.isfinite(value) and np.isfinite(deviation)):
        return None
    return Interval(float(value), float(value - _DEVIATIONS * deviation), float(value + _DEVIATIONS * deviation))
