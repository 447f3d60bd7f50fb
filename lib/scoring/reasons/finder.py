"""Reasons for answers: the raw columns that moved the score of a row most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.scoring.fast_model.form import FastModel
from lib.scoring.model import Model
from lib.scoring.reasons.explainers import (
    LOG_ODDS,
    NUMBER,
    PROBABILITY,
    Explainer,
    NoExplainerError,
    find_explainer,
    make_tree_explainer,
)
from lib.scoring.reasons.sampled import sample_contributions
from lib.scoring.request_error import RequestError

EXACT, SAMPLED = "exact", "sampled"


@dataclass(frozen=True)
class Contributions:
    """What each raw column adds to the scores of some rows.

    Attributes
    ----------
    values : ndarray of shape (rows, columns)
        In the order of the model's columns.
    expected : ndarray of shape (rows,)
        The mean score that the values are added to.
    classes : ndarray of int, of shape (rows,)
        The position of the class whose score is explained; -1 for a regression.
    """

    values: np.ndarray
    expected: np.ndarray
    classes: np.ndarray


class ReasonFinder:
    """Finds what each raw column adds to the answers of a model.

    The contributions of features that are made from a column, such as the parts of a date, are added.

    Parameters
    ----------
    model : Model
    predictor : FastModel or SklearnModel
        Predicts with the model.

    Attributes
    ----------
    method : str
        ``"exact"``, or ``"sampled"`` if the model has no exact explainer.
    scale : str
        What is explained; see `lib.scoring.reasons.explainers`.
    """

    def __init__(self, model: Model, predictor: Any):
        self._model, self._predictor = model, predictor
        self._names = [column.name for column in model.columns]
        self._explainer: Explainer | None = None
        encoder: Any = getattr(predictor, "encode", None) or getattr(predictor, "encoder", None)
        try:
            self._explainer = self._find_explainer(encoder)
            self.method, self.scale = EXACT, self._explainer.scale
            positions = {name: position for position, name in enumerate(self._names)}
            names = encoder.feature_columns()
            self._columns_of_features = np.zeros((len(names), len(self._names)))
            self._columns_of_features[np.arange(len(names)), [positions[name] for name in names]] = 1
        except NoExplainerError:
            self.method = SAMPLED
            self.scale = NUMBER if predictor.classes is None else PROBABILITY

    @property
    def cost(self) -> int:
        """Number of steps for a row, to which the time is proportional."""
        return 0 if self._explainer is None else self._explainer.cost

    def find(self, table: Mapping[str, list], labels: np.ndarray) -> Contributions:
        """Return the contributions to the answers for checked values by column.

        Parameters
        ----------
        table : mapping of str to list
        labels : ndarray of shape (rows,)
            The predictions. Of several classes, the predicted one is explained; of two, the positive one.

        Raises
        ------
        RequestError
            With status 422, if the contributions have to be sampled and the model has no example rows.
        """
        classes = self._choose_classes(labels)
        if self._explainer is None:
            return self._sample(table, classes)
        features = to_dense(self._predictor.make_features(table))
        by_feature, expected = self._explainer.explain(features, classes)
        return Contributions(by_feature @ self._columns_of_features, expected, classes)

    def _choose_classes(self, labels: np.ndarray) -> np.ndarray:
        """Return the position of the class to explain for each row; -1 for a regression."""
        classes = self._predictor.classes
        if classes is None:
            return np.full(len(labels), -1)
        if len(classes) == 2:
            return np.full(len(labels), (self._model.explanation or {}).get("positive_column", 1))
        return np.array([int(np.flatnonzero(classes == label)[0]) for label in labels], dtype=int)

    def _find_explainer(self, encoder: Any) -> Explainer:
        estimator = self._model.estimator
        if not hasattr(encoder, "feature_columns") or (estimator is not None and len(estimator) != 2):
            raise NoExplainerError("it is not a pipeline of a table encoder and a model")
        feature_count = len(encoder.feature_columns())
        if estimator is None:
            assert isinstance(self._predictor, FastModel) and self._predictor.trees is not None
            return make_tree_explainer(self._predictor.trees, feature_count, self._predictor.scale)
        means = (self._model.explanation or {}).get("feature_means")
        return find_explainer(estimator[-1], feature_count, None if means is None else np.array(means, dtype=float))

    def _sample(self, table: Mapping[str, list], classes: np.ndarray) -> Contributions:
        if not self._model.examples:
            raise RequestError(422, "no_reasons", "This model has no example rows, from which reasons are estimated.")
        values, expected = np.empty((len(classes), len(self._names))), np.empty(len(classes))
        for number, position in enumerate(classes):

            def score(rows: dict[str, list], position: int = position) -> np.ndarray:
                labels, probabilities = self._predictor(rows)
                return labels if probabilities is None else probabilities[:, position]

            row = {name: table[name][number] for name in self._names}
            values[number], expected[number] = sample_contributions(score, row, self._model.examples)
        return Contributions(values, expected, classes)


def to_dense(features: Any) -> np.ndarray:
    """Return features as an array of floats. Encoders return a sparse matrix if most of the features are 0."""
    return np.ascontiguousarray(features.toarray() if hasattr(features, "toarray") else features, dtype=float)


def list_reasons(contributions: Contributions, names: list[str], count: int, classes: list | None) -> list[dict]:
    """Return the columns with the largest contributions to the score of each row.

    Parameters
    ----------
    contributions : Contributions
    names : list of str
        The columns.
    count : int
        Number of reasons per row.
    classes : list or None
        The labels of a classifier.

    Returns
    -------
    list of dict
        For each row ``average``, the mean score; ``columns``, each with its ``effect`` on the score; and the explained
        ``class`` for classifiers. Columns without an effect are left out.

    Examples
    --------
    >>> contributions = Contributions(np.array([[0.5, -2.0, 0.0]]), np.array([0.1]), np.array([1]))
    >>> list_reasons(contributions, ["a", "b", "c"], 3, ["no", "yes"])
    [{'class': 'yes', 'average': 0.1, 'columns': [{'column': 'b', 'effect': -2.0}, {'column': 'a', 'effect': 0.5}]}]
    """
    order = np.argsort(-np.abs(contributions.values), axis=1, kind="stable")[:, :count].tolist()
    reasons = []
    for row, (values, expected, position) in enumerate(
        zip(contributions.values.tolist(), contributions.expected.tolist(), contributions.classes.tolist(), strict=True)
    ):
        columns = [{"column": names[column], "effect": values[column]} for column in order[row] if values[column]]
        label = {} if classes is None else {"class": classes[position]}
        reasons.append({**label, "average": expected, "columns": columns})
    return reasons


def describe_scale(scale: str) -> str:
    """Return what an effect is added to, in words.

    >>> describe_scale("log-odds")
    'the log-odds of the class'
    """
    words = {
        LOG_ODDS: "the log-odds of the class",
        PROBABILITY: "the probability of the class",
        NUMBER: "the prediction",
    }
    return words.get(scale, "the logarithm of the prediction")
