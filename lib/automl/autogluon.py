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
from sklearn.model_selection import GroupKFold

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
# AutoGluon's names of metrics, where they differ; for a metric that AutoGluon does not have, the most similar one.
_AUTOGLUON_METRICS = {
    "average_precision_macro": "log_loss",
    "rmse": "root_mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
}
_TARGET = "target"
_FOLD = "fold"
_PRESET_FOLDS = 8  # as AutoGluon's presets have
# Share of the remaining time that AutoGluon gets as its time limit. After the limit, it still finishes a model, and
# builds and saves the ensemble.
_TIME_LIMIT_SHARE = 0.7


# The search runs `search_encoded` in a process that is killed when the time is up.
search = functools.partial(isolated_search.search, __name__)


def search_encoded(table: EncodedTable, request: SearchRequest, deadline: float, folder: Path) -> EngineResult:
    """Let AutoGluon fit models until the deadline; see `lib.automl.trials.isolated_search`."""
    train = name_features(table.features, table.categories).assign(**{_TARGET: table.target.labels})
    validation_rows = np.array([], dtype=int)
    fit_started = time.monotonic()
    uses_folds = bool(request.folds or request.presets) and request.in_time_order is None
    if uses_folds:
        predictor = _fit_predictor(_add_folds(train, request), None, request, deadline, folder)
    else:
        held_out_share = request.validation_fraction or HELD_OUT_SHARE
        is_held_out = hold_out(table.target.labels, held_out_share, request) == HELD_OUT
        validation_rows = np.flatnonzero(is_held_out)
        predictor = _fit_predictor(train[~is_held_out], train[is_held_out], request, deadline, folder)
    validation_features = None if uses_folds else train.loc[validation_rows].drop(columns=_TARGET)
    trials = _make_trials(predictor, table, validation_features, validation_rows, request)
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
    """Fit AutoGluon's predictor; if `validation` is None, it compares its models on folds of the training rows."""
    from autogluon.tabular import TabularPredictor

    options: dict[str, Any] = {"num_bag_folds": request.folds, "num_stack_levels": 0}
    if request.presets:
        options = {"presets": request.presets, "excluded_model_types": _list_excluded(request)}
        options |= {"num_bag_folds": request.folds} if request.folds else {}
    else:
        options["hyperparameters"] = _choose_hyperparameters(request)
    if validation is not None:
        options = {name: value for name, value in options.items() if not name.startswith("num_")}
        options |= {"tuning_data": validation}
        options |= {"use_bag_holdout": True} if request.presets else {}
    if request.max_latency_ms:
        options |= {"infer_limit": request.max_latency_ms / 1000, "infer_limit_batch_size": 1}
    predictor = TabularPredictor(
        label=_TARGET,
        problem_type=request.task,
        eval_metric=_AUTOGLUON_METRICS.get(request.metric.name, request.metric.name),
        path=str(folder / "autogluon"),
        verbosity=0,
        learner_kwargs={"random_state": request.seed},
        groups=_FOLD if _FOLD in train else None,
    )
    return predictor.fit(
        train,
        time_limit=_TIME_LIMIT_SHARE * (deadline - time.monotonic()),
        fit_weighted_ensemble=request.ensemble,
        num_cpus=request.threads,
        raise_on_no_models_fitted=True,
        **options,
    )


def _add_folds(train: pd.DataFrame, request: SearchRequest) -> pd.DataFrame:
    """Return the rows with a column of folds that keep groups together; AutoGluon's own folds are random."""
    if request.groups is None:
        return train
    folds = np.zeros(len(train), dtype=int)
    count = min(request.folds or _PRESET_FOLDS, len(np.unique(request.groups)))
    for fold, (_, rows) in enumerate(GroupKFold(count).split(train, groups=request.groups)):
        folds[rows] = fold
    return train.assign(**{_FOLD: folds})


def _list_excluded(request: SearchRequest) -> list[str]:
    """Return AutoGluon's names of the families that are not allowed, which presets would try."""
    return [key for family, key in _AUTOGLUON_FAMILIES.items() if family not in request.families]


def _make_trials(
    predictor: Any,
    table: EncodedTable,
    validation_features: pd.DataFrame | None,
    validation_rows: np.ndarray,
    request: SearchRequest,
) -> list[Trial]:
    """Return a trial for each model of the predictor, with failed models last."""

    def predict_outputs(name: str, features: pd.DataFrame) -> np.ndarray:
        if table.target.classes is None:
            return predictor.predict(features, model=name).to_numpy()[:, None]
        probabilities = predictor.predict_proba(features, model=name)
        return probabilities.reindex(columns=range(len(table.target.classes))).to_numpy()

    def predict(name: str, features: pd.DataFrame) -> Any:
        return table.target.make_predictions(predict_outputs(name, features))

    test_features = name_features(table.test_features, table.categories)
    file_sizes = predictor.disk_usage_per_file()
    leaderboard = predictor.leaderboard(display=False).sort_values("fit_order")
    trials = []
    for row in leaderboard.itertuples():
        name = row.model
        trial = Trial(name, _find_family(predictor, name))
        trial.fit_seconds = row.fit_time_marginal
        # AutoGluon negates errors, so that higher is better for every metric.
        trial.score = row.score_val if request.metric.greater_is_better else abs(row.score_val)
        if validation_features is not None:
            trial.validation = validation_rows, predict(name, validation_features)
        trial.test = predict(name, test_features)
        trial.row_ms = measure_row_ms(functools.partial(predict_outputs, name, test_features.head(1)))
        trial.megabytes = file_sizes[[f"/{name}/" in path for path in file_sizes.index]].sum() / 1e6
        trials.append(trial)
    for row in predictor.model_failures().itertuples():
        trials.append(Trial(row.model, "failed", outcome=f"{row.exc_type}: {row.exc_str}"))
    return trials


def _set_done_seconds(trials: list[Trial], seconds_before: float) -> None:
    """Set when each fit ended, because AutoGluon reports only the duration of the fit.

    Parameters
    ----------
    trials : list of Trial
        In the order in which they were fitted, one after another.
    seconds_before : float
        Seconds from the start of the search to the start of the first fit.
    """
    elapsed_seconds = seconds_before
    for trial in trials:
        if trial.outcome == DONE:
            elapsed_seconds += trial.fit_seconds
            trial.done_seconds = elapsed_seconds


def _choose_hyperparameters(request: SearchRequest) -> dict[str, Any]:
    """Return AutoGluon's default configurations of the allowed families, at most ``max_trials``."""
    from autogluon.tabular.configs.hyperparameter_configs import get_hyperparameter_config

    defaults = {"LR": {}, "KNN": {}, **get_hyperparameter_config("default")}
    configurations_by_key: dict[str, Any] = {}
    remaining_trials = request.max_trials
    for family, key in _AUTOGLUON_FAMILIES.items():
        if family in request.families and remaining_trials > 0:
            configurations = defaults[key] if isinstance(defaults[key], list) else [defaults[key]]
            configurations_by_key[key] = configurations[:remaining_trials]
            remaining_trials -= len(configurations_by_key[key])
    if not configurations_by_key:
        raise ParameterError(unsupported_families_message("autogluon", request.families))
    return configurations_by_key


def _find_family(predictor: Any, name: str) -> str:
    """Return the family of a model, or ``"blend"`` for an ensemble."""
    key = predictor._trainer.get_model_attribute(model=name, attribute="type").ag_key
    family_by_key = {key: family for family, key in _AUTOGLUON_FAMILIES.items()}
    return family_by_key.get(key, "blend")
