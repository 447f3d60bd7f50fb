"""Metrics: each is an object with a name, a scorer and a direction.

The definitions are those of scikit-learn (https://scikit-learn.org/stable/modules/model_evaluation.html). With two
classes, precision, recall, F1, ROC AUC and average precision refer to the positive class. With more classes, the
metric's name contains the averaging.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lib.errors import NameNotFound
from lib.metrics import custom, scorers
from lib.metrics.predictions import Predictions, find_positive_class, predict
from lib.metrics.scorers import confusion_matrix

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = [
    "METRICS",
    "TASKS",
    "Metric",
    "Predictions",
    "confusion_matrix",
    "find_positive_class",
    "for_task",
    "get",
    "names",
    "predict",
]

TASKS = ("binary", "multiclass", "regression")


@dataclass(frozen=True)
class Metric:
    """A way to score predictions.

    Attributes
    ----------
    name : str
        Name in the parameters, in MLflow and in tables.
    tasks : tuple of str
        Tasks that the metric applies to.
    scorer : callable
        Function ``scorer(y_true, predictions) -> float``.
    greater_is_better : bool
        Direction of the metric. Compare scores with `beats`, `reaches` and `rank` only.
    automl_name : str or None
        Name of the most similar primary metric of Azure AutoML; None if there is no similar one.
    is_relative : bool
        Whether errors are divided by the true values. The metric is then undefined if a true value is 0.
    options : mapping
        Options of a metric of the customer's own, from the parameter ``metrics``.
    is_custom : bool
        Whether the metric is one of the customer's own, see `lib.metrics.custom`. It needs the rows of the predictions.

    Examples
    --------
    >>> from lib import metrics
    >>> rmse = metrics.get("rmse", "regression")
    >>> rmse.direction, rmse.beats(1.5, 2.0)
    ('lower is better', True)
    """

    name: str
    tasks: tuple[str, ...]
    scorer: Callable[[Any, Predictions], float]
    greater_is_better: bool = True
    automl_name: str | None = None
    is_relative: bool = False
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    is_custom: bool = False

    def __reduce__(self) -> tuple[Callable[..., Metric], tuple[Any, ...]]:
        return get, (self.name, self.tasks[0], dict(self.options))  # a scorer is a closure, which cannot be pickled

    def score(self, y_true: pd.Series | np.ndarray, predictions: Predictions) -> float:
        """Score predictions against the true values of the same rows, in the same order."""
        return float(self.scorer(scorers.to_array(y_true), predictions))

    def undefined_reason(self, y_true: pd.Series | np.ndarray) -> str:
        """Return why the metric is undefined for these true values; empty if it is defined.

        Examples
        --------
        >>> get("mape", "regression").undefined_reason([0.0, 2.0, 4.0])
        'mape is undefined, because the target is 0 in 1 of 3 rows'
        """
        zero_count = int((scorers.to_array(y_true) == 0).sum()) if self.is_relative else 0
        if not zero_count:
            return ""
        return f"{self.name} is undefined, because the target is 0 in {zero_count:,} of {len(y_true):,} rows"

    def beats(self, score: float, other: float) -> bool:
        """Return whether `score` is strictly better than `other`; NaN beats nothing."""
        return score > other if self.greater_is_better else score < other

    def reaches(self, score: float, threshold: float) -> bool:
        """Return whether `score` is at least as good as `threshold`; NaN reaches nothing."""
        return score >= threshold if self.greater_is_better else score <= threshold

    def rank(self, scores: Mapping[str, float]) -> list[str]:
        """Return the names of `scores`, best first; ties keep their order and NaN comes last.

        Examples
        --------
        >>> from lib import metrics
        >>> metrics.get("accuracy", "binary").rank({"linear": 0.8, "boosting": 0.9, "failed": float("nan")})
        ['boosting', 'linear', 'failed']
        """
        sign = -1 if self.greater_is_better else 1
        return sorted(scores, key=lambda name: (math.isnan(scores[name]), sign * scores[name]))

    @property
    def direction(self) -> str:
        """Which scores are better, in words."""
        return "higher is better" if self.greater_is_better else "lower is better"


def names(task: str) -> list[str]:
    """Return the names of a task's metrics, in the order of the tables.

    Examples
    --------
    >>> names("regression")
    ['r2', 'rmse', 'mae', 'mape']
    """
    return [metric.name for metric in for_task(task)]


def get(name: str, task: str, options: Mapping[str, Any] = custom.NO_OPTIONS) -> Metric:
    """Return a task's metric by name.

    Parameters
    ----------
    name : str
        Name of a metric of Millrace, or of a module in ``custom/metrics``.
    task : str
    options : mapping
        Options of a metric of the customer's own.

    Raises
    ------
    NameNotFound
        If the task has no such metric; the message suggests the nearest name.
    CodeError
        If the customer's module of this name cannot be used.

    Examples
    --------
    >>> get("roc_auc", "binary").direction
    'higher is better'
    """
    for metric in METRICS:
        if metric.name == name and task in metric.tasks:
            return metric
    if name in custom.names():
        return custom.load(name, task, options)
    raise NameNotFound(f"metric for a {task} task", name, [*names(task), *custom.names()])


def for_task(task: str, own: Sequence[Metric] = ()) -> list[Metric]:
    """Return a task's metrics, in the order of the tables.

    Parameters
    ----------
    task : str
    own : sequence of Metric
        Metrics of the customer's own that the use case names; they come first.
    """
    return [*own, *(metric for metric in METRICS if task in metric.tasks)]


_BINARY = ("binary",)
_MULTICLASS = ("multiclass",)
_CLASSIFICATION = ("binary", "multiclass")
_REGRESSION = ("regression",)

METRICS = (
    Metric("accuracy", _CLASSIFICATION, scorers.from_labels("accuracy_score"), automl_name="accuracy"),
    Metric("balanced_accuracy", _CLASSIFICATION, scorers.balanced_accuracy, automl_name="norm_macro_recall"),
    Metric(
        "precision", _BINARY, scorers.from_positive_class("precision_score"), automl_name="precision_score_weighted"
    ),
    Metric("recall", _BINARY, scorers.from_positive_class("recall_score"), automl_name="norm_macro_recall"),
    Metric("f1", _BINARY, scorers.from_positive_class("f1_score"), automl_name="average_precision_score_weighted"),
    Metric("roc_auc", _BINARY, scorers.from_positive_probability("roc_auc_score"), automl_name="AUC_weighted"),
    Metric(
        "average_precision",
        _BINARY,
        scorers.from_positive_probability("average_precision_score"),
        automl_name="average_precision_score_weighted",
    ),
    Metric(
        "precision_macro",
        _MULTICLASS,
        scorers.from_labels("precision_score", average="macro", zero_division=0),
        automl_name="precision_score_weighted",
    ),
    Metric(
        "recall_macro",
        _MULTICLASS,
        scorers.from_labels("recall_score", average="macro", zero_division=0),
        automl_name="norm_macro_recall",
    ),
    Metric(
        "f1_macro",
        _MULTICLASS,
        scorers.from_labels("f1_score", average="macro", zero_division=0),
        automl_name="average_precision_score_weighted",
    ),
    Metric(
        "f1_weighted",
        _MULTICLASS,
        scorers.from_labels("f1_score", average="weighted", zero_division=0),
        automl_name="average_precision_score_weighted",
    ),
    Metric("roc_auc_ovr_macro", _MULTICLASS, scorers.average_over_classes("roc_auc_score"), automl_name="AUC_weighted"),
    Metric(
        "average_precision_macro",
        _MULTICLASS,
        scorers.average_over_classes("average_precision_score"),
        automl_name="average_precision_score_weighted",
    ),
    Metric("log_loss", _CLASSIFICATION, scorers.log_loss, greater_is_better=False, automl_name="AUC_weighted"),
    Metric("r2", _REGRESSION, scorers.r2, automl_name="r2_score"),
    Metric(
        "rmse",
        _REGRESSION,
        scorers.from_labels("root_mean_squared_error"),
        greater_is_better=False,
        automl_name="normalized_root_mean_squared_error",
    ),
    Metric(
        "mae",
        _REGRESSION,
        scorers.from_labels("mean_absolute_error"),
        greater_is_better=False,
        automl_name="normalized_mean_absolute_error",
    ),
    Metric("mape", _REGRESSION, scorers.mape, greater_is_better=False, is_relative=True),
)
