"""The difference between two models on the same rows, with a confidence interval, and the verdict that follows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.evaluation.resampling import assign_units, draw_weights
from lib.evaluation.row_influence import roc_auc_influence
from lib.evaluation.weighted_scores import KNOWN_METRICS, make_weighted_scorer
from lib.metrics import Metric, Predictions

BETTER, NOT_WORSE, WORSE, TOO_FEW_ROWS = "better", "not worse", "worse", "too few rows to say"
CONFIDENCE = 0.95
_DELONG_METRICS = ("roc_auc", "roc_auc_ovr_macro")
_REPLICATES = 1_000
_MIN_REPLICATES = 100
_MAX_ROWS_TO_REPEAT = 3_000_000  # rows of all resamples, for a metric that is scored on repeated rows
_MAX_ROWS_TO_SORT = 50_000_000  # likewise, for a known metric of weighted rows
_NORMAL_DRAWS = 20_000


@dataclass(frozen=True)
class Difference:
    """How much better a model is than a reference on the same rows.

    Attributes
    ----------
    estimate : float
        The difference in the metric; positive if the model is better, whatever the direction of the metric.
    low, high : float
        The confidence interval of the difference. NaN if it is undefined.
    rows : int
        Number of rows that both models were scored on.
    method : str
        How the interval was computed.
    """

    estimate: float
    low: float
    high: float
    rows: int
    method: str

    def judge(self, margin: float = 0) -> str:
        """Return the verdict: better, not worse, worse, or too few rows to say.

        Parameters
        ----------
        margin : float
            The largest difference that does not matter, in units of the metric.

        Examples
        --------
        >>> Difference(0.02, 0.01, 0.03, 1000, "DeLong").judge()
        'better'
        >>> Difference(0.001, -0.004, 0.006, 1000, "DeLong").judge(margin=0.005)
        'not worse'
        >>> Difference(0.001, -0.02, 0.022, 50, "bootstrap").judge()
        'too few rows to say'
        """
        if self.low > margin:
            return BETTER
        if self.high < -margin:
            return WORSE
        return NOT_WORSE if self.low >= -margin else TOO_FEW_ROWS

    @property
    def needed_rows(self) -> int | None:
        """Number of rows from which a difference of this size would be clear; None if no number can be given."""
        half_width = (self.high - self.low) / 2
        if not self.estimate or not math.isfinite(half_width):
            return None
        return math.ceil(self.rows * (half_width / abs(self.estimate)) ** 2)

    def describe(self, metric: Metric) -> str:
        """Return the difference and its interval in words."""
        direction = "better" if self.estimate >= 0 else "worse"
        interval = f"{CONFIDENCE:.0%} interval {self.low:+.3g} to {self.high:+.3g}"
        if math.isnan(self.low):
            interval = f"no interval, because {metric.name} is undefined on most resamples of the rows"
        return f"{abs(self.estimate):.3g} {direction} in {metric.name} ({interval}, {self.rows:,} rows, {self.method})"


def compare(
    metric: Metric,
    truth: np.ndarray,
    candidates: Sequence[Predictions],
    reference: Predictions,
    seed: int = 0,
) -> list[Difference]:
    """Compare models with a reference on the same rows.

    All intervals hold at once with 95 % confidence, so that the best of the models can be picked afterwards: the
    critical value is the 95 % quantile of the largest deviation among them. For the area under the ROC curve, the
    covariance is DeLong's; for all other metrics, and for weighted rows, it is that of a paired bootstrap, in which
    each resample has the same rows for every model.

    Romano and Wolf: Exact and approximate stepdown methods for multiple hypothesis testing, 2005.

    Parameters
    ----------
    metric : Metric
    truth : ndarray of shape (rows,)
        True classes or values.
    candidates : sequence of Predictions
        Predictions of each model for these rows.
    reference : Predictions
        Predictions of the champion, or of the no-skill model, for the same rows.
    seed : int

    Returns
    -------
    list of Difference
        One for each candidate, in their order.
    """
    sign = 1 if metric.greater_is_better else -1
    models = [*candidates, reference]
    scores = np.array([metric.score(truth, predictions) for predictions in models])
    estimates = sign * (scores[:-1] - scores[-1])
    has_delong = metric.name in _DELONG_METRICS and reference.weights is None
    if has_delong:
        influences = np.stack([roc_auc_influence(truth, predictions) for predictions in models])
        errors, critical = _read_covariance(influences @ influences.T / len(truth) ** 2, seed)
    else:
        resampled = _bootstrap(metric, truth, models, seed)
        deviations = sign * (resampled[:, :-1] - resampled[:, -1:]) - estimates
        errors, critical = _read_deviations(deviations)
    method = "DeLong" if has_delong else "paired bootstrap"
    critical = max(critical, _smallest_critical_value(len(truth)))
    return [
        Difference(
            float(estimate), float(estimate - critical * error), float(estimate + critical * error), len(truth), method
        )
        for estimate, error in zip(estimates, errors, strict=True)
    ]


def choose_replicates(metric: Metric, rows: int, is_weighted: bool = False) -> int:
    """Return the number of bootstrap resamples; fewer where each resample is scored row by row."""
    if metric.name in KNOWN_METRICS and not is_weighted:
        return _REPLICATES
    max_rows = _MAX_ROWS_TO_SORT if metric.name in KNOWN_METRICS else _MAX_ROWS_TO_REPEAT
    return int(np.clip(max_rows // rows, _MIN_REPLICATES, _REPLICATES))


def _bootstrap(metric: Metric, truth: np.ndarray, models: Sequence[Predictions], seed: int) -> np.ndarray:
    """Return the score of each model on each resample, of shape (replicates, models)."""
    units = assign_units(len(truth), seed)
    replicates = choose_replicates(metric, len(truth), models[0].weights is not None)
    weights = draw_weights(int(units.max()) + 1, replicates, seed)
    return np.column_stack([make_weighted_scorer(metric, truth, predictions, units)(weights) for predictions in models])


def _read_deviations(deviations: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the standard errors of the differences, and the critical value of the largest deviation."""
    defined = deviations[np.isfinite(deviations).all(axis=1)]
    if len(defined) < len(deviations) / 2:
        return np.full(deviations.shape[1], np.nan), 0
    errors = defined.std(axis=0, ddof=1)
    relative = np.abs(defined) / np.where(errors > 0, errors, np.inf)
    return errors, float(np.quantile(relative.max(axis=1), CONFIDENCE))


def _read_covariance(covariance: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    """Return the standard errors of the differences from the last model, and the critical value."""
    candidates = len(covariance) - 1
    contrasts = np.column_stack([np.eye(candidates), -np.ones(candidates)])
    differences = contrasts @ covariance @ contrasts.T
    errors = np.sqrt(np.maximum(np.diag(differences), 0))
    if candidates == 1 or not np.isfinite(errors).all() or not errors.any():
        return errors, 0
    scale = np.where(errors > 0, errors, 1)
    values, vectors = np.linalg.eigh(differences / np.outer(scale, scale))
    normal = np.random.default_rng(seed).standard_normal((_NORMAL_DRAWS, candidates))
    correlated = normal * np.sqrt(np.maximum(values, 0)) @ vectors.T
    return errors, float(np.quantile(np.abs(correlated).max(axis=1), CONFIDENCE))


def _smallest_critical_value(rows: int) -> float:
    """Return the critical value of a single difference, from Student's distribution."""
    from scipy import stats

    return float(stats.t.ppf((1 + CONFIDENCE) / 2, max(rows - 1, 1)))
