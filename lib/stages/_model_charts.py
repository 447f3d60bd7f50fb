"""Charts of one model on the test rows: curves or residuals, the confusion matrix, and column importance."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pandas as pd

from lib import charts, metrics
from lib.evaluation.no_skill import predict_no_skill
from lib.metrics import Metric, Predictions
from lib.stages._model_rows import ModelRows

if TYPE_CHECKING:
    from lib.parameters import Parameters

IMPORTANCE_CAPTION = (
    "The loss in the primary metric on the test rows when one column is shuffled. If nearly all of the score depends "
    "on one column, it may be a leak: is its value known at the time of a request?"
)
QUALITY_CAPTIONS = {
    "binary": (
        "Left: true against false positives. Right: precision against recall, which is more informative for a rare "
        "class. Dotted: a no-skill model."
    ),
    "multiclass": "Each class against all others. Left: true against false positives. Right: precision against recall.",
    "regression": "Left: on the dotted line, the prediction is exact. Right: errors should be centred on zero.",
}

_IMPORTANCE_ROWS = 1000
_IMPORTANCE_ROWS_PER_CLASS = 20
_IMPORTANCE_REPEATS = 3


def draw_charts(
    model: Any,
    rows: ModelRows,
    predictions: Predictions,
    parameters: Parameters,
    with_importance: bool = True,
) -> dict[str, charts.Chart]:
    """Draw the charts of a model on the test rows.

    Parameters
    ----------
    model : object
        A fitted estimator.
    rows : ModelRows
    predictions : Predictions
        The model's predictions for the test rows.
    parameters : Parameters
        ``task``, ``primary_metric``, ``positive_class`` and ``seed``.
    with_importance : bool, default True
        Whether to measure and draw the permutation importance, which calls the model several times per column.

    Returns
    -------
    dict of str to Chart
        ``residuals``, or ``curves`` and ``confusion_matrix``; ``importance`` if requested.
    """
    figures = {}
    no_skill = predict_no_skill(rows.y, rows.y_test, predictions, parameters.metric, rows.weights)
    if parameters.task == "regression":
        figures["residuals"] = charts.residuals(rows.y_test, predictions, no_skill)
        charts.label(figures["residuals"], "Predictions and errors on the test rows", QUALITY_CAPTIONS[parameters.task])
    else:
        figures["curves"] = charts.roc_and_precision_recall(rows.y_test, predictions)
        charts.label(figures["curves"], "Curves on the test rows", QUALITY_CAPTIONS[parameters.task])
        figures["confusion_matrix"] = charts.confusion_matrix(rows.y_test, predictions, no_skill)
    if with_importance:
        importances = permutation_importance(model, rows.X_test, rows.y_test, parameters.metric, parameters)
        figures["importance"] = charts.column_importance(importances, parameters.metric)
        charts.label(figures["importance"], "Permutation importance", IMPORTANCE_CAPTION, section="importance")
    return figures


def permutation_importance(
    model: Any, X: pd.DataFrame, y: pd.Series, metric: Metric, parameters: Parameters
) -> pd.DataFrame:
    """Return how much worse a metric becomes when one raw column is shuffled, for each column.

    The loss is positive for an important column, also for a metric whose lower values are better. It is measured on a
    random sample of 1,000 rows, with at least 20 rows of each class where there are as many.

    Breiman: Random forests, 2001; https://scikit-learn.org/stable/modules/permutation_importance.html

    Parameters
    ----------
    model : object
        A fitted estimator.
    X : DataFrame of shape (rows, columns)
    y : Series of shape (rows,)
    metric : Metric
    parameters : Parameters
        ``task``, ``positive_class`` and ``seed``.

    Returns
    -------
    DataFrame of shape (columns, 2)
        ``mean`` and ``deviation`` over the repeats, most important column first.
    """
    from sklearn import inspection

    sign = 1 if metric.greater_is_better else -1

    def score(estimator: Any, features: pd.DataFrame, truth: pd.Series) -> float:
        predictions = metrics.predict(estimator, features, parameters.task, parameters.positive_class)
        # A metric of the customer's own may read columns, which must not be the shuffled ones.
        return sign * metric.score(truth, dataclasses.replace(predictions, rows=original))

    rows = _sample_for_importance(y, parameters)
    original = X.loc[rows]
    importances = inspection.permutation_importance(
        model, X.loc[rows], y.loc[rows], scoring=score, n_repeats=_IMPORTANCE_REPEATS, random_state=parameters.seed
    )
    columns = {"mean": importances.importances_mean, "deviation": importances.importances_std}
    return pd.DataFrame(columns, index=X.columns).sort_values("mean", ascending=False)


def _sample_for_importance(y: pd.Series, parameters: Parameters) -> pd.Index:
    """Return the index of a random sample of rows that has some rows of each class."""
    shuffled = y.sample(frac=1, random_state=parameters.seed)
    rows = shuffled.index[:_IMPORTANCE_ROWS]
    if parameters.task == "regression":
        return rows
    # Without a row of a rare class, metrics such as ROC AUC would be undefined.
    return rows.union(shuffled.groupby(shuffled).head(_IMPORTANCE_ROWS_PER_CLASS).index)
