"""Models as one: the folds of a configuration, and a weighted blend of configurations."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from lib.metrics import Metric, Predictions

ROUNDS = 40
MOST_ROWS = 10_000
# What the blend must gain for another model to be worth its time: less is luck.
LEAST_GAIN = 1e-5


class Member(BaseEstimator):
    """A model of some of the classes, answering for all of them.

    Parameters
    ----------
    model : estimator
        Of the labels 0, 1, 2, ..., without a gap, or of numbers.
    present : sequence of int or None
        Which classes those stand for; None for a regression.
    classes : int
        How many there are.
    """

    def __init__(self, model: Any, present: Sequence[int] | None, classes: int):
        self.model = model
        self.present = present
        self.classes = classes

    def answer(self, F: np.ndarray) -> np.ndarray:
        """Probabilities of shape (rows, classes), or numbers of shape (rows, 1)."""
        if self.present is None:
            return np.asarray(self.model.predict(F), dtype=float).reshape(-1, 1)
        if len(self.present) == 1:
            return np.eye(self.classes)[np.full(len(F), self.present[0])]
        found = np.asarray(self.model.predict_proba(F), dtype=float)
        if len(self.present) == self.classes:
            return found
        whole = np.zeros((len(F), self.classes))
        whole[:, self.present] = found
        return whole


class Blend(BaseEstimator):
    """Weighted mean of what members say.

    Parameters
    ----------
    members : list of Member
    weights : list of float
        Of each, adding up to 1.
    """

    def __init__(self, members: list[Member], weights: list[float]):
        self.members = members
        self.weights = weights

    def fit(self, X: Any, y: Any) -> Blend:
        """Nothing: its members are fitted."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def answer(self, F: np.ndarray) -> np.ndarray:
        """Mean of the members' answers."""
        return sum(weight * member.answer(F) for member, weight in zip(self.members, self.weights, strict=True))


class BlendClassifier(ClassifierMixin, Blend):
    """A blend that gives classes; ``classes_`` are set by whoever made the members."""

    def __init__(self, members: list[Member], weights: list[float], classes: np.ndarray):
        super().__init__(members, weights)
        self.classes = classes
        self.classes_ = classes

    def predict_proba(self, F: np.ndarray) -> np.ndarray:
        """Probabilities, one column for each of ``classes_``."""
        found = np.clip(self.answer(F), 0, 1)
        return found / found.sum(axis=1, keepdims=True)

    def predict(self, F: np.ndarray) -> np.ndarray:
        """The class of the highest probability."""
        return self.classes_[self.predict_proba(F).argmax(axis=1)]


class BlendRegressor(RegressorMixin, Blend):
    """A blend that gives numbers."""

    def predict(self, F: np.ndarray) -> np.ndarray:
        """Weighted mean of the members' numbers."""
        return self.answer(F)[:, 0]


def predictions(answers: np.ndarray, classes: np.ndarray | None, positive: Any) -> Predictions:
    """Answers as metrics take them."""
    if classes is None:
        return Predictions(answers[:, 0])
    clipped = np.clip(answers, 0, 1)
    clipped = clipped / np.maximum(clipped.sum(axis=1, keepdims=True), 1e-12)
    return Predictions(classes[clipped.argmax(axis=1)], clipped, classes, positive)


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
    """Weights of a blend: greedily, with replacement, whatever model helps most.

    Caruana, Niculescu-Mizil, Crew and Ksikes: Ensemble selection from libraries of models. ICML 2004.

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
        Of the rows, where there are more than needed.

    Returns
    -------
    dict of str to float
        By model, adding up to 1; one model where none helps it.
    """
    rows = np.arange(len(y))
    if len(y) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    some = {name: answer[rows] for name, answer in answers.items()}
    truth, sign = y[rows], 1.0 if metric.greater_is_better else -1.0

    def gain(blend: np.ndarray) -> tuple[float, float]:
        found = predictions(blend, classes, positive)
        return sign * metric.score(truth, found), -_loss(found, truth, classes)

    chosen: list[str] = []
    total, best = 0.0, None
    for _ in range(ROUNDS):
        taken = set(chosen)
        spent = sum(latency[name] for name in taken)
        fits = [
            name
            for name in some
            if most_latency is None or not taken or name in taken or spent + latency[name] <= most_latency
        ]
        scored = {}
        for name in fits:
            scored[name] = gain((total + some[name]) / (len(chosen) + 1))
            if chosen and time.monotonic() > until:
                break
        name = max(scored, key=lambda one: scored[one])
        if best is not None and scored[name] <= (best[0] + LEAST_GAIN * abs(best[0]), best[1]):
            break
        best = scored[name]
        chosen.append(name)
        total = total + some[name]
        if time.monotonic() > until:
            break
    return {name: chosen.count(name) / len(chosen) for name in dict.fromkeys(chosen)}


def _loss(found: Predictions, truth: np.ndarray, classes: np.ndarray | None) -> float:
    """Log loss or squared error: what decides between blends of one score."""
    if classes is None:
        return float(np.mean((found.labels - truth) ** 2))
    places = np.searchsorted(classes, truth)
    return float(-np.log(np.clip(found.probabilities[np.arange(len(truth)), places], 1e-9, 1)).mean())
