"""A faster form of a model: its encoder on plain arrays, then its last step; no DataFrame, and no checks."""

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
    """There is no faster form of this model; the message says why, for people."""


@dataclass(frozen=True)
class FastModel:
    """Answers to checked values by column.

    Attributes
    ----------
    columns : tuple of Column
        Of the model.
    encode : callable
        From an array for each column, by name, to the matrix of features.
    last : callable
        From features to labels and, for classifiers, probabilities.
    classes : numpy.ndarray or None
        Of a classifier.
    """

    columns: tuple[Column, ...]
    encode: Callable[[Mapping[str, np.ndarray]], np.ndarray]
    last: Callable[[np.ndarray], Answers]
    classes: np.ndarray | None

    def __call__(self, table: Mapping[str, list]) -> Answers:
        """What it says of the rows of a table."""
        return self.last(self.encode({one.name: one.kind.array(table[one.name]) for one in self.columns}))


def sklearn_step(model: Any) -> Callable[[np.ndarray], Answers]:
    """The last step as scikit-learn has it."""
    if hasattr(model, "predict_proba"):
        return lambda rows: (model.predict(rows), model.predict_proba(rows))
    return lambda rows: (model.predict(rows), None)
