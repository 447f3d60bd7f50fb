"""The score of the best of several candidates, without the luck that made it the best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lib.evaluation.comparison import choose_replicates
from lib.evaluation.resampling import assign_units, draw_weights
from lib.evaluation.weighted_scores import WeightedScorer, make_weighted_scorer
from lib.metrics import Metric, Predictions


def estimate_winner_score(
    metric: Metric, truth: np.ndarray, candidates: Sequence[Predictions], winner: int, seed: int = 0
) -> float:
    """Return the winner's score, corrected for the choice of the best on the same rows.

    The best of several equal models owes its lead to chance, so its score on the rows that it was chosen on is too
    good. Each bootstrap resample repeats the choice on the rows that it contains, and scores the chosen model on the
    rows that it lacks. The loss against the winner on those rows is the luck to subtract. It is 0 if every resample
    chooses the winner.

    Tsamardinos, Greasidou and Borboudakis: Bootstrapping the out-of-sample predictions for efficient and accurate
    cross-validation, 2018.

    Parameters
    ----------
    metric : Metric
    truth : ndarray of shape (rows,)
        True classes or values.
    candidates : sequence of Predictions
        Predictions of all candidates for these rows.
    winner : int
        Position of the candidate with the best score on these rows.
    seed : int

    Returns
    -------
    float
        The score; NaN if the winner's score is.
    """
    observed = metric.score(truth, candidates[winner])
    if len(candidates) == 1 or np.isnan(observed):
        return observed
    units = assign_units(len(truth), seed)
    scorers = [make_weighted_scorer(metric, truth, predictions, units) for predictions in candidates]
    replicates = choose_replicates(metric, len(truth), candidates[0].weights is not None)
    weights = draw_weights(int(units.max()) + 1, replicates, seed)
    losses = _measure_losses(scorers, weights, winner, metric.greater_is_better)
    defined = losses[np.isfinite(losses)]
    return observed + float(defined.mean()) if len(defined) else observed


def _measure_losses(
    scorers: Sequence[WeightedScorer], weights: np.ndarray, winner: int, greater_is_better: bool
) -> np.ndarray:
    """Return the score of the chosen model minus that of the winner, on the rows that each resample lacks."""
    sign = 1 if greater_is_better else -1
    scores = sign * np.column_stack([scorer(weights) for scorer in scorers])
    chosen = np.where(np.isnan(scores), -np.inf, scores).argmax(axis=1)
    losses = np.zeros(len(weights))
    for candidate in set(chosen.tolist()) - {winner}:
        resamples = np.flatnonzero(chosen == candidate)
        left_out = (weights[resamples] == 0).astype(np.uint8)
        losses[resamples] = scorers[candidate](left_out) - scorers[winner](left_out)
    return losses
