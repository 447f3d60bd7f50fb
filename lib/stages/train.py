"""Train: fit one training function and log the model as a candidate."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold
from sklearn.utils._param_validation import InvalidParameterError

from lib import charts, cores, metrics
from lib.errors import DataError, ParameterError
from lib.metrics import Metric, Predictions
from lib.stages._answers import Answer, Figures, title
from lib.tables import cleaning, frames, sources
from lib.tables.split.row_hash import row_hash
from lib.training import TrainingRequest
from lib.training.features import FeatureError

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

# The use case's parameters that this stage reads, besides the common ones. A changed value makes the stage run again.
PARAMETERS = (
    "target_column",
    "task",
    "month_first",
    "positive_class",
    "hyperparameters",
    "primary_metric",
    "cross_validation_folds",
    "threads",
    "seed",
    "engine",
    "scheduler_address",
)

# Rows logged with the model. The model's fast form must give the same answers to them as the model itself.
EXAMPLE_ROWS = 100
IMPORTANCE_CAPTION = (
    "The loss in the primary metric on the test rows when one column is shuffled. If nearly all of the score depends "
    "on one column, it may be a leak: is its value known at the time of a request?"
)
QUALITY_CAPTIONS = {
    "binary": (
        "Left: true against false positives. Right: precision against recall, which is more informative for a rare "
        "class."
    ),
    "multiclass": "Each class against all others. Left: true against false positives. Right: precision against recall.",
    "regression": "Left: on the dotted line, the prediction is exact. Right: errors should be centred on zero.",
}

_SAMPLE_ROWS = 200_000  # of a table in parts
_MAX_CROSS_VALIDATION_ROWS = 1_000
_IMPORTANCE_ROWS = 1000
_IMPORTANCE_ROWS_PER_CLASS = 20
_IMPORTANCE_REPEATS = 3
_LOGGED_PARAMETERS = (
    "train_data",
    "test_data",
    "target_column",
    "task",
    "primary_metric",
    "seed",
    "positive_class",
    "threads",
)
# Columns of the table of scores, and the prefixes of their metrics in MLflow.
_METRIC_PREFIXES = {"test rows": "", "training rows": "train_", "folds": "folds_", "spread": "spread_"}


class TrainHooks(Protocol):
    """The method of a pipeline that this stage calls."""

    def training_function(self, name: str) -> Callable[..., Any]:
        """Return the training function with a name."""


@dataclass(frozen=True, repr=False)
class Candidate(Answer):
    """The output of the stage, and the content of its notebook.

    Attributes
    ----------
    title, verdict : str
    run_id : str
        MLflow run with the model, its metrics, charts and parameters.
    scores : Table
        Every metric of the task on the test rows and on the training rows. For a small table, also the mean and the
        standard deviation over the folds of a cross-validation on the training rows.
    quality : Chart
        ROC and precision-recall curves, or residuals.
    importance : Chart
        Permutation importance on the test rows.
    task : str
        Selects the caption of ``quality``.
    """

    title: str
    verdict: str
    run_id: str
    scores: charts.Table
    quality: charts.Chart
    importance: charts.Chart
    task: str

    def main_table(self) -> charts.Table:
        """Return the scores."""
        return self.scores

    @property
    def figures(self) -> Figures:
        """Quality and importance, with captions for the task."""
        return Figures((self.quality, QUALITY_CAPTIONS[self.task]), (self.importance, IMPORTANCE_CAPTION))


def run(hooks: TrainHooks, backend: Backend, parameters: Parameters, run_id: str) -> Candidate:
    """Fit a model on the training rows, score it on the test rows, and log both.

    Parameters
    ----------
    hooks : TrainHooks
        The pipeline.
    backend : Backend
    parameters : Parameters
        The parameters of the stage, including its inputs.
    run_id : str
        The active MLflow run.

    Returns
    -------
    Candidate

    Raises
    ------
    ParameterError
        If the training function rejects a hyperparameter.
    DataError
        If the model cannot be trained on the columns of the table.
    """
    import mlflow

    name, metric = parameters.training_function, parameters.metric
    read = _read_sample if parameters.engine == "dask" else backend.read_table
    X, y = _read_features_and_target(read, parameters.train_data, parameters)
    X_test, y_test = _read_features_and_target(read, parameters.test_data, parameters)
    function = hooks.training_function(name)
    hyperparameters = parameters.hyperparameters.get(name) or {}
    threads = parameters.threads or cores.available()
    request = TrainingRequest(parameters.task, metric, parameters.seed, threads, parameters.month_first)

    started = time.perf_counter()
    model = _fit(function, X, y, request, hyperparameters, parameters)
    fit_seconds = time.perf_counter() - started

    baseline = backend.read_json(parameters.baseline)
    predictions = metrics.predict(model, X_test, parameters.task, parameters.positive_class)
    train_predictions = metrics.predict(model, X, parameters.task, parameters.positive_class)
    scores = _score_table((y_test, predictions), (y, train_predictions), parameters.task)
    folds = _cross_validate(lambda X, y: function(X, y, request, **hyperparameters), X, y, baseline, parameters)
    if folds is not None:
        scores.insert(2, "folds", folds.mean())
        scores.insert(3, "spread", folds.std(ddof=1))
    pictures = draw_charts(model, X_test, y_test, predictions, metric, parameters)

    mlflow.log_params(_params_to_log(function, hyperparameters, parameters))
    sizes = {"fit_seconds": fit_seconds, "train_rows": len(X), "test_rows": len(X_test)}
    mlflow.log_metrics({**_metrics_to_log(scores), **sizes})
    for chart_name, chart in pictures.items():
        backend.tracking.log_chart(chart, chart_name)
    backend.tracking.log_table(scores, "scores")
    features = pd.concat([X, X_test], ignore_index=True)
    backend.tracking.log_model(model, X_test.head(EXAMPLE_ROWS), features, baseline)
    scores.attrs[charts.MARKED] = [metric.name]
    return Candidate(
        title=title(f"Train {name}", parameters),
        verdict=describe_score(scores, metric),
        run_id=run_id,
        scores=scores,
        quality=pictures.get("curves") or pictures["residuals"],
        importance=pictures["importance"],
        task=parameters.task,
    )


def describe_score(scores: pd.DataFrame, metric: Metric) -> str:
    """Return the primary metric of a model in one sentence.

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


def permutation_importance(
    model: Any, X: pd.DataFrame, y: pd.Series, metric: Metric, parameters: Parameters
) -> pd.DataFrame:
    """Return the loss in a metric when a raw column is shuffled, for each column.

    The loss is positive for an important column, whatever the direction of the metric. At most about 1,000 rows are
    used, and at least 20 of each class that has as many.

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
        return sign * metric.score(truth, predictions)

    rows = _sample_for_importance(y, parameters)
    importances = inspection.permutation_importance(
        model, X.loc[rows], y.loc[rows], scoring=score, n_repeats=_IMPORTANCE_REPEATS, random_state=parameters.seed
    )
    columns = {"mean": importances.importances_mean, "deviation": importances.importances_std}
    return pd.DataFrame(columns, index=X.columns).sort_values("mean", ascending=False)


def draw_charts(
    model: Any,
    X: pd.DataFrame,
    y: pd.Series,
    predictions: Predictions,
    metric: Metric,
    parameters: Parameters,
    with_importance: bool = True,
) -> dict[str, charts.Chart]:
    """Draw the charts of a model on the test rows.

    Parameters
    ----------
    model : object
        A fitted estimator.
    X : DataFrame of shape (rows, columns)
    y : Series of shape (rows,)
    predictions : Predictions
        The model's predictions for `X`.
    metric : Metric
        The primary metric.
    parameters : Parameters
        ``task``, ``positive_class`` and ``seed``.
    with_importance : bool, default True
        Whether to measure and draw the permutation importance, which calls the model several times per column.

    Returns
    -------
    dict of str to Chart
        ``residuals``, or ``curves`` and ``confusion_matrix``; ``importance`` if requested.
    """
    pictures = {}
    if parameters.task == "regression":
        pictures["residuals"] = charts.residuals(y, predictions)
    else:
        pictures["curves"] = charts.roc_and_precision_recall(y, predictions)
        pictures["confusion_matrix"] = charts.confusion_matrix(y, predictions)
    if with_importance:
        importances = permutation_importance(model, X, y, metric, parameters)
        pictures["importance"] = charts.column_importance(importances, metric)
    return pictures


def _read_features_and_target(
    read: Callable[[str], pd.DataFrame], uri: str, parameters: Parameters
) -> tuple[pd.DataFrame, pd.Series]:
    rows, target = read(uri), parameters.target_column
    y = frames.get_column(rows, target, where="the preprocessed rows")
    return cleaning.drop_columns(rows, [target], where="the preprocessed rows"), y


def _read_sample(uri: str) -> pd.DataFrame:
    """Read a random sample of each part of a table, to score on and for functions that train in memory."""
    paths = sources.list_files(uri)
    rows_per_part = -(-_SAMPLE_ROWS // len(paths))
    parts = []
    for number, path in enumerate(paths):
        rows = frames.read(path)
        parts.append(rows.sample(min(len(rows), rows_per_part), random_state=number))
    return pd.concat(parts, ignore_index=True)


def _fit(
    function: Callable[..., Any],
    X: pd.DataFrame,
    y: pd.Series,
    request: TrainingRequest,
    hyperparameters: dict[str, Any],
    parameters: Parameters,
) -> Any:
    """Return the model of a training function, trained on a cluster if the function supports it."""
    try:
        if parameters.engine == "dask" and hasattr(sys.modules[function.__module__], "train_on_parts"):
            return _train_on_parts(function, X, y, request, hyperparameters, parameters)
        return function(X, y, request, **hyperparameters)
    except InvalidParameterError as error:
        raise ParameterError(f"hyperparameters: {parameters.training_function}: {error}") from error
    except FeatureError as error:
        raise DataError(f"{parameters.train_data}: {error}") from error


def _train_on_parts(
    function: Callable[..., Any],
    X: pd.DataFrame,
    y: pd.Series,
    request: TrainingRequest,
    hyperparameters: dict[str, Any],
    parameters: Parameters,
) -> Any:
    """Return a model trained on all parts of the table by ``train_on_parts`` of the training function's module."""
    from lib.stages import _cluster

    paths = [str(path) for path in sources.list_files(parameters.train_data)]
    train_on_parts = sys.modules[function.__module__].train_on_parts
    with _cluster.connect_client(parameters) as client:
        return train_on_parts(X, y, request, client, paths, **hyperparameters)


def _score_table(
    test: tuple[pd.Series, Predictions], training: tuple[pd.Series, Predictions], task: str
) -> charts.Table:
    """Return every metric of a task, given the true values and the predictions of both sides."""
    rows = [
        (metric.name, metric.score(*test), metric.score(*training), metric.direction)
        for metric in metrics.for_task(task)
    ]
    return charts.Table(rows, columns=["metric", "test rows", "training rows", "direction"]).set_index("metric")


def _cross_validate(
    fit: Callable[[pd.DataFrame, pd.Series], Any],
    X: pd.DataFrame,
    y: pd.Series,
    baseline: dict[str, Any],
    parameters: Parameters,
) -> pd.DataFrame | None:
    """Return the metrics of each fold, of shape (folds, metrics); their spread shows the effect of chance.

    Return None if the table has enough test rows without cross-validation, or if random folds would separate rows that
    the split keeps together. Rows with equal features share a fold, as they share a side of the split. Rows of a class
    with fewer distinct rows than folds are training rows in every fold.
    """
    if len(X) >= _MAX_CROSS_VALIDATION_ROWS or not _allows_random_folds(baseline.get("split"), X, parameters):
        return None
    rows = np.arange(len(y))
    groups = row_hash(X, list(X.columns), normalize=True)
    split_rows = rows
    if parameters.task != "regression":
        class_sizes = pd.Series(groups).groupby(y.to_numpy()).transform("nunique")
        split_rows = rows[(class_sizes >= parameters.cross_validation_folds).to_numpy()]
    if y.iloc[split_rows].nunique() < 2:
        return None
    scores = []
    for fold in _make_folds(y.iloc[split_rows], groups[split_rows], parameters):
        test = split_rows[fold]
        train = np.setdiff1d(rows, test)
        model = fit(X.iloc[train].reset_index(drop=True), y.iloc[train].reset_index(drop=True))
        predictions = metrics.predict(model, X.iloc[test], parameters.task, parameters.positive_class)
        scores.append(
            {metric.name: metric.score(y.iloc[test], predictions) for metric in metrics.for_task(parameters.task)}
        )
    return pd.DataFrame(scores)


def _make_folds(y: pd.Series, groups: np.ndarray, parameters: Parameters) -> list[np.ndarray]:
    """Return the positions of the rows of each random fold; rows of one group share a fold."""
    options = {"n_splits": parameters.cross_validation_folds, "shuffle": True, "random_state": parameters.seed}
    is_regression = parameters.task == "regression"
    if len(np.unique(groups)) == len(groups):
        splitter = (KFold if is_regression else StratifiedKFold)(**options)
        return [fold for _, fold in splitter.split(y, y)]
    group_splitter = (GroupKFold if is_regression else StratifiedGroupKFold)(**options)
    return [fold for _, fold in group_splitter.split(y, y, groups)]


def _allows_random_folds(rule: dict[str, Any] | None, X: pd.DataFrame, parameters: Parameters) -> bool:
    """Return whether folds are requested and the table was split by a hash of all features, not by time or by a key."""
    if not parameters.cross_validation_folds or rule is None or "cut" in rule:
        return False
    return {*X.columns} <= {*rule["columns"]}


def _sample_for_importance(y: pd.Series, parameters: Parameters) -> pd.Index:
    """Return the labels of random rows, with at least some rows of each class."""
    shuffled = y.sample(frac=1, random_state=parameters.seed)
    rows = shuffled.index[:_IMPORTANCE_ROWS]
    if parameters.task == "regression":
        return rows
    # A random sample may contain no row of a rare class, which leaves metrics such as ROC AUC undefined.
    return rows.union(shuffled.groupby(shuffled).head(_IMPORTANCE_ROWS_PER_CLASS).index)


def _params_to_log(
    function: Callable[..., Any], hyperparameters: dict[str, Any], parameters: Parameters
) -> dict[str, Any]:
    """Return the MLflow params of the run, including the default hyperparameters of the training function."""
    all_hyperparameters = _default_hyperparameters(function) | hyperparameters
    return {
        "training_function": parameters.training_function,
        **{name: parameters[name] for name in _LOGGED_PARAMETERS},
        **{f"hyperparameters.{name}": value for name, value in all_hyperparameters.items()},
    }


def _default_hyperparameters(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the keyword-only parameters of a training function with their defaults."""
    return {
        parameter.name: parameter.default
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def _metrics_to_log(scores: pd.DataFrame) -> dict[str, float]:
    """Return the scores by their names in MLflow, without undefined ones (NaN)."""
    return {
        f"{prefix}{name}": float(value)
        for column, prefix in _METRIC_PREFIXES.items()
        if column in scores
        for name, value in scores[column].items()
        if not np.isnan(value)
    }
