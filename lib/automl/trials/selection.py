"""Which models are blended, and with what weights: greedy ensemble selection, on bags of rows and models.

References
----------
Caruana, Niculescu-Mizil, Crew and Ksikes: Ensemble selection from libraries of models. ICML 2004 (bags of models,
against overfitting; here rows are drawn too, and of a few models none is left out).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import numpy as np

from lib.automl.trials.blend import predictions
from lib.metrics import Metric, Predictions

BAGS, SHARE_OF_ROWS, SHARE_OF_MODELS, MANY_MODELS = 16, 0.6, 0.7, 10
ROUNDS = 40
MOST_ROWS = 10_000
# What a bag must gain for another model to be worth its time: less is luck.
LEAST_GAIN = 1e-5
# Of the greatest weight: with less a model is not worth the time that it takes for a row.
LEAST_WEIGHT = 0.2


def weights(
    answers: Mapping[str, np.ndarray],
    y: np.ndarray,
    metric: Metric,
    classes: np.ndarray | None,
    positive: Any,
    latency: Mapping[str, float],
    most_latency: float | None,
    until: float,
    seed: int,
) -> dict[str, float]:
    """Weights of a blend: the mean of what is chosen on all rows, and on some of them as often as there is time.

    Every second bag goes by the loss: of a small table it says more than a metric of ranks or of right classes.

    Parameters
    ----------
    answers : mapping of str to ndarray of shape (rows, classes or 1)
        By model: what it says of rows it has not seen.
    y : ndarray of shape (rows,)
    metric : Metric
    classes : ndarray or None
    positive : object
    latency : mapping of str to float
        By model: what one row takes, in milliseconds.
    most_latency : float or None
        What one row may take in all.
    until : float
        Of `time.monotonic`: no further round begins then.
    seed : int
        Of what is drawn.

    Returns
    -------
    dict of str to float
        By model, adding up to 1; one model where none helps it.
    """
    rng = np.random.default_rng(seed)
    rows = np.arange(len(y))
    if len(y) > MOST_ROWS:
        rows = np.sort(rng.choice(rows, MOST_ROWS, replace=False))
    sign = 1.0 if metric.greater_is_better else -1.0

    def by_metric(blend: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
        found = predictions(blend, classes, positive)
        return sign * metric.score(truth, found), -_loss(found, truth, classes)

    def by_loss(blend: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
        return -_loss(predictions(blend, classes, positive), truth, classes), 0.0

    fits = partial(_fits, latency=latency, most_latency=most_latency)
    found = dict.fromkeys(answers, 0.0)
    for bag in range(BAGS):
        if bag and time.monotonic() > until:
            break
        some = rng.choice(rows, math.ceil(SHARE_OF_ROWS * len(rows)), replace=False) if bag else rows
        drawn = list(answers)
        if bag and len(drawn) >= MANY_MODELS:
            drawn = rng.choice(drawn, math.ceil(SHARE_OF_MODELS * len(drawn)), replace=False).tolist()
        judge = partial(by_loss if bag % 2 else by_metric, truth=y[some])
        chosen = _greedy({name: answers[name][some] for name in drawn}, judge, fits, until)
        for name in chosen:
            found[name] += 1 / len(chosen)
    return _pruned(found, fits)


def _greedy(
    answers: Mapping[str, np.ndarray],
    judge: Callable[[np.ndarray], tuple[float, float]],
    fits: Callable[[Collection[str]], bool],
    until: float,
) -> list[str]:
    """Names of models, with replacement: whichever helps most, until none does."""
    chosen: list[str] = []
    total, best = 0.0, None
    for _ in range(ROUNDS):
        scored = {}
        for name in answers:
            if chosen and not fits({*chosen, name}):
                continue
            scored[name] = judge((total + answers[name]) / (len(chosen) + 1))
            if chosen and time.monotonic() > until:
                break
        name = max(scored, key=lambda one: scored[one])
        if best is not None and scored[name] <= (best[0] + LEAST_GAIN * abs(best[0]), best[1]):
            break
        best = scored[name]
        chosen.append(name)
        total = total + answers[name]
        if time.monotonic() > until:
            break
    return chosen


def _fits(names: Collection[str], latency: Mapping[str, float], most_latency: float | None) -> bool:
    """Whether such models together are quick enough."""
    return most_latency is None or sum(latency[name] for name in names) <= most_latency


def _pruned(found: Mapping[str, float], fits: Callable[[Collection[str]], bool]) -> dict[str, float]:
    """Weights adding up to 1, without models that add next to nothing, or more time than there is."""
    kept = sorted((name for name in found if found[name] > 0), key=lambda name: -found[name])
    least = LEAST_WEIGHT * found[kept[0]]
    while len(kept) > 1 and (found[kept[-1]] < least or not fits(kept)):
        kept.pop()
    total = sum(found[name] for name in kept)
    return {name: found[name] / total for name in kept}


def _loss(found: Predictions, truth: np.ndarray, classes: np.ndarray | None) -> float:
    """Log loss or squared error: what decides between blends of one score."""
    if classes is None:
        return float(np.mean((found.labels - truth) ** 2))
    places = np.searchsorted(classes, truth)
    return float(-np.log(np.clip(found.probabilities[np.arange(len(truth)), places], 1e-9, 1)).mean())
