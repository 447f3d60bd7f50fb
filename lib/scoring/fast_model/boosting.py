"""A histogram gradient boosting without scikit-learn: its trees, its link, and its classes."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from lib.scoring.fast_model.form import Answers, NoFastModel
from lib.scoring.fast_model.trees import Trees

MOST_EXPONENT = math.log(sys.float_info.max)


class Boosting:
    """Answers to rows of features.

    Parameters
    ----------
    trees : Trees
    link : str
        Of `LINKS`, by scikit-learn's name.
    classes : numpy.ndarray or None
        Of a classifier.
    """

    def __init__(self, trees: Trees, link: str, classes: np.ndarray | None):
        if link not in LINKS:
            raise NoFastModel(f"its link is a {link}; known are {', '.join(LINKS)}")
        self.trees, self.link, self.classes = trees, link, classes
        self._inverse = LINKS[link]

    @classmethod
    def from_sklearn(cls, model: Any) -> Boosting:
        """The same of a HistGradientBoostingClassifier or HistGradientBoostingRegressor.

        Raises
        ------
        NoBitMasks, NoFastModel
        """
        return cls(Trees.from_sklearn(model), type(model._loss.link).__name__, getattr(model, "classes_", None))

    def __call__(self, rows: np.ndarray) -> Answers:
        """Labels and, of a classifier, probabilities."""
        sums = self.trees(rows)
        if self.classes is None:
            return self._inverse(sums.ravel()), None
        numbers = sums[:, 0] > 0 if sums.shape[1] == 1 else sums.argmax(axis=1)
        return self.classes.take(numbers), self._inverse(sums)


def _of_two(sums: np.ndarray) -> np.ndarray:
    # By the exponential of C, as in scipy.special.expit: NumPy's own rounds otherwise.
    against = (-sums[:, 0]).tolist()
    try:
        raised = np.fromiter(map(math.exp, against), float, len(sums))
    except OverflowError:
        raised = np.array([math.exp(one) if one < MOST_EXPONENT else math.inf for one in against])
    answers = np.empty((len(sums), 2))
    np.divide(1, 1 + raised, answers[:, 1])
    np.subtract(1, answers[:, 1], answers[:, 0])
    return answers


def _of_several(sums: np.ndarray) -> np.ndarray:
    # By column in memory, which decides in which order NumPy adds, as scikit-learn has them.
    raised = np.asfortranarray(sums)
    raised = np.exp(raised - raised.max(axis=1)[:, None])
    raised /= raised.sum(axis=1)[:, None]
    return raised


def _as_it_is(sums: np.ndarray) -> np.ndarray:
    return sums


LINKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "LogitLink": _of_two,
    "MultinomialLogit": _of_several,
    "IdentityLink": _as_it_is,
    "LogLink": np.exp,
}
