"""Metrics: one object carries a metric's name, scorer and direction, and nobody else asks.

Definitions are scikit-learn's (https://scikit-learn.org/stable/modules/model_evaluation.html). With two
classes, precision, recall, F1, ROC AUC and average precision speak of the positive class; with more, the
averaging over classes stands in the name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lib.errors import DataError, NameNotFound, ParameterError, suggest

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TASKS = ("binary", "multiclass", "regression")


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
    positive: Any = None

    @property
    def positive_probability(self) -> np.ndarray:
        """Probability of the positive class, of shape (rows,)."""
        return self.probabilities[:, list(self.classes).index(self.positive)]


@dataclass(frozen=True)
class Metric:
    """One way to score predictions.

    Attributes
    ----------
    name : str
        As it stands in the parameters, in MLflow and in the tables.
    tasks : tuple of str
        The tasks it can judge.
    scorer : callable
        ``scorer(y_true, predictions) -> float``.
    greater_is_better : bool
        Its direction. Every comparison of scores goes through `beats` and `reaches`.
    automl_name : str or None
        The nearest primary metric of Azure AutoML; None where it has none.
    """

    name: str
    tasks: tuple[str, ...]
    scorer: Callable[[Any, Predictions], float]
    greater_is_better: bool = True
    automl_name: str | None = None

    def __reduce__(self) -> tuple:
        return get, (self.name, self.tasks[0])  # its scorer is made here, and does not travel

    def score(self, y_true: pd.Series | np.ndarray, predictions: Predictions) -> float:
        """Score of predictions against the truth, both of the same rows in the same order."""
        return float(self.scorer(_values(y_true), predictions))

    def beats(self, score: float, other: float) -> bool:
        """Whether `score` is strictly better than `other`; what is not a number beats nothing."""
        return score > other if self.greater_is_better else score < other

    def reaches(self, score: float, threshold: float) -> bool:
        """Whether `score` is at least as good as `threshold`; what is not a number reaches nothing."""
        return score >= threshold if self.greater_is_better else score <= threshold

    def ranked(self, scores: Mapping[str, float]) -> list[str]:
        """Names of `scores`, best first; of equals the one named first, and no number comes last."""
        sign = -1 if self.greater_is_better else 1
        return sorted(scores, key=lambda name: (scores[name] != scores[name], sign * scores[name]))

    @property
    def direction(self) -> str:
        """Its direction in words."""
        return "higher is better" if self.greater_is_better else "lower is better"


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
    positive = positive_of(classes, positive_class) if task == "binary" else None
    return Predictions(np.asarray(model.predict(X)), probabilities, classes, positive)


def positive_of(classes: Any, positive_class: Any = None) -> Any:
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


def names(task: str) -> list[str]:
    """Names of the metrics of a task, in the order in which tables show them."""
    return [metric.name for metric in of_task(task)]


def get(name: str, task: str) -> Metric:
    """Metric of that name for a task.

    Raises
    ------
    NameNotFound
        With the nearest name, where the task has no such metric.
    """
    for metric in METRICS:
        if metric.name == name and task in metric.tasks:
            return metric
    raise NameNotFound(f"metric for a {task} task", name, names(task))


def of_task(task: str) -> list[Metric]:
    """Every metric of a task, in the order in which tables show them."""
    return [metric for metric in METRICS if task in metric.tasks]


def confusion_matrix(y_true: Any, predictions: Predictions) -> pd.DataFrame:
    """Counts of rows by actual class (index) and predicted class (columns)."""
    import pandas as pd
    from sklearn import metrics as sk

    truth = _values(y_true)
    classes = _all_classes(truth, predictions)
    counts = sk.confusion_matrix(truth, predictions.labels, labels=classes)
    return pd.DataFrame(
        counts,
        index=pd.Index(classes, name="actual"),
        columns=pd.Index([str(one) for one in classes], name="predicted"),
    )


# Scorers. scikit-learn is imported when one is called, so that checking a name costs nothing.


def _by_label(function: str, **options: Any) -> Callable[[Any, Predictions], float]:
    """Scorer that calls scikit-learn with the predicted labels."""

    def scorer(truth, predictions):
        from sklearn import metrics as sk

        return getattr(sk, function)(truth, predictions.labels, **options)

    return scorer


def _of_positive(function: str) -> Callable[[Any, Predictions], float]:
    """Scorer that calls scikit-learn with the predicted labels, the positive class as True."""

    def scorer(truth, predictions):
        from sklearn import metrics as sk

        positive = predictions.positive
        return getattr(sk, function)(truth == positive, predictions.labels == positive, zero_division=0)

    return scorer


def _of_positive_probability(function: str) -> Callable[[Any, Predictions], float]:
    """Scorer that calls scikit-learn with the probability of the positive class."""

    def scorer(truth, predictions):
        from sklearn import metrics as sk

        _need_two_classes(truth, function)
        return getattr(sk, function)(truth == predictions.positive, predictions.positive_probability)

    return scorer


def _over_classes(function: str) -> Callable[[Any, Predictions], float]:
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


def _log_loss(truth: Any, predictions: Predictions) -> float:
    from sklearn import metrics as sk

    aligned = _aligned(truth, predictions)
    # Those of a model that computes in 32 bits sum to one too loosely for scikit-learn, which warns.
    aligned = aligned / aligned.sum(axis=1, keepdims=True)
    return sk.log_loss(truth, aligned, labels=_all_classes(truth, predictions))


def _balanced_accuracy(truth: Any, predictions: Predictions) -> float:
    """Mean recall of the classes that the truth has: balanced_accuracy_score, which warns of any other class."""
    import numpy as np
    from sklearn import metrics as sk

    return sk.recall_score(truth, predictions.labels, labels=np.unique(truth), average="macro", zero_division=0)


def _r2(truth: Any, predictions: Predictions) -> float:
    from sklearn import metrics as sk

    # Of one row it is not defined, and scikit-learn warns.
    return sk.r2_score(truth, predictions.labels) if len(truth) > 1 else float("nan")


def _values(y_true: Any) -> np.ndarray:
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


_BINARY, _MULTICLASS, _CLASSES, _REGRESSION = ("binary",), ("multiclass",), ("binary", "multiclass"), ("regression",)

METRICS = (
    Metric("accuracy", _CLASSES, _by_label("accuracy_score"), automl_name="accuracy"),
    Metric("balanced_accuracy", _CLASSES, _balanced_accuracy, automl_name="norm_macro_recall"),
    Metric("precision", _BINARY, _of_positive("precision_score"), automl_name="precision_score_weighted"),
    Metric("recall", _BINARY, _of_positive("recall_score"), automl_name="norm_macro_recall"),
    Metric("f1", _BINARY, _of_positive("f1_score"), automl_name="average_precision_score_weighted"),
    Metric("roc_auc", _BINARY, _of_positive_probability("roc_auc_score"), automl_name="AUC_weighted"),
    Metric(
        "average_precision",
        _BINARY,
        _of_positive_probability("average_precision_score"),
        automl_name="average_precision_score_weighted",
    ),
    Metric(
        "precision_macro",
        _MULTICLASS,
        _by_label("precision_score", average="macro", zero_division=0),
        automl_name="precision_score_weighted",
    ),
    Metric(
        "recall_macro",
        _MULTICLASS,
        _by_label("recall_score", average="macro", zero_division=0),
        automl_name="norm_macro_recall",
    ),
    Metric(
        "f1_macro",
        _MULTICLASS,
        _by_label("f1_score", average="macro", zero_division=0),
        automl_name="average_precision_score_weighted",
    ),
    Metric(
        "f1_weighted",
        _MULTICLASS,
        _by_label("f1_score", average="weighted", zero_division=0),
        automl_name="average_precision_score_weighted",
    ),
    Metric("roc_auc_ovr_macro", _MULTICLASS, _over_classes("roc_auc_score"), automl_name="AUC_weighted"),
    Metric(
        "average_precision_macro",
        _MULTICLASS,
        _over_classes("average_precision_score"),
        automl_name="average_precision_score_weighted",
    ),
    Metric("log_loss", _CLASSES, _log_loss, greater_is_better=False, automl_name="AUC_weighted"),
    Metric("r2", _REGRESSION, _r2, automl_name="r2_score"),
    Metric(
        "rmse",
        _REGRESSION,
        _by_label("root_mean_squared_error"),
        greater_is_better=False,
        automl_name="normalized_root_mean_squared_error",
    ),
    Metric(
        "mae",
        _REGRESSION,
        _by_label("mean_absolute_error"),
        greater_is_better=False,
        automl_name="normalized_mean_absolute_error",
    ),
    Metric("mape", _REGRESSION, _by_label("mean_absolute_percentage_error"), greater_is_better=False),
)
