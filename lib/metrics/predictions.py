"""Predictions of a model, in the same format for every task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lib.errors import ParameterError, suggest
from lib.schema.text_values import normalize_label

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass(frozen=True)
class Predictions:
    """Predictions of a model for some rows.

    Attributes
    ----------
    labels : ndarray of shape (rows,)
        Predicted classes, or numbers for a regression.
    probabilities : ndarray of shape (rows, classes) or None
        Probability of each class; None for a regression.
    classes : ndarray of shape (classes,) or None
        Class of each column of `probabilities`; None for a regression.
    positive_class : object or None
        The positive class of a binary task.
    rule : ThresholdRule, CostRule or None
        How the model derives the labels from the probabilities, see `lib.scoring.decision_rules`; None if it predicts
        the most probable class.
    rows : DataFrame of shape (rows, columns) or None
        The raw columns of the predicted rows, for metrics of the customer's own; None if they are unknown.
    weights : ndarray of shape (rows,) or None
        Weight of each row in every metric; None for equal weights.
    """

    labels: np.ndarray
    probabilities: np.ndarray | None = None
    classes: np.ndarray | None = None
    positive_class: Any = None
    rule: Any = None
    rows: pd.DataFrame | None = None
    weights: np.ndarray | None = None

    def select(self, positions: np.ndarray) -> Predictions:
        """Return the predictions of some rows.

        Parameters
        ----------
        positions : ndarray
            Positions of the rows, which may repeat, or a boolean for each row.
        """
        return replace(
            self,
            labels=self.labels[positions],
            probabilities=None if self.probabilities is None else self.probabilities[positions],
            rows=None if self.rows is None else self.rows.iloc[positions],
            weights=None if self.weights is None else self.weights[positions],
        )

    @property
    def positive_probability(self) -> np.ndarray:
        """Probability of the positive class, of shape (rows,)."""
        return self.class_probabilities[:, self.class_names.index(self.positive_class)]

    @property
    def class_probabilities(self) -> np.ndarray:
        """The `probabilities` of a classification, which always has them."""
        assert self.probabilities is not None, "a regression has no probabilities"
        return self.probabilities

    @property
    def class_names(self) -> list[Any]:
        """The `classes` of a classification, as a list of Python objects."""
        assert self.classes is not None, "a regression has no classes"
        return self.classes.tolist()


def predict(model: Any, X: pd.DataFrame, task: str, positive_class: Any = None) -> Predictions:
    """Return the predictions of a fitted scikit-learn estimator.

    Parameters
    ----------
    model : estimator
        Has ``predict`` and, for a classification, ``predict_proba`` and ``classes_``.
    X : DataFrame of shape (rows, columns)
        Raw columns.
    task : str
        ``"binary"``, ``"multiclass"`` or ``"regression"``.
    positive_class : object, optional
        The positive class of a binary task; by default the second one in sorted order, as in scikit-learn.

    Returns
    -------
    Predictions

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.dummy import DummyClassifier
    >>> X = pd.DataFrame({"size": [1, 2, 3, 4]})
    >>> predictions = predict(DummyClassifier().fit(X, [False, False, False, True]), X, "binary")
    >>> predictions.positive_probability.tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    import numpy as np

    if task == "regression":
        return Predictions(np.asarray(model.predict(X), dtype=float), rows=X)
    probabilities = np.asarray(model.predict_proba(X), dtype=float)
    classes = np.asarray(model.classes_)
    positive = find_positive_class(classes, positive_class) if task == "binary" else None
    last_step = model[-1] if hasattr(model, "steps") else model
    rule = getattr(last_step, "rule", None)
    return Predictions(np.asarray(model.predict(X)), probabilities, classes, positive, rule, rows=X)


def find_positive_class(classes: Sequence[Any] | np.ndarray, positive_class: Any = None) -> Any:
    r"""Return the positive class of a binary task.

    Parameters
    ----------
    classes : sequence of length 2
        The classes, sorted.
    positive_class : object, optional
        The requested class. It is compared as text, ignoring surrounding spaces and case: YAML's ``1`` matches the
        class ``"1"``, and ``true`` matches ``"True"``. By default, the second class is positive.

    Raises
    ------
    ParameterError
        If neither class matches `positive_class`.

    Examples
    --------
    >>> find_positive_class(["no", "yes"])
    'yes'
    >>> find_positive_class(["0", "1"], 0)
    '0'
    >>> find_positive_class(["no", "caf\u00e9"], " cafe\u0301 ") == "caf\u00e9"
    True
    """
    if positive_class is None or positive_class == "":
        return classes[-1]
    # Prefer an exact match, then one that ignores spaces and Unicode form, then one that also ignores case.
    normalizations: list[Callable[[Any], str]] = [str, normalize_label, lambda label: normalize_label(label).casefold()]
    for normalize in normalizations:
        matches = [label for label in classes if normalize(label) == normalize(positive_class)]
        if len(matches) == 1:
            return matches[0]
    raise ParameterError(
        f"positive_class: {positive_class!r} is not a class of the target. {suggest(positive_class, classes)}"
    )
