"""Train: fit one training function and log the model as a candidate."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import InvalidParameterError

from lib import charts, cores, metrics
from lib.errors import CodeError, DataError, ParameterError, suggest
from lib.evaluation.out_of_fold import OutOfFold, predict_out_of_fold
from lib.scoring.feature_step import FeatureStepError
from lib.scoring.model import EXPLANATION
from lib.secrets import known_values
from lib.stages import _calibration, _coverage, _features, _folds
from lib.stages._decision_rule import add_rule, apply_rule, collect_out_of_fold, rule_metrics
from lib.stages._decision_worth import Display
from lib.stages._explanation_data import describe_for_reasons
from lib.stages._facts import describe_candidate
from lib.stages._hyperparameter_search import search_hyperparameters
from lib.stages._model_charts import IMPORTANCE_CAPTION, QUALITY_CAPTIONS, draw_charts
from lib.stages._model_rows import ModelRows, get_feature_schema, make_examples
from lib.stages._results import Figures, StageResult, make_title
from lib.stages._scores import describe_metrics, describe_score, make_score_table, to_mlflow_metrics
from lib.tables import frames, sources
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
    "search_minutes",
    "max_trials",
    "class_weight",
    "weight_column",
    "primary_metric",
    "metrics",
    "cross_validation_folds",
    "calibration",
    "threshold",
    "costs",
    "cost_column",
    "coverage",
    "groups",
    "threads",
    "seed",
    "engine",
    "scheduler_address",
)

# Rows logged with the model: the fast model must give the same answers for them as the model itself.

# Larger tables have enough test rows without a cross-validation.
_MAX_CROSS_VALIDATION_ROWS = 1_000
_SAMPLE_ROWS = 200_000  # read from a table in parts
_LOGGED_PARAMETERS = (
    "train_data",
    "test_data",
    "target_column",
    "task",
    "primary_metric",
    "seed",
    "positive_class",
    "threads",
    "class_weight",
    "weight_column",
    "threshold",
    "costs",
    "cost_column",
    "coverage",
    "groups",
)


class TrainHooks(Protocol):
    """The methods of a pipeline that this stage calls."""

    def features(self) -> str:
        """Return the name of a module in ``custom/features``; empty for none."""

    def training_function(self, name: str) -> Callable[..., Any]:
        """Return the training function of this name."""


@dataclass(frozen=True, repr=False)
class Candidate(StageResult):
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
    notes : tuple of str
    facts : mapping
        Scores, threshold and calibration errors.
    displays : tuple of Display
        The search over hyperparameters and the calibration of probabilities, if there are any.
    """

    title: str
    verdict: str
    run_id: str
    scores: charts.Table
    quality: charts.Chart
    importance: charts.Chart
    task: str
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    displays: tuple[Display, ...] = ()

    def main_table(self) -> charts.Table:
        """Return the scores."""
        return self.scores

    @property
    def figures(self) -> Figures:
        """Quality, importance and, if there are some, the search and the calibration, with captions for the task."""
        return Figures(
            (self.quality, QUALITY_CAPTIONS[self.task]),
            (self.importance, IMPORTANCE_CAPTION),
            *((display.content, display.caption) for display in self.displays),
        )


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
        If the training function rejects a hyperparameter, or the primary metric is undefined for the target.
    DataError
        If the model cannot be trained on the columns of the table.
    """
    import mlflow

    name, metric = parameters.training_function, parameters.metric
    baseline = backend.read_json(parameters.baseline)
    if parameters.engine == "dask":
        rows = ModelRows.read(_read_sample, parameters)
    else:
        rows = ModelRows.read(backend.read_table, parameters, baseline)
    step = _features.make_step(hooks)
    function = _features.with_features(hooks.training_function(name), step)
    threads = parameters.threads or cores.available()
    all_features = rows.all_features
    rows, calibration_rows = _coverage.hold_out(rows, baseline.get("split"), parameters)
    _check_class_weight(rows.y, parameters)
    request = TrainingRequest(
        parameters.task,
        metric,
        parameters.seed,
        threads,
        parameters.month_first,
        get_feature_schema(baseline),
        parameters.class_weight or None,
        rows.weights,
    )

    def fit(chosen: Mapping[str, Any], X: pd.DataFrame, y: pd.Series, weights: np.ndarray | None = None) -> Any:
        return function(X, y, replace(request, row_weights=weights), **chosen)

    if step is not None:
        _features.check_rows_are_independent(_features.fit_step(step, rows.X, rows.y), rows.X_test)
    with _explain_errors(parameters):
        search = search_hyperparameters(function, fit, rows, baseline.get("split"), parameters)
        hyperparameters = search.hyperparameters
        fit_fold = functools.partial(fit, hyperparameters)
        folds = _cross_validate(fit_fold, rows, baseline, parameters)
        started = time.perf_counter()
        model = _fit(function, rows, request, hyperparameters, parameters, has_features=step is not None)
        fit_seconds = time.perf_counter() - started
    notes, displays = search.notes, search.show(name, metric)
    calibration_errors: dict[str, float] = {}
    if _calibration.is_requested(parameters):
        result = _calibration.calibrate_model(model, folds, rows.y, parameters.calibration, parameters.seed)
        model, folds, calibration_errors = result.model, result.folds, result.errors
        notes, displays = (*notes, result.note), (*displays, *result.show())

    def predict() -> OutOfFold:
        if folds:  # calibrated like the model
            return collect_out_of_fold(folds, rows.y)
        return predict_out_of_fold(
            fit_fold,
            rows.X,
            rows.y,
            baseline.get("split"),
            parameters.task,
            parameters.positive_class,
            parameters.seed,
            rows.split_keys,
            rows.weights,
        )

    with _explain_errors(parameters):
        model, rule = add_rule(model, rows, predict, parameters)
    coverage = _coverage.calibrate(model, rows, calibration_rows, parameters)
    predictions = metrics.predict(model, rows.X_test, parameters.task, parameters.positive_class)
    predictions = replace(predictions, weights=rows.weights_test)
    train_predictions = metrics.predict(model, rows.X, parameters.task, parameters.positive_class)
    own = parameters.own_metrics
    train_predictions = replace(train_predictions, weights=rows.weights)
    training = (rows.y, train_predictions)
    scores = make_score_table((rows.y_test, predictions), training, rows.y, metric, parameters.task, own)
    if folds and _shows_folds(rows.X, parameters):
        fold_scores = _folds.score_folds(apply_rule(folds, rule), rows.y, parameters.task, own)
        scores.insert(2, "folds", fold_scores.mean())
        scores.insert(3, "spread", fold_scores.std(ddof=1))
    figures = draw_charts(model, rows, predictions, parameters)

    mlflow.log_params(_collect_logged_params(function, hyperparameters, parameters))
    mlflow.log_params({_features.LOGGED_NAME: step.name} if step is not None else {})
    sizes = {"fit_seconds": fit_seconds, "train_rows": len(rows.X), "test_rows": len(rows.X_test)}
    threshold = rule_metrics(rule)
    mlflow.log_metrics({**to_mlflow_metrics(scores), **calibration_errors, **sizes, **threshold})
    for chart_name, chart in figures.items():
        backend.tracking.log_chart(chart, chart_name)
    backend.tracking.log_table(scores, "scores")
    charts.label(scores, f"Scores of {name}")
    search.log(backend, run_id, name, metric)
    for display in displays:
        display.log(backend)
    baseline = _coverage.add_to_baseline(baseline, coverage)
    baseline[EXPLANATION] = describe_for_reasons(model, rows.X, parameters)
    backend.tracking.log_model(model, make_examples(rows, baseline, parameters), all_features, baseline)
    return Candidate(
        title=make_title(f"Train {name}", parameters),
        verdict=describe_score(scores, metric),
        notes=(
            *describe_metrics(rows.y_test, predictions, parameters.task),
            *notes,
            *_coverage.describe(coverage, calibration_rows, parameters),
        ),
        run_id=run_id,
        scores=scores,
        quality=figures.get("curves") or figures["residuals"],
        importance=figures["importance"],
        task=parameters.task,
        facts=describe_candidate(name, scores, metric, {**calibration_errors, **sizes, **threshold}),
        displays=displays,
    )


def _check_class_weight(y: pd.Series, parameters: Parameters) -> None:
    """Raise a ParameterError if ``class_weight`` names a class that no training row has."""
    if isinstance(parameters.class_weight, dict):
        classes = [str(label) for label in y.unique()]
        for name in parameters.class_weight:
            if name not in classes:
                raise ParameterError(
                    f"class_weight: {name!r} is not a class of {parameters.target_column}. {suggest(name, classes)}"
                )


def _shows_folds(X: pd.DataFrame, parameters: Parameters) -> bool:
    """Return whether the scores of a cross-validation are shown."""
    return len(X) < _MAX_CROSS_VALIDATION_ROWS and bool(parameters.cross_validation_folds)


def _cross_validate(
    fit: Callable[..., Any],
    rows: ModelRows,
    baseline: dict[str, Any],
    parameters: Parameters,
) -> list[_folds.Fold]:
    """Return predictions on random folds, for the fold scores and the calibration; empty if neither needs them."""
    X = rows.X
    needs_scores = _shows_folds(X, parameters)
    needs_calibration = _calibration.is_requested(parameters) and len(X) <= _calibration.MAX_TRAINING_ROWS
    if not (needs_scores or needs_calibration) or not _folds.allows_random_folds(baseline.get("split"), X):
        return []
    fold_count = parameters.cross_validation_folds or _calibration.DEFAULT_FOLDS
    min_rows = len(X) if needs_scores else _calibration.MIN_ROWS
    return _folds.cross_validate(fit, X, rows.y, fold_count, min_rows, parameters, rows.weights)


def _fit(
    function: Callable[..., Any],
    rows: ModelRows,
    request: TrainingRequest,
    hyperparameters: dict[str, Any],
    parameters: Parameters,
    has_features: bool,
) -> Any:
    """Train a model; with engine dask on all parts of the table, if the training function has ``train_on_parts``."""
    train_on_parts = getattr(sys.modules[function.__module__], "train_on_parts", None)
    if parameters.engine != "dask" or train_on_parts is None:
        return function(rows.X, rows.y, request, **hyperparameters)
    if has_features:
        raise ParameterError(
            f"engine: {parameters.training_function} reads the parts of the table on a cluster, where the hook "
            "features is not applied. Use engine: memory, or another training function."
        )
    from lib.stages import _cluster

    paths = [str(path) for path in sources.list_files(parameters.train_data)]
    with _cluster.connect_client(parameters) as client:
        return train_on_parts(rows.X, rows.y, request, client, paths, **hyperparameters)


@contextlib.contextmanager
def _explain_errors(parameters: Parameters) -> Iterator[None]:
    """Turn errors of a training function into errors that name the parameter or the table at fault."""
    try:
        yield
    except InvalidParameterError as error:
        raise ParameterError(f"hyperparameters: {parameters.training_function}: {error}") from error
    except FeatureStepError as error:
        raise CodeError(str(error)) from error
    except FeatureError as error:
        raise DataError(f"{parameters.train_data}: {error}") from error


def _read_sample(uri: str) -> pd.DataFrame:
    """Read a random sample of a table in parts, equally many rows from each part."""
    paths = sources.list_files(uri)
    rows_per_part = -(-_SAMPLE_ROWS // len(paths))
    parts = []
    for number, path in enumerate(paths):
        rows = frames.read(path)
        parts.append(rows.sample(min(len(rows), rows_per_part), random_state=number))
    return pd.concat(parts, ignore_index=True)


def _collect_logged_params(
    function: Callable[..., Any], hyperparameters: dict[str, Any], parameters: Parameters
) -> dict[str, Any]:
    """Return the MLflow params of the run, including the default hyperparameters of the training function."""
    all_hyperparameters = _default_hyperparameters(function) | hyperparameters
    return {
        "training_function": parameters.training_function,
        **{name: parameters[name] for name in _LOGGED_PARAMETERS},
        **{f"hyperparameters.{name}": _mask_secrets(value) for name, value in all_hyperparameters.items()},
    }


def _mask_secrets(value: Any) -> Any:
    """Return a value for the log, in which resolved secrets are replaced by the reference in the parameters."""
    masked = known_values.mask(str(value))
    return value if masked == str(value) else masked


def _default_hyperparameters(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the keyword-only parameters of a training function with their defaults."""
    return {
        parameter.name: parameter.default
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
