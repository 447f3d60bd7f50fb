"""What a model says of some rows, in one form for every task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lib.errors import ParameterError, suggest

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class Predictions:
    """What a model says of some rows.

    Attributes
    ----------
    labels : ndarray of shape (rows,)
        Predicted classes, or numbers for a regression.
    probabilities : ndarray of shape (rows, classes) or None
        Probability of each class; None for a regression.
    classes : ndarray of shape (classes,) or None
        What the columns of `probabilities` stand for.
    positive : object or None
        The positive class, for two classes only.
    """

    labels: np.ndarray
    probabilities: np.ndarray | None = None
    classes: np.ndarray | None = None
    positive_class: Any = None

    @property
    def positive_probability(self) -> np.ndarray:
        """Probability of the positive class, of shape (rows,)."""
        return self.probabilities[:, list(self.classes).index(self.positive_class)]


def predict(model: Any, X: pd.DataFrame, task: str, positive_class: Any = None) -> Predictions:
    """Predictions of a fitted scikit-learn estimator.

    Parameters
    ----------
    model : estimator
        With ``predict`` and, for classes, ``predict_proba`` and ``classes_``.
    X : DataFrame of shape (rows, columns)
        Raw columns.
    task : str
        ``"binary"``, ``"multiclass"`` or ``"regression"``.
    positive_class : object, optional
        The positive of two classes; empty means the second in sorted order, as in scikit-learn.

    Returns
    -------
    Predictions
    """
    import numpy as np

    if task == "regression":
        return Predictions(np.asarray(model.predict(X), dtype=float))
    probabilities = np.asarray(model.predict_proba(X), dtype=float)
    classes = np.asarray(model.classes_)
    positive = find_positive_class(classes, positive_class) if task == "binary" else None
    return Predictions(np.asarray(model.predict(X)), probabilities, classes, positive)


def find_positive_class(classes: Any, positive_class: Any = None) -> Any:
    """Which of two classes is the positive one.

    Parameters
    ----------
    classes : sequence
        The classes there are, sorted.
    positive_class : object, optional
        The one that was asked for: itself or its text, so that YAML's ``1`` finds ``"1"``. Empty
        means the second.

    Raises
    ------
    ParameterError
        Where it is none of the classes.
    """
    if positive_class is None or positive_class == "":
        return classes[-1]
    for same in (str, lambda one: str(one).lower()):  # as it is written, and then as YAML may have written it
        found = [one for one in classes if same(one) == same(positive_class)]
        if len(found) == 1:
            return found[0]
    raise ParameterError(
        f"positive_class: {positive_class!r} is no class of the target. {suggest(positive_class, classes)}"
    )
