"""Metrics: one object carries a metric's name, scorer and direction, and nobody else asks.

Definitions are scikit-learn's (https://scikit-learn.org/stable/modules/model_evaluation.html). With two
classes, precision, recall, F1, ROC AUC and average precision speak of the positive class; with more, the
averaging over classes stands in the name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lib.errors import NameNotFound
from lib.metrics import scorers
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
    "get",
    "names",
    "for_task",
    "find_positive_class",
    "predict",
]

TASKS = ("binary", "multiclass", "regression")


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
        return float(self.scorer(scorers.values(y_true), predictions))

    def beats(self, score: float, other: float) -> bool:
        """Whether `score` is strictly better than `other`; what is not a number beats nothing."""
        return score > other if self.greater_is_better else score < other

    def reaches(self, score: float, threshold: float) -> bool:
        """Whether `score` is at least as good as `threshold`; what is not a number reaches nothing."""
        return score >= threshold if self.greater_is_better else score <= threshold

    def rank(self, scores: Mapping[str, float]) -> list[str]:
        """Names of `scores`, best first; of equals the one named first, and no number comes last."""
        sign = -1 if self.greater_is_better else 1
        return sorted(scores, key=lambda name: (scores[name] != scores[name], sign * scores[name]))

    @property
    def direction(self) -> str:
        """Its direction in words."""
        return "higher is better" if self.greater_is_better else "lower is better"


def names(task: str) -> list[str]:
    """Names of the metrics of a task, in the order in which tables show them."""
    return [metric.name for metric in for_task(task)]


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


def for_task(task: str) -> list[Metric]:
    """Every metric of a task, in the order in which tables show them."""
    return [metric for metric in METRICS if task in metric.tasks]


_BINARY, _MULTICLASS, _CLASSES, _REGRESSION = ("binary",), ("multiclass",), ("binary", "multiclass"), ("regression",)

METRICS = (
    Metric("accuracy", _CLASSES, scorers.by_label("accuracy_score"), automl_name="accuracy"),
    Metric("balanced_accuracy", _CLASSES, scorers.balanced_accuracy, automl_name="norm_macro_recall"),
    Metric("precision", _BINARY, scorers.of_positive("precision_score"), automl_name="precision_score_weighted"),
    Metric("recall", _BINARY, scorers.of_positive("recall_score"), automl_name="norm_macro_recall"),
    Metric("f1", _BINARY, scorers.of_positive("f1_score"), automl_name="average_precision_score_weighted"),
    Metric("roc_auc", _BINARY, scorers.of_positive_probability("roc_auc_score"), automl_name="AUC_weighted"),
    Metric(
        "average_precision",
        _BINARY,
        scorers.of_positive_probability("average_precision_score"),
        automl_name="average_precision_score_weighted",
    ),
    Metric(
        "precision_macro",
        _MULTICLASS,
        scorers.by_label("precision_score", average="macro", zero_division=0),
        automl_name="precision_score_weighted",
    ),
    Metric(
        "recall_macro",
        _MULTICLASS,
        scorers.by_label("recall_score", average="macro", zero_division=0),
        automl_name="norm_macro_recall",
    ),
    Metric(
        "f1_macro",
        _MULTICLASS,
        scorers.by_label("f1_score", average="macro", zero_division=0),
        automl_name="average_precision_score_weighted",
    ),
    Metric(
        "f1_weighted",
        _MULTICLASS,
        scorers.by_label("f1_score", average="weighted", zero_division=0),
        automl_name="average_precision_score_weighted",
    ),
    Metric("roc_auc_ovr_macro", _MULTICLASS, scorers.over_classes("roc_auc_score"), automl_name="AUC_weighted"),
    Metric(
        "average_precision_macro",
        _MULTICLASS,
        scorers.over_classes("average_precision_score"),
        automl_name="average_precision_score_weighted",
    ),
    Metric("log_loss", _CLASSES, scorers.log_loss, greater_is_better=False, automl_name="AUC_weighted"),
    Metric("r2", _REGRESSION, scorers.r2, automl_name="r2_score"),
    Metric(
        "rmse",
        _REGRESSION,
        scorers.by_label("root_mean_squared_error"),
        greater_is_better=False,
        automl_name="normalized_root_mean_squared_error",
    ),
    Metric(
        "mae",
        _REGRESSION,
        scorers.by_label("mean_absolute_error"),
        greater_is_better=False,
        automl_name="normalized_mean_absolute_error",
    ),
    Metric("mape", _REGRESSION, scorers.by_label("mean_absolute_percentage_error"), greater_is_better=False),
)
