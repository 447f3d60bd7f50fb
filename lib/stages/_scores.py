"""Scores of one model: on test rows, on training rows and over the folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lib import charts, metrics
from lib.evaluation.no_skill import NO_SKILL, predict_no_skill
from lib.metrics import Metric, Predictions
from lib.stages._decision_rule import describe_rule

UNDEFINED = "undefined"
# Columns of the table of scores, and the prefixes of their metrics in MLflow.
_METRIC_PREFIXES = {"test rows": "", "training rows": "train_", "folds": "folds_", "spread": "spread_"}


def make_score_table(
    test: tuple[pd.Series, Predictions],
    training: tuple[pd.Series, Predictions] | None,
    train_target: pd.Series,
    metric: Metric,
    task: str,
    own: Sequence[Metric] = (),
) -> charts.Table:
    """Return the score of a model by every metric of a task, with the primary metric marked.

    Parameters
    ----------
    test, training : tuple of Series and Predictions
        True values and predictions of the test rows and, if known, of the training rows.
    train_target : Series of shape (training rows,)
        Target of the training rows, from which the no-skill model is made.
    metric : Metric
        The primary metric.
    task : str
    own : sequence of Metric
        Metrics of the customer's own that the use case names.

    Returns
    -------
    Table
        A row per metric, with the columns ``test rows``, optionally ``training rows``, ``no-skill`` (the score of the
        no-skill model on the test rows) and ``direction``.
    """
    task_metrics = metrics.for_task(task, own)
    columns: dict[str, list[Any]] = {"metric": [task_metric.name for task_metric in task_metrics]}
    columns["test rows"] = [task_metric.score(*test) for task_metric in task_metrics]
    if training is not None:
        columns["training rows"] = [task_metric.score(*training) for task_metric in task_metrics]
    y_test, predictions = test
    train_weights = None if training is None else training[1].weights
    guess = predict_no_skill(train_target, y_test, predictions, metric, train_weights)
    columns[NO_SKILL] = [task_metric.score(y_test, guess) for task_metric in task_metrics]
    columns["direction"] = [task_metric.direction for task_metric in task_metrics]
    table = charts.Table(columns).set_index("metric")
    table.attrs |= {charts.MARKED: [metric.name], charts.NAN_TEXT: UNDEFINED}
    return table


def describe_score(scores: pd.DataFrame, metric: Metric) -> str:
    """Return a sentence with a model's score by the primary metric.

    Parameters
    ----------
    scores : DataFrame
        A row per metric, with the column ``test rows`` and optionally ``training rows``.
    metric : Metric
        The primary metric.

    Examples
    --------
    >>> scores = pd.DataFrame({"test rows": [0.8]}, index=["accuracy"])
    >>> describe_score(scores, metrics.get("accuracy", "binary"))
    'accuracy 0.8 on the test rows (higher is better).'
    """
    sentence = f"{metric.name} {scores.loc[metric.name, 'test rows']:.4g} on the test rows"
    if "training rows" in scores:
        sentence += f", {scores.loc[metric.name, 'training rows']:.4g} on the training rows"
    return f"{sentence} ({metric.direction})."


def describe_metrics(y_test: pd.Series, predictions: Predictions, task: str) -> tuple[str, ...]:
    """Return sentences about a table of scores: the threshold, the positive class, and the undefined metrics.

    Parameters
    ----------
    y_test : Series of shape (rows,)
        True values of the test rows.
    predictions : Predictions
        Predictions for the same rows.
    task : str

    Returns
    -------
    tuple of str
        Sentences.

    Examples
    --------
    >>> describe_metrics(pd.Series([0.0, 2.0], name="price"), Predictions(np.array([1.0, 2.0])), "regression")
    ('mape is undefined, because price is 0 in 1 of 2 rows.',)
    """
    sentences = []
    if predictions.rule is not None:
        sentences.append(describe_rule(predictions.rule, predictions.class_names))
    if predictions.positive_class is not None:
        positive = repr(str(predictions.positive_class))
        sentences.append(f"Precision, recall, F1 and average precision refer to the class {positive} (positive_class).")
    for metric in metrics.for_task(task):
        if reason := metric.undefined_reason(y_test):
            sentences.append(f"{reason.replace('the target', str(y_test.name))}.")
    return tuple(sentences)


def to_mlflow_metrics(scores: pd.DataFrame) -> dict[str, float]:
    """Return the scores by their metric names in MLflow, without undefined scores (NaN)."""
    return {
        f"{prefix}{name}": float(value)
        for column, prefix in _METRIC_PREFIXES.items()
        if column in scores
        for name, value in scores[column].items()
        if not np.isnan(value)
    }
