"""Scorers: what scikit-learn says of predictions.

It is imported when one is called, so that checking a metric's name costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lib.errors import DataError
from lib.metrics.predictions import Predictions

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def confusion_matrix(y_true: Any, predictions: Predictions) -> pd.DataFrame:
    """Counts of rows by actual class (index) and predicted class (columns)."""
    import pandas as pd
    from sklearn import metrics as sk

    truth = values(y_true)
    classes = _all_classes(truth, predictions)
    counts = sk.confusion_matrix(truth, predictions.labels, labels=classes)
    return pd.DataFrame(
        counts,
        index=pd.Index(classes, name="actual"),
        columns=pd.Index([str(one) for one in classes], name="predicted"),
    )


def by_label(function: str, **options: Any) -> Callable[[Any, Predictions], float]:
    """Scorer that calls scikit-learn with the predicted labels."""

    def scorer(truth, predictions):
        from sklearn import metrics as sk

        return getattr(sk, function)(truth, predictions.labels, **options)

    return scorer


def of_positive(function: str) -> Callable[[Any, Predictions], float]:
    """Scorer that calls scikit-learn with the predicted labels, the positive class as True."""

    def scorer(truth, predictions):
        from sklearn import metrics as sk

        positive = predictions.positive_class
        return getattr(sk, function)(truth == positive, predictions.labels == positive, zero_division=0)

    return scorer


def of_positive_probability(function: str) -> Callable[[Any, Predictions], float]:
    """Scorer that calls scikit-learn with the probability of the positive class."""

    def scorer(truth, predictions):
        from sklearn import metrics as sk

        _need_two_classes(truth, function)
        return getattr(sk, function)(truth == predictions.positive_class, predictions.positive_probability)

    return scorer


def over_classes(function: str) -> Callable[[Any, Predictions], float]:
    """Scorer that averages scikit-learn's binary one over the classes that the truth has, each against the rest."""

    def scorer(truth, predictions):
        import numpy as np
        from sklearn import metrics as sk

        _need_two_classes(truth, function)
        probabilities = _aligned(truth, predictions)
        classes = _all_classes(truth, predictions)
        present = set(truth.tolist())
        return np.mean(
            [
                getattr(sk, function)(truth == one, probabilities[:, column])
                for column, one in enumerate(classes)
                if one in present
            ]
        )

    return scorer


def log_loss(truth: Any, predictions: Predictions) -> float:
    """Log loss over all classes; one that the model never saw has probability 0."""
    from sklearn import metrics as sk

    aligned = _aligned(truth, predictions)
    # Those of a model that computes in 32 bits sum to one too loosely for scikit-learn, which warns.
    aligned = aligned / aligned.sum(axis=1, keepdims=True)
    return sk.log_loss(truth, aligned, labels=_all_classes(truth, predictions))


def balanced_accuracy(truth: Any, predictions: Predictions) -> float:
    """Mean recall of the classes that the truth has: balanced_accuracy_score, which warns of any other class."""
    import numpy as np
    from sklearn import metrics as sk

    return sk.recall_score(truth, predictions.labels, labels=np.unique(truth), average="macro", zero_division=0)


def r2(truth: Any, predictions: Predictions) -> float:
    """Coefficient of determination; not a number for one row."""
    from sklearn import metrics as sk

    # Of one row it is not defined, and scikit-learn warns.
    return sk.r2_score(truth, predictions.labels) if len(truth) > 1 else float("nan")


def values(y_true: Any) -> np.ndarray:
    """The truth as an array, in the order of its rows."""
    import numpy as np

    return np.asarray(y_true)


def _all_classes(truth: np.ndarray, predictions: Predictions) -> list:
    """Classes the model knows and those only the truth has, sorted."""
    return sorted(set(predictions.classes.tolist()) | set(truth.tolist()))


def _aligned(truth: np.ndarray, predictions: Predictions) -> np.ndarray:
    """Probabilities with a column for every class; one that the model never saw has probability 0."""
    import numpy as np

    known = predictions.classes.tolist()
    classes = _all_classes(truth, predictions)
    if classes == known:
        return predictions.probabilities
    aligned = np.zeros((len(truth), len(classes)))
    aligned[:, [classes.index(one) for one in known]] = predictions.probabilities
    return aligned


def _need_two_classes(truth: np.ndarray, function: str) -> None:
    present = sorted(set(truth.tolist()))
    if len(present) < 2:
        raise DataError(
            f"{function} needs rows of at least two classes, and the rows to score are all {present[0]!r}. "
            "Raise test_fraction, or give more rows."
        )
