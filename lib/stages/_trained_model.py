"""The model of the train stage: fitted, calibrated, and given its decision rule, intervals or sets."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from lib import cores
from lib.errors import ParameterError, suggest
from lib.evaluation.folds import FOLDS, make_complete_folds
from lib.evaluation.out_of_fold import OutOfFold, predict_out_of_fold
from lib.scoring.decision_rules import DecisionRule
from lib.scoring.feature_step import FeatureStep
from lib.scoring.intervals import Coverage
from lib.stages import _calibration, _coverage, _features, _folds
from lib.stages._decision_rule import add_rule, apply_rule, collect_out_of_fold, rule_metrics
from lib.stages._decision_worth import Display
from lib.stages._hyperparameter_search import HyperparameterSearch, search_hyperparameters
from lib.stages._model_rows import ModelRows, get_feature_schema
from lib.stages._training_errors import explain_errors
from lib.tables import sources
from lib.training import TrainingRequest

if TYPE_CHECKING:
    from lib.parameters import Parameters

# Larger tables have enough test rows without a cross-validation.
_MAX_CROSS_VALIDATION_ROWS = 1_000


class TrainHooks(Protocol):
    """The methods of a pipeline that training calls."""

    def features(self) -> str:
        """Return the name of a module in ``custom/features``; empty for none."""

    def training_function(self, name: str) -> Callable[..., Any]:
        """Return the training function of this name."""


@dataclass(frozen=True)
class TrainedModel:
    """A fitted model with everything that was decided and measured while it was trained.

    Attributes
    ----------
    model : estimator
        Fitted, calibrated, and with its decision rule.
    function : callable
        The training function.
    rows : ModelRows
        The rows that the model was fitted on, without calibration rows, and the test rows.
    search : HyperparameterSearch
        The hyperparameters, and the trials if they were searched.
    folds : tuple of Fold
        Calibrated out-of-fold predictions, labelled by the rule; empty if nothing needed them.
    calibrated : CalibratedModel or None
        Evidence of the calibration; None if none was requested.
    rule : DecisionRule or None
    coverage : Coverage or None
        Calibration of intervals or sets; None if no coverage was requested.
    calibration_rows : ModelRows or None
        The rows held out for `coverage`.
    feature_step : FeatureStep or None
        The customer's features.
    fit_seconds : float
        Duration of the final fit.
    """

    model: Any
    function: Callable[..., Any]
    rows: ModelRows
    search: HyperparameterSearch
    folds: tuple[_folds.Fold, ...]
    calibrated: _calibration.CalibratedModel | None
    rule: DecisionRule | None
    coverage: Coverage | None
    calibration_rows: ModelRows | None
    feature_step: FeatureStep | None
    fit_seconds: float

    @property
    def measurements(self) -> dict[str, float]:
        """Calibration errors, sizes and the threshold, as metrics for MLflow."""
        errors = self.calibrated.errors if self.calibrated else {}
        sizes = {
            "fit_seconds": self.fit_seconds,
            "train_rows": len(self.rows.X),
            "test_rows": len(self.rows.X_test),
        }
        return {**errors, **sizes, **rule_metrics(self.rule)}

    @property
    def logged_features(self) -> dict[str, str]:
        """The name of the customer's features, as a param for MLflow; empty if there are none."""
        return {_features.LOGGED_NAME: self.feature_step.name} if self.feature_step else {}

    def describe(self, parameters: Parameters) -> tuple[str, ...]:
        """Return sentences about the search, the calibration and the coverage."""
        calibration = (self.calibrated.note,) if self.calibrated else ()
        coverage = _coverage.describe(self.coverage, self.calibration_rows, parameters)
        return (*self.search.notes, *calibration, *coverage)

    def show(self, parameters: Parameters) -> tuple[Display, ...]:
        """Return the search and the calibration as tables and charts."""
        calibration = self.calibrated.show() if self.calibrated else ()
        return (*self.search.show(parameters.training_function, parameters.metric), *calibration)

    def score_folds(self, parameters: Parameters) -> pd.DataFrame | None:
        """Return the scores of each fold, by metric; None for a table large enough to need no cross-validation."""
        if not self.folds or not _shows_folds(self.rows.X, parameters):
            return None
        return _folds.score_folds(self.folds, self.rows.y, parameters.task, parameters.own_metrics)


def train_model(
    hooks: TrainHooks, all_rows: ModelRows, baseline: Mapping[str, Any], parameters: Parameters
) -> TrainedModel:
    """Search the hyperparameters, fit the model, calibrate it, and add its decision rule and its coverage.

    Parameters
    ----------
    hooks : TrainHooks
        The pipeline.
    all_rows : ModelRows
        Training rows, some of which are held out if a coverage is requested, and test rows.
    baseline : mapping
        The baseline from preprocess.
    parameters : Parameters

    Raises
    ------
    ParameterError
        If the training function rejects a hyperparameter, or ``class_weight`` names an unknown class.
    DataError
        If the model cannot be trained on the columns of the table.
    CodeError
        If a feature depends on other rows, or cannot be computed.
    """
    split = baseline.get("split")
    step = _features.make_step(hooks)
    function = _features.with_features(hooks.training_function(parameters.training_function), step)
    rows, calibration_rows = _coverage.hold_out(all_rows, split, parameters)
    _check_class_weight(rows.y, parameters)
    request = _make_request(rows, baseline, parameters)
    fit = functools.partial(_call, function, request)
    if step is not None:
        _features.check_rows_are_independent(_features.fit_step(step, rows.X, rows.y), rows.X_test)
    with explain_errors(parameters):
        search = search_hyperparameters(function, fit, rows, split, parameters)
        fit_fold = functools.partial(fit, search.hyperparameters)
        folds = _cross_validate(fit_fold, rows, split, parameters)
        started = time.perf_counter()
        model = _fit(function, rows, request, search.hyperparameters, parameters, has_features=step is not None)
        fit_seconds = time.perf_counter() - started
    calibrated = None
    if _calibration.is_requested(parameters):
        calibrated = _calibration.calibrate_model(model, folds, rows.y, parameters.calibration, parameters.seed)
        model, folds = calibrated.model, calibrated.folds
    with explain_errors(parameters):
        predict = functools.partial(_predict_out_of_fold, folds, fit_fold, rows, split, parameters)
        model, rule = add_rule(model, rows, predict, parameters)
    return TrainedModel(
        model,
        function,
        rows,
        search,
        tuple(apply_rule(folds, rule)),
        calibrated,
        rule,
        _coverage.calibrate(model, rows, calibration_rows, parameters),
        calibration_rows,
        step,
        fit_seconds,
    )


def _make_request(rows: ModelRows, baseline: Mapping[str, Any], parameters: Parameters) -> TrainingRequest:
    """Return what a training function is told besides its rows and hyperparameters."""
    return TrainingRequest(
        parameters.task,
        parameters.metric,
        parameters.seed,
        parameters.threads or cores.available(),
        parameters.month_first,
        get_feature_schema(baseline),
        parameters.class_weight or None,
        rows.weights,
    )


def _call(
    function: Callable[..., Any],
    request: TrainingRequest,
    hyperparameters: Mapping[str, Any],
    X: pd.DataFrame,
    y: pd.Series,
    weights: np.ndarray | None = None,
) -> Any:
    """Train a model on some of the training rows, with the weights of these rows."""
    return function(X, y, replace(request, row_weights=weights), **hyperparameters)


def _predict_out_of_fold(
    folds: list[_folds.Fold],
    fit: Callable[..., Any],
    rows: ModelRows,
    split: Mapping[str, Any] | None,
    parameters: Parameters,
) -> OutOfFold:
    """Return predictions to choose a threshold on: those of the folds, which are calibrated, or else new ones."""
    if folds:
        return collect_out_of_fold(folds, rows.y)
    return predict_out_of_fold(
        fit,
        rows.X,
        rows.y,
        split,
        parameters.task,
        parameters.positive_class,
        parameters.seed,
        rows.find_keys(split),
        rows.weights,
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
    """Return whether the table is so small that the scores of a cross-validation are shown."""
    return len(X) < _MAX_CROSS_VALIDATION_ROWS and bool(parameters.cross_validation_folds)


def _cross_validate(
    fit: Callable[..., Any],
    rows: ModelRows,
    split: Mapping[str, Any] | None,
    parameters: Parameters,
) -> list[_folds.Fold]:
    """Return predictions on folds, for the fold scores and the calibration; empty if neither needs them."""
    X, y = rows.X, rows.y
    needs_scores = _shows_folds(X, parameters)
    needs_calibration = _calibration.is_requested(parameters) and len(X) <= _calibration.MAX_TRAINING_ROWS
    if not (needs_scores or needs_calibration) or split is None:  # the rule of a pipeline's own split is not known
        return []
    keys, fold_count = rows.find_keys(split), parameters.cross_validation_folds or FOLDS
    folds = make_complete_folds(keys, y, split, parameters.task, parameters.seed, fold_count)
    min_rows = len(X) if needs_scores else _calibration.MIN_ROWS
    return _folds.cross_validate(fit, X, y, folds, min_rows, parameters, rows.weights)


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
