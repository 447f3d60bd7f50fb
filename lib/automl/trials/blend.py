"""Models as one: the folds of a configuration, and a weighted blend of configurations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from lib.metrics import Predictions


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


def out_of_bag(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of what parts say of rows that they have left out; of a row that none has, what they say of the others.

    Parameters
    ----------
    parts : sequence of ndarray of shape (rows, classes or 1)
        NaN where a part has left nothing out.
    """
    said = np.isfinite(parts)
    count = said.sum(axis=0)
    total = np.where(said, parts, 0).sum(axis=0)
    return np.where(count, total / np.maximum(count, 1), total.sum(axis=0) / count.sum(axis=0))


def predictions(answers: np.ndarray, classes: np.ndarray | None, positive: Any) -> Predictions:
    """Answers as metrics take them."""
    if classes is None:
        return Predictions(answers[:, 0])
    clipped = np.clip(answers, 0, 1)
    clipped = clipped / np.maximum(clipped.sum(axis=1, keepdims=True), 1e-12)
    return Predictions(classes[clipped.argmax(axis=1)], clipped, classes, positive)
