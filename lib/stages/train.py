"""Train: one training function, one candidate."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils._param_validation import InvalidParameterError

from lib import charts, cores, metrics
from lib.data import cleaning, sources, tables
from lib.errors import DataError, ParameterError
from lib.metrics import Metric, Predictions
from lib.stages._answers import Answer, Figures, title
from lib.training import TrainingRequest
from lib.training.features import FeatureError

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters

# The parameters of the use case that this stage reads, beside the common ones: a change of these makes it run anew.
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

# They stay with the model: a compiled form of it must answer them as the model itself does.
EXAMPLE_ROWS = 100
_SAMPLED_ROWS = 200_000
_LARGE_TABLE_ROWS = 1_000
_IMPORTANCE_ROWS, _IMPORTANCE_ROWS_A_CLASS, _IMPORTANCE_REPEATS = 1000, 20, 3


IMPORTANCE_CAPTION = (
    "How much the primary metric loses on the test rows when one column is shuffled. A column that carries nearly "
    "everything may be a leak: is it known at the time of a request?"
)
QUALITY_CAPTIONS = {
    "binary": "Left: true against false positives. Right: precision against recall, which tells more for a rare class.",
    "multiclass": "Each class against all others. Left: true against false positives. Right: precision against recall.",
    "regression": "Left: on the dotted line, the prediction is exact. Right: errors should be centred on zero.",
}


class TrainHooks(Protocol):
    """What a pipeline may change here."""

    def training_function(self, name: str) -> Callable:
        """Training function of a name."""


@dataclass(frozen=True, repr=False)
class Candidate(Answer):
    """Output of the stage, and what its notebook shows.

    Attributes
    ----------
    title, verdict : str
    run_id : str
        MLflow run with the model, its metrics, charts and parameters.
    scores : Table
        Every metric of the task, on test rows and on training rows; of a small table also the mean over folds of the
        training rows, and how far the folds are apart (a standard deviation).
    quality : Chart
        ROC and precision-recall curves, or residuals.
    importance : Chart
        Permutation importance on test rows.
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
        """Quality and importance, with what they mean for the task."""
        return Figures((self.quality, QUALITY_CAPTIONS[self.task]), (self.importance, IMPORTANCE_CAPTION))


def run(hooks: TrainHooks, backend: Backend, parameters: Parameters, run_id: str) -> Candidate:
    """Fit on the training rows, score on the test rows, log everything.

    Parameters
    ----------
    hooks, backend, parameters
        Of this run.
    run_id : str
        The active MLflow run.

    Returns
    -------
    Candidate
    """
    import mlflow

    task, target, name = parameters.task, parameters.target_column, parameters.training_function
    metric = parameters.metric
    on_parts = parameters.engine == "dask"
    read = _sampled if on_parts else backend.read_table
    train, test = read(parameters.train_data), read(parameters.test_data)
    y, y_test = (tables.get_column(rows, target, where="the preprocessed rows") for rows in (train, test))
    X, X_test = (cleaning.drop_columns(rows, [target], where="the preprocessed rows") for rows in (train, test))
    del train, test
    function = hooks.training_function(name)
    hyperparameters = parameters.hyperparameters.get(name) or {}
    threads = parameters.threads or cores.available()
    request = TrainingRequest(task, metric, parameters.seed, threads, parameters.month_first)

    started = time.perf_counter()
    try:
        if on_parts and hasattr(sys.modules[function.__module__], "train_on_parts"):
            model = _trained_on_parts(function, X, y, request, hyperparameters, parameters)
        else:
            model = function(X, y, request, **hyperparameters)
    except InvalidParameterError as error:
        raise ParameterError(f"hyperparameters: {name}: {error}") from error
    except FeatureError as error:
        raise DataError(f"{parameters.train_data}: {error}") from error
    seconds = time.perf_counter() - started

    on_test = metrics.predict(model, X_test, task, parameters.positive_class)
    on_train = metrics.predict(model, X, task, parameters.positive_class)
    rows = [
        (one.name, one.score(y_test, on_test), one.score(y, on_train), one.direction) for one in metrics.for_task(task)
    ]
    scores = charts.Table(rows, columns=["metric", "test rows", "training rows", "direction"]).set_index("metric")
    baseline = backend.read_json(parameters.baseline)
    folds = _cross_validated(lambda X, y: function(X, y, request, **hyperparameters), X, y, baseline, parameters)
    if folds is not None:
        scores.insert(2, "folds", folds.mean())
        scores.insert(3, "spread", folds.std(ddof=1))
    pictures = drawn(model, X_test, y_test, on_test, metric, parameters)

    mlflow.log_params(
        {
            "training_function": name,
            **{
                key: parameters[key]
                for key in (
                    "train_data",
                    "test_data",
                    "target_column",
                    "task",
                    "primary_metric",
                    "seed",
                    "positive_class",
                    "threads",
                )
            },
            **{f"hyperparameters.{key}": value for key, value in (_defaults(function) | hyperparameters).items()},
        }
    )
    finite = {one: float(value) for one, value in scores["test rows"].items() if value == value}
    finite |= {f"train_{one}": float(value) for one, value in scores["training rows"].items() if value == value}
    if folds is not None:
        finite |= {f"folds_{one}": float(value) for one, value in scores["folds"].items() if value == value}
        finite |= {f"spread_{one}": float(value) for one, value in scores["spread"].items() if value == value}
    mlflow.log_metrics({**finite, "fit_seconds": seconds, "train_rows": len(X), "test_rows": len(X_test)})
    for chart_name, chart in pictures.items():
        backend.tracking.log_chart(chart, chart_name)
    backend.tracking.log_table(scores, "scores")
    example = X_test.head(EXAMPLE_ROWS)
    features = pd.concat([X, X_test], ignore_index=True)
    backend.tracking.log_model(model, example, features, baseline)
    scores.attrs[charts.MARKED] = [metric.name]
    return Candidate(
        title=title(f"Train {name}", parameters),
        verdict=verdict(scores, metric),
        run_id=run_id,
        scores=scores,
        quality=pictures.get("curves") or pictures["residuals"],
        importance=pictures["importance"],
        task=task,
    )


def verdict(scores: pd.DataFrame, metric: Metric) -> str:
    """Return the primary metric of a model in one sentence."""
    on_test = scores.loc[metric.name, "test rows"]
    on_train = (
        f", {scores.loc[metric.name, 'training rows']:.4g} on the training rows" if "training rows" in scores else ""
    )
    return f"{metric.name} {on_test:.4g} on the test rows{on_train} ({metric.direction})."


def _trained_on_parts(
    function: Callable, X: pd.DataFrame, y: pd.Series, request: TrainingRequest, given: dict, parameters: Parameters
) -> Any:
    """Model of a training function that learns from all parts, through its own ``train_on_parts``."""
    from lib.stages import _cluster

    paths = [str(path) for path in sources.list_files(parameters.train_data)]
    train_on_parts = sys.modules[function.__module__].train_on_parts
    with _cluster.connect_client(parameters) as client:
        return train_on_parts(X, y, request, client, paths, **given)


def _sampled(uri: str) -> pd.DataFrame:
    """Some rows of every part of a table: what functions that learn in memory learn from, and what scores."""
    paths = sources.list_files(uri)
    most = -(-_SAMPLED_ROWS // len(paths))
    parts = []
    for number, path in enumerate(paths):
        rows = tables.read(path)
        parts.append(rows.sample(min(len(rows), most), random_state=number))
    return pd.concat(parts, ignore_index=True)


def _cross_validated(
    fit: Callable, X: pd.DataFrame, y: pd.Series, baseline: dict[str, Any], parameters: Parameters
) -> pd.DataFrame | None:
    """Metrics of each fold of a small table, shape (folds, metrics); their spread says what luck alone can do.

    None where the table is large enough for its test rows to speak, or where folds would cut through what the split
    keeps together. Rows of a class with fewer rows than folds train in every fold.
    """
    if not parameters.cross_validation_folds or len(X) >= _LARGE_TABLE_ROWS:
        return None
    rule, target = baseline.get("split"), parameters.target_column
    if rule is None or "cut" in rule or not {*X.columns, target} <= {*rule["columns"]}:
        return None
    rows = np.arange(len(y))
    if parameters.task == "regression":
        tested = rows
        splitter = KFold(parameters.cross_validation_folds, shuffle=True, random_state=parameters.seed)
    else:
        tested = rows[(y.groupby(y).transform("size") >= parameters.cross_validation_folds).to_numpy()]
        splitter = StratifiedKFold(parameters.cross_validation_folds, shuffle=True, random_state=parameters.seed)
    if y.iloc[tested].nunique() < 2:
        return None
    found = []
    for _, fold in splitter.split(tested, y.iloc[tested]):
        test = tested[fold]
        train = np.setdiff1d(rows, test)
        model = fit(X.iloc[train].reset_index(drop=True), y.iloc[train].reset_index(drop=True))
        predictions = metrics.predict(model, X.iloc[test], parameters.task, parameters.positive_class)
        found.append({one.name: one.score(y.iloc[test], predictions) for one in metrics.for_task(parameters.task)})
    return pd.DataFrame(found)


def permutation_importance(
    model: Any, X: pd.DataFrame, y: pd.Series, metric: Metric, parameters: Parameters
) -> pd.DataFrame:
    """How much of the score is lost when one raw column is shuffled.

    Breiman: Random forests, 2001; https://scikit-learn.org/stable/modules/permutation_importance.html

    Returns
    -------
    DataFrame of shape (columns, 2)
        ``mean`` and ``deviation`` over the repeats, most important first.
    """
    from sklearn.inspection import permutation_importance as permute

    shuffled = y.sample(frac=1, random_state=parameters.seed)
    rows = shuffled.index[:_IMPORTANCE_ROWS]
    if parameters.task != "regression":  # of a rare class a plain sample may hold none, and no metric is defined then
        rows = rows.union(shuffled.groupby(shuffled).head(_IMPORTANCE_ROWS_A_CLASS).index)
    sign = 1 if metric.greater_is_better else -1

    def scorer(fitted: Any, some: pd.DataFrame, truth: pd.Series) -> float:
        return sign * metric.score(truth, metrics.predict(fitted, some, parameters.task, parameters.positive_class))

    found = permute(
        model, X.loc[rows], y.loc[rows], scoring=scorer, n_repeats=_IMPORTANCE_REPEATS, random_state=parameters.seed
    )
    frame = pd.DataFrame({"mean": found.importances_mean, "deviation": found.importances_std}, index=X.columns)
    return frame.sort_values("mean", ascending=False)


def drawn(
    model: Any,
    X: pd.DataFrame,
    y: pd.Series,
    predictions: Predictions,
    metric: Metric,
    parameters: Parameters,
    shuffled: bool = True,
) -> dict[str, charts.Chart]:
    """Charts of a model on test rows, by name; without the importance of columns where none is to be shuffled."""
    of_columns = {}
    if shuffled:
        of_columns["importance"] = charts.column_importance(
            permutation_importance(model, X, y, metric, parameters), metric
        )
    if parameters.task == "regression":
        return {"residuals": charts.residuals(y, predictions), **of_columns}
    return {
        "curves": charts.roc_and_precision_recall(y, predictions),
        "confusion_matrix": charts.confusion_matrix(y, predictions),
        **of_columns,
    }


def _defaults(function: Callable) -> dict[str, Any]:
    """Hyperparameters of a training function with their defaults."""
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    return {
        one.name: one.default for one in inspect.signature(function).parameters.values() if one.kind is keyword_only
    }
