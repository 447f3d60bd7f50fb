"""Scorers built on scikit-learn, which is imported on the first call to keep the checks of parameters fast."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lib.errors import DataError
from lib.metrics.predictions import Predictions

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def confusion_matrix(y_true: Any, predictions: Predictions) -> pd.DataFrame:
    """Count the rows by actual class (index) and predicted class (columns).

    Examples
    --------
    >>> import numpy as np
    >>> predictions = Predictions(np.array(["a", "b", "b"]), classes=np.array(["a", "b"]))
    >>> confusion_matrix(["a", "a", "b"], predictions)
    predicted  a  b
    actual
    a          1  1
    b          0  1
    """
    import pandas as pd
    from sklearn import metrics as sk

    truth = to_array(y_true)
    classes = _all_classes(truth, predictions)
    counts = sk.confusion_matrix(truth, predictions.labels, labels=classes)
    return pd.DataFrame(
        counts,
        index=pd.Index(classes, name="actual"),
        columns=pd.Index([str(label) for label in classes], name="predicted"),
    )


def from_labels(function: str, **options: Any) -> Callable[[Any, Predictions], float]:
    """Return a scorer that passes the predicted labels to a scikit-learn function.

    Parameters
    ----------
    function : str
        Name of a function in `sklearn.metrics`.
    **options
        Further arguments of the function.

    Examples
    --------
    >>> import numpy as np
    >>> from_labels("accuracy_score")(np.array([1, 0]), Predictions(np.array([1, 1])))
    0.5
    """

    def scorer(truth: np.ndarray, predictions: Predictions) -> float:
        from sklearn import metrics as sk

        return getattr(sk, function)(truth, predictions.labels, sample_weight=predictions.weights, **options)

    return scorer


def from_positive_class(function: str) -> Callable[[Any, Predictions], float]:
    """Return a scorer that passes "is the label the positive class?" as booleans to a scikit-learn function."""

    def scorer(truth: np.ndarray, predictions: Predictions) -> float:
        from sklearn import metrics as sk

        positive = predictions.positive_class
        return getattr(sk, function)(
            truth == positive, predictions.labels == positive, sample_weight=predictions.weights, zero_division=0
        )

    return scorer


def from_positive_probability(function: str) -> Callable[[Any, Predictions], float]:
    """Return a scorer that passes the probability of the positive class to a scikit-learn function."""

    def scorer(truth: np.ndarray, predictions: Predictions) -> float:
        from sklearn import metrics as sk

        _check_class_count(truth, function)
        return getattr(sk, function)(
            truth == predictions.positive_class, predictions.positive_probability, sample_weight=predictions.weights
        )

    return scorer


def average_over_classes(function: str) -> Callable[[Any, Predictions], float]:
    """Return a scorer that averages a binary scikit-learn function over the classes of the true values.

    For each class, the function compares the rows of this class with all other rows.
    """

    def scorer(truth: np.ndarray, predictions: Predictions) -> float:
        import numpy as np
        from sklearn import metrics as sk

        _check_class_count(truth, function)
        probabilities = _add_unknown_classes(truth, predictions)
        true_classes = set(truth.tolist())
        scores = [
            getattr(sk, function)(truth == label, probabilities[:, column], sample_weight=predictions.weights)
            for column, label in enumerate(_all_classes(truth, predictions))
            if label in true_classes
        ]
        return float(np.mean(scores))

    return scorer


def log_loss(truth: np.ndarray, predictions: Predictions) -> float:
    """Return the log loss over all classes; a class that the model does not know has probability 0."""
    from sklearn import metrics as sk

    probabilities = _add_unknown_classes(truth, predictions)
    # 32-bit probabilities do not sum to 1 exactly enough for scikit-learn, which would warn.
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    return sk.log_loss(truth, probabilities, labels=_all_classes(truth, predictions), sample_weight=predictions.weights)


def balanced_accuracy(truth: np.ndarray, predictions: Predictions) -> float:
    """Return the mean recall of the classes that occur in the true values.

    scikit-learn's ``balanced_accuracy_score`` gives the same result, but warns if a predicted class does not occur.
    """
    import numpy as np
    from sklearn import metrics as sk

    return sk.recall_score(
        truth,
        predictions.labels,
        labels=np.unique(truth),
        average="macro",
        sample_weight=predictions.weights,
        zero_division=0,
    )


def r2(truth: np.ndarray, predictions: Predictions) -> float:
    """Return the coefficient of determination, or NaN for a single row, where it is undefined."""
    from sklearn import metrics as sk

    if len(truth) < 2:
        return float("nan")
    return sk.r2_score(truth, predictions.labels, sample_weight=predictions.weights)


def mape(truth: np.ndarray, predictions: Predictions) -> float:
    """Return the mean absolute percentage error, or NaN if a true value is 0, which has no percentages.

    scikit-learn divides by the smallest positive number instead, which gives a score of about 1e15.
    """
    from sklearn import metrics as sk

    if not (truth != 0).all():
        return float("nan")
    return sk.mean_absolute_percentage_error(truth, predictions.labels, sample_weight=predictions.weights)


def to_array(y_true: Any) -> np.ndarray:
    """Convert the true values to an array, ignoring the index of a Series."""
    import numpy as np

    return np.asarray(y_true)


def _all_classes(truth: np.ndarray, predictions: Predictions) -> list[Any]:
    """Return all classes of the model and of the true values, sorted."""
    return sorted({*predictions.class_names, *truth.tolist()})


def _add_unknown_classes(truth: np.ndarray, predictions: Predictions) -> np.ndarray:
    """Return probabilities with one column per class of `_all_classes`; 0 for a class that the model does not know."""
    import numpy as np

    classes = _all_classes(truth, predictions)
    if classes == predictions.class_names:
        return predictions.class_probabilities
    probabilities = np.zeros((len(truth), len(classes)))
    probabilities[:, [classes.index(label) for label in predictions.class_names]] = predictions.class_probabilities
    return probabilities


def _check_class_count(truth: np.ndarray, function: str) -> None:
    """Raise a DataError that names the scikit-learn function if all rows have the same class."""
    classes = sorted(set(truth.tolist()))
    if len(classes) < 2:
        raise DataError(
            f"{function} needs rows of at least two classes, but all {len(truth)} rows have the class {classes[0]!r}. "
            "Increase test_fraction, or provide more rows."
        )
