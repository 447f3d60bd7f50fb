"""A histogram gradient boosting that predicts without scikit-learn."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from lib.scoring.fast_model.form import Answers, NoFastModel
from lib.scoring.fast_model.trees import Trees

_MAX_EXPONENT = math.log(sys.float_info.max)


class Boosting:
    """Predicts from rows of features with the trees of a gradient boosting.

    Parameters
    ----------
    trees : Trees
    link : str
        Name of the link function's class in scikit-learn, a key of `INVERSE_LINKS`.
    classes : numpy.ndarray or None
        The labels of a classifier.
    """

    def __init__(self, trees: Trees, link: str, classes: np.ndarray | None):
        if link not in INVERSE_LINKS:
            raise NoFastModel(f"its link function {link} is not supported (supported: {', '.join(INVERSE_LINKS)})")
        self.trees, self.link, self.classes = trees, link, classes
        self._inverse_link = INVERSE_LINKS[link]

    @classmethod
    def from_sklearn(cls, model: Any) -> Boosting:
        """Convert a HistGradientBoostingClassifier or HistGradientBoostingRegressor.

        Raises
        ------
        NoBitMasks, NoFastModel
            If the model cannot be converted.
        """
        return cls(Trees.from_sklearn(model), type(model._loss.link).__name__, getattr(model, "classes_", None))

    def __call__(self, rows: np.ndarray) -> Answers:
        """Return labels and, for a classifier, probabilities of shape (rows, classes)."""
        sums = self.trees(rows)
        if self.classes is None:
            return self._inverse_link(sums.ravel()), None
        class_indices = sums[:, 0] > 0 if sums.shape[1] == 1 else sums.argmax(axis=1)
        return self.classes.take(class_indices), self._inverse_link(sums)


def _binary_probabilities(sums: np.ndarray) -> np.ndarray:
    # math.exp calls C's exp, as scipy.special.expit does; np.exp rounds differently in the last bit.
    exponents = (-sums[:, 0]).tolist()
    try:
        powers = np.fromiter(map(math.exp, exponents), float, len(sums))
    except OverflowError:
        powers = np.array([math.exp(value) if value < _MAX_EXPONENT else math.inf for value in exponents])
    probabilities = np.empty((len(sums), 2))
    np.divide(1, 1 + powers, probabilities[:, 1])
    np.subtract(1, probabilities[:, 1], probabilities[:, 0])
    return probabilities


def _multiclass_probabilities(sums: np.ndarray) -> np.ndarray:
    # Scikit-learn's arrays have this memory order, on which the rounding of NumPy's sums depends.
    powers = np.asfortranarray(sums)
    powers = np.exp(powers - powers.max(axis=1)[:, None])
    powers /= powers.sum(axis=1)[:, None]
    return powers


def _identity(sums: np.ndarray) -> np.ndarray:
    return sums


INVERSE_LINKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "LogitLink": _binary_probabilities,
    "MultinomialLogit": _multiclass_probabilities,
    "IdentityLink": _identity,
    "LogLink": np.exp,
}
