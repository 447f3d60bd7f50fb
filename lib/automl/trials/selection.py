"""The models of a blend and their weights: greedy ensemble selection, bagged over rows and models.

References
----------
Caruana, Niculescu-Mizil, Crew and Ksikes: Ensemble selection from libraries of models. ICML 2004. They sample models
for each bag to avoid overfitting. Here, a bag also samples rows, and contains all models if there are few.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from lib.automl.trials.encoding import EncodedTarget
from lib.metrics import Metric, Predictions

BAGS, ROW_SHARE_PER_BAG, MODEL_SHARE_PER_BAG = 16, 0.6, 0.7
MIN_MODELS_TO_SAMPLE = 10
MAX_ROUNDS = 40
MAX_ROWS = 10_000
# A model is added to a bag only if it improves the score by at least this share; smaller gains are due to chance.
MIN_RELATIVE_GAIN = 1e-5
# Models with less than this share of the greatest weight are dropped, because they slow down every prediction.
MIN_RELATIVE_WEIGHT = 0.2

# A score and a tie-breaker; for both, higher is better.
Score = tuple[float, float]


@dataclass(frozen=True)
class SelectionTask:
    """The rows and the metric by which models are compared.

    Attributes
    ----------
    target : EncodedTarget
        Target of the rows on which models are compared.
    metric : Metric
        The primary metric.
    """

    target: EncodedTarget
    metric: Metric

    def score_by_metric(self, outputs: np.ndarray, rows: np.ndarray) -> Score:
        """Score outputs for some rows by the metric, and by the loss between equal scores."""
        raw = None if self.target.raw is None else self.target.raw.iloc[rows]
        predictions = self.target.make_predictions(outputs, raw)
        sign = 1.0 if self.metric.greater_is_better else -1.0
        return sign * self.metric.score(self.target.values[rows], predictions), -self._compute_loss(predictions, rows)

    def score_by_loss(self, outputs: np.ndarray, rows: np.ndarray) -> Score:
        """Score outputs for some rows by the loss."""
        return -self._compute_loss(self.target.make_predictions(outputs), rows), 0.0

    def _compute_loss(self, predictions: Predictions, rows: np.ndarray) -> float:
        """Return the log loss of a classification, or the mean squared error of a regression."""
        labels = self.target.labels[rows]
        if predictions.probabilities is None:
            return float(np.mean((predictions.labels - labels) ** 2))
        probabilities = predictions.probabilities[np.arange(len(labels)), labels]
        return float(-np.log(np.clip(probabilities, 1e-9, 1)).mean())


@dataclass(frozen=True)
class SelectionLimits:
    """The limits of a blend and of the time to select it.

    Attributes
    ----------
    row_ms : mapping of str to float
        Milliseconds to predict one row, by model.
    max_row_ms : float or None
        Maximum milliseconds for the blend to predict one row; None means no limit.
    deadline : float
        End of the selection, on the clock of `time.monotonic`; no round starts later.
    """

    row_ms: Mapping[str, float]
    max_row_ms: float | None
    deadline: float

    def are_fast_enough(self, models: Collection[str]) -> bool:
        """Return whether the sum of the models' latencies is within the limit."""
        return self.max_row_ms is None or sum(self.row_ms[name] for name in models) <= self.max_row_ms

    @property
    def is_overdue(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.deadline


def select_weights(
    outputs: Mapping[str, np.ndarray], task: SelectionTask, limits: SelectionLimits, seed: int
) -> dict[str, float]:
    """Select the models of a blend, and return their weights.

    The first bag contains all rows and models; every other bag contains a sample of them. The weights are averaged over
    the bags. Every second bag compares models by loss, which is less noisy on small tables than AUC or accuracy.

    Parameters
    ----------
    outputs : mapping of str to ndarray of shape (rows, classes or 1)
        Outputs of each model for rows on which it was not trained.
    task : SelectionTask
    limits : SelectionLimits
    seed : int
        Seed of the samples.

    Returns
    -------
    dict of str to float
        Weights by model, with a sum of 1; a single model if no other improves it.

    Examples
    --------
    Two models whose errors cancel get the same weight:

    >>> from lib import metrics
    >>> y = np.array([0.0, 1.0, 2.0, 3.0])
    >>> outputs = {"too low": (y - 1)[:, None], "too high": (y + 1)[:, None]}
    >>> task = SelectionTask(EncodedTarget(y, y, None, None), metrics.get("rmse", "regression"))
    >>> limits = SelectionLimits({"too low": 1.0, "too high": 1.0}, max_row_ms=None, deadline=float("inf"))
    >>> select_weights(outputs, task, limits, seed=0)
    {'too low': 0.5, 'too high': 0.5}
    """
    rng = np.random.default_rng(seed)
    all_rows = np.arange(len(task.target.values))
    if len(all_rows) > MAX_ROWS:
        all_rows = np.sort(rng.choice(all_rows, MAX_ROWS, replace=False))
    weights = dict.fromkeys(outputs, 0.0)
    for bag in range(BAGS):
        if bag and limits.is_overdue:
            break
        rows = rng.choice(all_rows, math.ceil(ROW_SHARE_PER_BAG * len(all_rows)), replace=False) if bag else all_rows
        models = list(outputs)
        if bag and len(models) >= MIN_MODELS_TO_SAMPLE:
            models = rng.choice(models, math.ceil(MODEL_SHARE_PER_BAG * len(models)), replace=False).tolist()
        score = partial(task.score_by_loss if bag % 2 else task.score_by_metric, rows=rows)
        selected = _select_greedily({name: outputs[name][rows] for name in models}, score, limits)
        for name in selected:
            weights[name] += 1 / len(selected)
    return _prune(weights, limits)


def _select_greedily(
    outputs: Mapping[str, np.ndarray], score: Callable[[np.ndarray], Score], limits: SelectionLimits
) -> list[str]:
    """Repeatedly add the model that improves the blend most, until none does; a model may be added several times."""
    selected: list[str] = []
    output_sum: np.ndarray | float = 0.0
    best_score: Score | None = None
    while len(selected) < MAX_ROUNDS:
        scores = {}
        for name in outputs:
            if selected and not limits.are_fast_enough({*selected, name}):
                continue
            scores[name] = score((output_sum + outputs[name]) / (len(selected) + 1))
            if selected and limits.is_overdue:
                break
        if not scores:
            break  # the first model alone exceeds the latency limit
        best = max(scores, key=lambda name: scores[name])
        if best_score is not None:
            required = best_score[0] + MIN_RELATIVE_GAIN * abs(best_score[0])
            if scores[best] <= (required, best_score[1]):  # tuples: of equal scores, the tie-breakers are compared
                break
        best_score = scores[best]
        selected.append(best)
        output_sum = output_sum + outputs[best]
        if limits.is_overdue:
            break
    return selected


def _prune(weights: Mapping[str, float], limits: SelectionLimits) -> dict[str, float]:
    """Drop models with a small weight, then more models until the blend is fast enough; scale the sum to 1."""
    heaviest_first = sorted((name for name in weights if weights[name] > 0), key=lambda name: -weights[name])
    min_weight = MIN_RELATIVE_WEIGHT * weights[heaviest_first[0]]
    while len(heaviest_first) > 1 and (
        weights[heaviest_first[-1]] < min_weight or not limits.are_fast_enough(heaviest_first)
    ):
        heaviest_first.pop()
    weight_sum = sum(weights[name] for name in heaviest_first)
    return {name: weights[name] / weight_sum for name in heaviest_first}
