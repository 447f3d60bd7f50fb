"""The fast form of a model: its encoder on plain arrays, then its last step, without a DataFrame or input checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lib.scoring.columns import Column

# Labels and, for classifiers, probabilities of shape (rows, classes).
Answers = tuple[np.ndarray, np.ndarray | None]
Predict = Callable[[Mapping[str, list]], Answers]


class NoFastModel(Exception):
    """A model has no fast form; the message completes "there is no fast model, because ..."."""


@dataclass(frozen=True)
class FastModel:
    """Predicts from checked values by column, exactly as the model it was built from.

    Attributes
    ----------
    columns : tuple of Column
        The model's inputs.
    encode : callable
        Turns an array for each column, by name, into the matrix of features.
    last : callable
        Turns features into labels and, for classifiers, probabilities.
    classes : numpy.ndarray or None
        The labels of a classifier.
    """

    columns: tuple[Column, ...]
    encode: Callable[[Mapping[str, np.ndarray]], np.ndarray]
    last: Callable[[np.ndarray], Answers]
    classes: np.ndarray | None

    def __call__(self, table: Mapping[str, list]) -> Answers:
        """Return labels and, for classifiers, probabilities."""
        return self.last(self.encode({column.name: column.kind.array(table[column.name]) for column in self.columns}))


def sklearn_step(estimator: Any) -> Callable[[np.ndarray], Answers]:
    """Return a function that runs the last step with the scikit-learn estimator itself."""
    if hasattr(estimator, "predict_proba"):
        return lambda rows: (estimator.predict(rows), estimator.predict_proba(rows))
    return lambda rows: (estimator.predict(rows), None)
