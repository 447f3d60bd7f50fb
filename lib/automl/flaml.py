"""FLAML: a single model, tuned within a time budget.

Wang, Wu, Weimer and Zhu: FLAML: a fast and lightweight AutoML library. MLSys 2021. https://microsoft.github.io/FLAML
"""

from __future__ import annotations

import functools
import json
import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np

from lib.automl import EngineResult, SearchRequest, Trial, unsupported_families_message
from lib.automl.trials import isolated_search
from lib.automl.trials.blend import Member, make_blend
from lib.automl.trials.folds import HELD_OUT, HELD_OUT_SHARE, hold_out
from lib.automl.trials.isolated_search import EncodedTable
from lib.automl.trials.latency import measure_row_ms
from lib.errors import ParameterError

# FLAML's names of the model families. Its linear models and nearest neighbours do not accept missing values.
_FLAML_LEARNERS = {
    "random_forest": ("rf",),
    "extra_trees": ("extra_tree",),
    "gradient_boosting": ("histgb",),
    "xgboost": ("xgboost", "xgb_limitdepth"),
    "lightgbm": ("lgbm",),
    "catboost": ("catboost",),
}
# Share of the remaining time that FLAML gets as its budget. After that, it still finishes a model, and refits the best
# model on all rows.
_TIME_LIMIT_SHARE = 0.75


# The search runs `search_encoded` in a process that is killed when the time is up.
search = functools.partial(isolated_search.search, __name__)


def search_encoded(table: EncodedTable, request: SearchRequest, deadline: float, folder: Path) -> EngineResult:
    """Let FLAML tune models until the deadline; see `lib.automl.trials.isolated_search`."""
    from flaml import AutoML

    def compute_loss(X: Any, y: Any, estimator: Any, *_: Any, **__: Any) -> tuple[float, dict]:
        truth = np.asarray(y) if table.target.classes is None else table.target.classes[np.asarray(y, dtype=int)]
        outputs = _make_member(estimator, table).predict_outputs(X)
        score = request.metric.score(truth, table.target.make_predictions(outputs))
        return (-score if request.metric.greater_is_better else score), {}

    log_file, started, automl = folder / "flaml.log", time.monotonic(), AutoML()
    features, labels, held_out = _separate_rows(table, request)
    automl.fit(
        X_train=features,
        y_train=labels,
        **held_out,
        task="regression" if table.target.classes is None else "classification",
        metric=compute_loss,
        time_budget=_TIME_LIMIT_SHARE * (deadline - started),
        max_iter=request.max_trials,
        estimator_list=_choose_learners(request),
        eval_method=_choose_evaluation(request, bool(held_out)),
        n_splits=request.folds or 5,
        split_ratio=request.validation_fraction or 0.1,
        pred_time_limit=request.max_latency_ms / 1000 or float("inf"),
        seed=request.seed,
        n_jobs=request.threads,
        log_file_name=str(log_file),
        log_type="all",
        model_history=True,
        retrain_full="budget",
        verbose=0,
    )
    if automl.best_estimator is None:
        raise ValueError("FLAML fitted no model in time; raise automl_budget_minutes")
    trials = _read_log(log_file, request, started - table.started)
    best = _complete_trials(trials, automl, table, request)
    return EngineResult(trials, make_blend([_make_member(automl.model, table)], [1.0], table.target.classes), best)


def _separate_rows(table: EncodedTable, request: SearchRequest) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Return features and labels to learn from, and the held-out rows if the split of the table decides which they are.

    FLAML's own folds and held-out rows are random, so groups and the latest rows are held out for it.
    """
    if request.groups is None and request.in_time_order is None:
        return table.features, table.target.labels, {}
    is_held_out = hold_out(table.target.labels, request.validation_fraction or HELD_OUT_SHARE, request) == HELD_OUT
    held_out = {"X_val": table.features[is_held_out], "y_val": table.target.labels[is_held_out]}
    return table.features[~is_held_out], table.target.labels[~is_held_out], held_out


def _choose_evaluation(request: SearchRequest, has_held_out: bool) -> str:
    """Return FLAML's name of the way to compare models."""
    if has_held_out:
        return "holdout"
    return "cv" if request.folds else "holdout" if request.validation_fraction else "auto"


def _make_member(model: Any, table: EncodedTable) -> Member:
    """Return a FLAML model as a `Member`, which has an output for every class, even one that the model never saw."""
    if table.target.classes is None:
        return Member(model, None, 1)
    return Member(model, [int(label) for label in model.classes_], len(table.target.classes))


def _choose_learners(request: SearchRequest) -> list[str]:
    """Return FLAML's names of the models in the allowed families."""
    learners = [learner for family in request.families for learner in _FLAML_LEARNERS.get(family, ())]
    if not learners:
        raise ParameterError(unsupported_families_message("flaml", request.families))
    return learners


def _read_log(log_file: Path, request: SearchRequest, seconds_before: float) -> list[Trial]:
    """Return the trials in FLAML's log, which has one JSON object per line.

    Parameters
    ----------
    log_file : Path
    request : SearchRequest
    seconds_before : float
        Seconds from the start of the search to the start of FLAML.
    """
    family_by_learner = {learner: family for family, learners in _FLAML_LEARNERS.items() for learner in learners}
    trials = []
    for line in log_file.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if "learner" not in record:
            continue
        learner, loss = record["learner"], record["validation_loss"]
        trial = Trial(f"{learner}_{record['iter_per_learner']}", family_by_learner[learner])
        trial.score = -loss if request.metric.greater_is_better else loss
        if not np.isfinite(trial.score):
            trial.outcome = "not finished within the time budget"
        trial.fit_seconds, trial.done_seconds = record["trial_time"], seconds_before + record["wall_clock_time"]
        trial.hyperparameters = {"learner": learner, "sample_size": record["sample_size"], **record["config"]}
        trials.append(trial)
    return trials


def _complete_trials(trials: list[Trial], automl: Any, table: EncodedTable, request: SearchRequest) -> str:
    """Add predictions, latency and size to the best trial of each learner; return the name of the best trial."""
    best = ""
    for learner in automl.best_loss_per_estimator:
        model = automl.best_model_for_estimator(learner)
        scores = {
            trial.name: trial.score
            for trial in trials
            if trial.hyperparameters.get("learner") == learner and np.isfinite(trial.score)
        }
        if model is None or not scores:
            continue
        name = request.metric.rank(scores)[0]
        trial = next(trial for trial in trials if trial.name == name)
        outputs = _make_member(model, table).predict_outputs(table.test_features)
        trial.test = table.target.make_predictions(outputs)
        trial.row_ms = measure_row_ms(functools.partial(model.predict, table.test_features[:1]))
        trial.megabytes = len(pickle.dumps(model)) / 1e6
        if learner == automl.best_estimator:
            best, trial.weight = name, 1.0
    return best
