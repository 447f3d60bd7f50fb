"""The request for one fit of a model family: its task, hyperparameters, validation rows and time limit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Minimum number of values (rows times features) of a large table.
_LARGE_TABLE_VALUES = 150_000


@dataclass(frozen=True)
class FitRequest:
    """The task and the limits of one fit.

    Attributes
    ----------
    task : {"binary", "multiclass", "regression"}
    hyperparameters : dict
    rows : int
        Number of training rows.
    validation_features : ndarray of shape (validation rows, features)
        Features of the rows that decide when to stop early.
    validation_y : ndarray of shape (validation rows,)
        Target of the validation rows.
    kinds : sequence of str
        Kind of each feature: ``"category"``, ``"number"``, ``"text"`` or ``"date"``.
    seed : int
    deadline : float
        End of the fit, on the clock of `time.monotonic`; no tree or epoch starts later.
    """

    task: str
    hyperparameters: dict[str, Any]
    rows: int
    validation_features: np.ndarray
    validation_y: np.ndarray
    kinds: Sequence[str]
    seed: int
    deadline: float = field(default=float("inf"))

    @property
    def is_classification(self) -> bool:
        """Whether the target is a class."""
        return self.task != "regression"

    @property
    def is_overdue(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.deadline

    @property
    def learning_rate(self) -> float:
        """Default learning rate. It is higher on large tables, where a short search has time for few trees."""
        return 0.05 if self.rows * len(self.kinds) < _LARGE_TABLE_VALUES else 0.1

    @property
    def categories(self) -> list[int]:
        """Positions of the categorical features."""
        return [position for position, kind in enumerate(self.kinds) if kind == "category"]

    def find_task(self, y: np.ndarray) -> str:
        """Return the task for the labels of some rows: a fold of a multiclass table may contain only two classes."""
        return self.task if self.task == "regression" or len(np.unique(y)) > 2 else "binary"

    def compute_validation_loss(self, model: Any, features: Any, y: np.ndarray) -> float:
        """Compute the log loss of a classification model, or the mean squared error of a regression model.

        Parameters
        ----------
        model : estimator
            Fitted.
        features : array of shape (validation rows, features)
            The validation rows, transformed as the model requires.
        y : ndarray of shape (validation rows,)
            Target of the validation rows, scaled as the model requires.
        """
        if not self.is_classification:
            return float(np.mean((model.predict(features) - y) ** 2))
        probabilities = np.clip(model.predict_proba(features), 1e-6, 1)
        return float(-np.log(probabilities[np.arange(len(y)), y]).mean())
