"""A fast model: the encoder on NumPy arrays and then the last step, without a DataFrame or input checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lib.scoring.columns import Column
    from lib.scoring.reasons.tree_shap import TreeArrays

# Labels and, for classifiers, probabilities of shape (rows, classes).
Answers = tuple[np.ndarray, np.ndarray | None]
Predict = Callable[[Mapping[str, list]], Answers]


class NoFastModel(Exception):
    """There is no fast model of a model. The message completes "there is no fast model, because ..."."""


@dataclass(frozen=True)
class FastModel:
    """Predicts from checked values by column, with exactly the answers of the model that it was built from.

    Attributes
    ----------
    columns : tuple of Column
        The model's inputs.
    encode : callable
        Takes an array for each column, by name, and returns the matrix of features.
    last_step : callable
        Takes the matrix of features and returns labels and, for classifiers, probabilities.
    classes : numpy.ndarray or None
        The labels of a classifier.
    trees : TreeArrays or None
        The trees of a gradient boosting, for reasons; None if they are taken from the model itself.
    scale : str
        What the sum of the trees is; see `lib.scoring.reasons.explainers`.
    """

    columns: tuple[Column, ...]
    encode: Callable[[Mapping[str, np.ndarray]], np.ndarray]
    last_step: Callable[[np.ndarray], Answers]
    classes: np.ndarray | None
    trees: TreeArrays | None = None
    scale: str = ""

    def __call__(self, table: Mapping[str, list]) -> Answers:
        """Return labels and, for classifiers, probabilities."""
        return self.last_step(self.make_features(table))

    def make_features(self, table: Mapping[str, list]) -> np.ndarray:
        """Return the features of the last step, of shape (rows, features)."""
        return self.encode({column.name: column.kind.to_array(table[column.name]) for column in self.columns})


def make_sklearn_step(estimator: Any) -> Callable[[np.ndarray], Answers]:
    """Return a function that predicts from features with a scikit-learn estimator."""
    if hasattr(estimator, "predict_proba"):
        return lambda rows: (estimator.predict(rows), estimator.predict_proba(rows))
    return lambda rows: (estimator.predict(rows), None)
