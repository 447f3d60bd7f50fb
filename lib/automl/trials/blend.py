"""Several models as one: the folds of a configuration, and a weighted blend of configurations."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin


class Member(BaseEstimator):
    """A model that was trained on some of the classes and predicts probabilities for all of them.

    Parameters
    ----------
    model : estimator or None
        Trained on the labels 0, 1, 2, ... without gaps, or on numbers. None if there was only one class to train on.
    known_classes : sequence of int or None
        For each label, the index of its class among all classes; None for a regression.
    class_count : int
        Number of all classes.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> features = np.zeros((2, 1))
    >>> Member(DummyClassifier().fit(features, [0, 1]), known_classes=[0, 2], class_count=3).predict_outputs(features)
    array([[0.5, 0. , 0.5],
           [0.5, 0. , 0.5]])
    """

    def __init__(self, model: Any, known_classes: Sequence[int] | None, class_count: int):
        self.model = model
        self.known_classes = known_classes
        self.class_count = class_count

    def predict_outputs(self, features: np.ndarray) -> np.ndarray:
        """Return probabilities of shape (rows, classes), or a regression's predictions of shape (rows, 1)."""
        if self.known_classes is None:
            return np.asarray(self.model.predict(features), dtype=float).reshape(-1, 1)
        probabilities = np.zeros((len(features), self.class_count))
        if len(self.known_classes) == 1:
            probabilities[:, self.known_classes[0]] = 1
        else:
            probabilities[:, self.known_classes] = self.model.predict_proba(features)
        return probabilities


class Blend(BaseEstimator):
    """Weighted mean of members.

    Parameters
    ----------
    members : list of Member
        At least one.
    weights : list of float
        One weight per member, with a sum of 1.
    """

    def __init__(self, members: list[Member], weights: list[float]):
        self.members = members
        self.weights = weights

    def fit(self, X: Any, y: Any) -> Blend:
        """Do nothing: the members are fitted already."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict_outputs(self, features: np.ndarray) -> np.ndarray:
        """Return the weighted mean of the members' outputs, of shape (rows, classes) or (rows, 1)."""
        weighted = (
            weight * member.predict_outputs(features) for member, weight in zip(self.members, self.weights, strict=True)
        )
        return functools.reduce(np.add, weighted)


class BlendClassifier(ClassifierMixin, Blend):
    """A blend that predicts classes.

    Parameters
    ----------
    members : list of Member
    weights : list of float
    classes : numpy.ndarray
        All classes.
    """

    def __init__(self, members: list[Member], weights: list[float], classes: np.ndarray):
        super().__init__(members, weights)
        self.classes = classes
        self.classes_ = classes

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Return probabilities of shape (rows, classes)."""
        probabilities = np.clip(self.predict_outputs(features), 0, 1)
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the most likely class of each row."""
        return self.classes_[self.predict_proba(features).argmax(axis=1)]


class BlendRegressor(RegressorMixin, Blend):
    """A blend that predicts numbers."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the weighted mean of the members' predictions."""
        return self.predict_outputs(features)[:, 0]


def make_blend(members: list[Member], weights: list[float], classes: np.ndarray | None) -> Blend:
    """Return a blend for a classification, or for a regression if `classes` is None."""
    if classes is None:
        return BlendRegressor(members, weights)
    return BlendClassifier(members, weights, classes)


def average_out_of_bag(outputs_by_model: Sequence[np.ndarray]) -> np.ndarray:
    """Average the out-of-bag outputs of several bagged models.

    Parameters
    ----------
    outputs_by_model : sequence of ndarray of shape (rows, outputs)
        Out-of-bag outputs of each model; NaN for a row that all trees of the model were trained on.

    Returns
    -------
    ndarray of shape (rows, outputs)
        A row without an output of any model gets the mean of all other rows.

    Examples
    --------
    >>> average_out_of_bag([np.array([[1.0], [np.nan]]), np.array([[3.0], [np.nan]])]).tolist()
    [[2.0], [2.0]]
    """
    is_present = np.isfinite(outputs_by_model)
    model_counts = is_present.sum(axis=0)
    sums = np.where(is_present, outputs_by_model, 0).sum(axis=0)
    overall_mean = sums.sum(axis=0) / model_counts.sum(axis=0)
    return np.where(model_counts, sums / np.maximum(model_counts, 1), overall_mean)
