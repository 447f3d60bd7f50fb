"""AutoGluon: many models and a weighted ensemble of them.

Erickson et al.: AutoGluon-Tabular: robust and accurate AutoML for structured data. 2020. https://auto.gluon.ai
"""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.automl import DONE, EngineResult, SearchRequest, Trial, unsupported_families_message
from lib.automl.trials import isolated_search
from lib.automl.trials.autogluon_model import (
    AutoGluonClassifier,
    AutoGluonRegressor,
    name_features,
    pack_predictor,
)
from lib.automl.trials.folds import HELD_OUT, HELD_OUT_SHARE, hold_out
from lib.automl.trials.isolated_search import EncodedTable
from lib.automl.trials.latency import measure_row_ms
from lib.errors import ParameterError

# AutoGluon's names of the model families, in the order in which it tries them.
_AUTOGLUON_FAMILIES = {
    "lightgbm": "GBM",
    "catboost": "CAT",
    "xgboost": "XGB",
    "random_forest": "RF",
    "extra_trees": "XT",
    "linear": "LR",
    "neighbours": "KNN",
}
# AutoGluon's names of the metrics that it names differently or does not have.
_AUTOGLUON_METRICS = {
    "average_precision_macro": "log_loss",
    "rmse": "root_mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
}
_TARGET = "target"
# Share of the time to give AutoGluon as its limit. Afterwards it finishes a model, builds the ensemble and saves it.
_TIME_SHARE = 0.7


# The search runs `search_encoded` in a process that is killed when the time is up.
search = functools.partial(isolated_search.search, __name__)


def search_encoded(table: EncodedTable, request: SearchRequest, deadline: float, folder: Path) -> EngineResult:
    """Let AutoGluon fit models until the deadline; see `lib.automl.trials.isolated_search`."""
    train = name_features(table.features, table.categories).assign(**{_TARGET: table.target.labels})
    validation_rows = np.arange(len(train))
    fit_started = time.monotonic()
    if request.folds:
        predictor = _fit_predictor(train, None, request, deadline, folder)
    else:
        share = request.validation_fraction or HELD_OUT_SHARE
        is_held_out = hold_out(table.target.labels, share, request) == HELD_OUT
        validation_rows = validation_rows[is_held_out]
        predictor = _fit_predictor(train[~is_held_out], train[is_held_out], request, deadline, folder)
    validation = None if request.folds else train.loc[validation_rows].drop(columns=_TARGET)
    trials = _make_trials(predictor, table, validation, validation_rows, request)
    _set_done_seconds(trials, fit_started - table.started)
    best = predictor.model_best
    next(trial for trial in trials if trial.name == best).weight = 1.0
    archive = pack_predictor(predictor, best, folder)
    if table.target.classes is None:
        return EngineResult(trials, AutoGluonRegressor(archive, table.categories), best)
    return EngineResult(trials, AutoGluonClassifier(archive, table.categories, table.target.classes), best)


def _fit_predictor(
    train: pd.DataFrame, validation: pd.DataFrame | None, request: SearchRequest, deadline: float, folder: Path
) -> Any:
    """Fit AutoGluon's predictor, with folds if there are no validation rows."""
    from autogluon.tabular import TabularPredictor

    options: dict[str, Any] = {"num_bag_folds": request.folds, "num_stack_levels": 0}
    if validation is not None:
        options = {"tuning_data": validation}
    if request.max_latency_ms:
        options |= {"infer_limit": request.max_latency_ms / 1000, "infer_limit_batch_size": 1}
    predictor = TabularPredictor(
        label=_TARGET,
        problem_type=request.task,
        eval_metric=_AUTOGLUON_METRICS.get(request.metric.name, request.metric.name),
        path=str(folder / "autogluon"),
        verbosity=0,
        learner_kwargs={"random_state": request.seed},
    )
    return predictor.fit(
        train,
        time_limit=_TIME_SHARE * (deadline - time.monotonic()),
        hyperparameters=_choose_hyperparameters(request),
        fit_weighted_ensemble=request.ensemble,
        num_cpus=request.threads,
        raise_on_no_models_fitted=True,
        **options,
    )


def _make_trials(
    predictor: Any,
    table: EncodedTable,
    validation: pd.DataFrame | None,
    validation_rows: np.ndarray,
    request: SearchRequest,
) -> list[Trial]:
    """Return a trial for each model of the predictor, failed ones last."""

    def predict_outputs(name: str, features: pd.DataFrame) -> np.ndarray:
        if table.target.classes is None:
            return predictor.predict(features, model=name).to_numpy()[:, None]
        probabilities = predictor.predict_proba(features, model=name)
        return probabilities.reindex(columns=range(len(table.target.classes))).to_numpy()

    def predict(name: str, features: pd.DataFrame) -> Any:
        return table.target.make_predictions(predict_outputs(name, features))

    test = name_features(table.test_features, table.categories)
    file_sizes = predictor.disk_usage_per_file()
    leaderboard = predictor.leaderboard(display=False).sort_values("fit_order")
    trials = []
    for row in leaderboard.itertuples():
        name = row.model
        trial = Trial(name, _find_family(predictor, name))
        trial.fit_seconds = row.fit_time_marginal
        # AutoGluon negates errors, so that higher is better for every metric.
        trial.score = row.score_val if request.metric.greater_is_better else abs(row.score_val)
        if validation is not None:
            trial.validation = validation_rows, predict(name, validation)
        trial.test = predict(name, test)
        trial.row_ms = measure_row_ms(functools.partial(predict_outputs, name, test.head(1)))
        trial.megabytes = file_sizes[[f"/{name}/" in path for path in file_sizes.index]].sum() / 1e6
        trials.append(trial)
    for row in predictor.model_failures().itertuples():
        trials.append(Trial(row.model, "failed", outcome=f"{row.exc_type}: {row.exc_str}"))
    return trials


def _set_done_seconds(trials: list[Trial], seconds: float) -> None:
    """Set when each fit ended, because AutoGluon reports only how long it took.

    Parameters
    ----------
    trials : list of Trial
        In the order in which they were fitted, one after another.
    seconds : float
        Seconds from the start of the search to the start of the first fit.
    """
    for trial in trials:
        if trial.outcome == DONE:
            seconds += trial.fit_seconds
            trial.done_seconds = seconds


def _choose_hyperparameters(request: SearchRequest) -> dict[str, Any]:
    """Return AutoGluon's default configurations of the allowed families, at most ``max_trials``."""
    from autogluon.tabular.configs.hyperparameter_configs import get_hyperparameter_config

    defaults = {"LR": {}, "KNN": {}, **get_hyperparameter_config("default")}
    chosen: dict[str, Any] = {}
    remaining = request.max_trials
    for family, key in _AUTOGLUON_FAMILIES.items():
        if family in request.families and remaining > 0:
            configurations = defaults[key] if isinstance(defaults[key], list) else [defaults[key]]
            chosen[key] = configurations[:remaining]
            remaining -= len(chosen[key])
    if not chosen:
        raise ParameterError(unsupported_families_message("autogluon", request.families))
    return chosen


def _find_family(predictor: Any, name: str) -> str:
    """Return the family of a model, or ``"blend"`` for an ensemble."""
    key = predictor._trainer.get_model_attribute(model=name, attribute="type").ag_key
    family_by_key = {key: family for family, key in _AUTOGLUON_FAMILIES.items()}
    return family_by_key.get(key, "blend")
