"""FLAML: one light model, tuned under a time budget.

Wang, Wu, Weimer and Zhu: FLAML: a fast and lightweight AutoML library. MLSys 2021. https://microsoft.github.io/FLAML
"""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib.automl import Result, SearchRequest, Trial

if TYPE_CHECKING:
    from lib.automl.trials.isolated_search import Encoded

# Without its linear models and neighbours, which take no missing values.
_NAMES = {
    "random_forest": ("rf",),
    "extra_trees": ("extra_tree",),
    "gradient_boosting": ("histgb",),
    "xgboost": ("xgboost", "xgb_limitdepth"),
    "lightgbm": ("lgbm",),
    "catboost": ("catboost",),
}
# It goes on with what it has begun, and fits the best again.
_SHARE = 0.75


def search(
    X: pd.DataFrame, y: pd.Series, X_test: pd.DataFrame, request: SearchRequest, say: Callable[[str], None]
) -> Result:
    """Tune until the time is up.

    Raises
    ------
    StageError
        Where FLAML fails.
    """
    from lib.automl.trials import isolated_search

    return isolated_search.search(__name__, X, y, X_test, request, say)


def inside(table: Encoded, request: SearchRequest, until: float, folder: Path) -> tuple[list[Trial], Any, str]:
    """What `lib.automl.trials.isolated_search` calls in the process of the search."""
    from flaml import AutoML

    from lib.automl.trials.blend import BlendClassifier, BlendRegressor, Member, predictions
    from lib.automl.trials.latency import row_milliseconds

    outputs = 1 if table.classes is None else len(table.classes)

    def member(model: Any) -> Member:
        return Member(model, None if table.classes is None else [int(one) for one in model.classes_], outputs)

    def loss(X: Any, y: Any, estimator: Any, *_: Any, **__: Any) -> tuple[float, dict]:
        truth = np.asarray(y) if table.classes is None else table.classes[np.asarray(y, dtype=int)]
        told = predictions(member(estimator).answer(X), table.classes, table.positive)
        score = request.metric.score(truth, told)
        return (-score if request.metric.greater_is_better else score), {}

    log, began, searcher = folder / "flaml.log", time.monotonic(), AutoML()
    searcher.fit(
        X_train=table.F,
        y_train=table.labels,
        task="regression" if table.classes is None else "classification",
        metric=loss,
        time_budget=_SHARE * (until - began),
        max_iter=request.max_trials,
        estimator_list=_estimators(request),
        eval_method="cv" if request.folds else "holdout" if request.validation_fraction else "auto",
        n_splits=request.folds or 5,
        split_ratio=request.validation_fraction or 0.1,
        pred_time_limit=request.max_latency_ms / 1000 or float("inf"),
        seed=request.seed,
        n_jobs=request.threads,
        log_file_name=str(log),
        log_type="all",
        model_history=True,
        retrain_full="budget",
        verbose=0,
    )
    if searcher.best_estimator is None:
        raise ValueError("it finished no model; raise automl_budget_minutes")
    trials = _logged(log, request, began - table.began)
    for name in searcher.best_loss_per_estimator:
        best = searcher.best_model_for_estimator(name)
        mine = [one for one in trials if one.settings.get("learner") == name and one.score == one.score]
        if best is None or not mine:
            continue
        trial = mine[request.metric.rank({place: one.score for place, one in enumerate(mine)})[0]]
        trial.test = predictions(member(best).answer(table.F_test), table.classes, table.positive)
        trial.row_ms = row_milliseconds(lambda best=best: best.predict(table.F_test[:1]))
        trial.megabytes = len(pickle.dumps(best)) / 1e6
        trial.weight = float(name == searcher.best_estimator)
        if trial.weight:
            winner = trial.name
    made = [member(searcher.model)], [1.0]
    return trials, BlendRegressor(*made) if table.classes is None else BlendClassifier(*made, table.classes), winner


def _estimators(request: SearchRequest) -> list[str]:
    names = [name for family in request.families for name in _NAMES.get(family, ())]
    if not names:
        raise ValueError(f"it has no model of the families {', '.join(request.families)}; allow others")
    return names


def _logged(log: Path, request: SearchRequest, before: float) -> list[Trial]:
    """Trials of its log: a line each."""
    families, trials = {name: family for family, names in _NAMES.items() for name in names}, []
    for line in log.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if "learner" not in record:
            continue
        learner, lost = record["learner"], record["validation_loss"]
        trial = Trial(f"{learner}_{record['iter_per_learner']}", families[learner])
        trial.score = -lost if request.metric.greater_is_better else lost
        trial.outcome = trial.outcome if np.isfinite(trial.score) else "it did not come to its end"
        trial.fit_seconds, trial.done_seconds = record["trial_time"], before + record["wall_clock_time"]
        trial.settings = {"learner": learner, "sample_size": record["sample_size"], **record["config"]}
        trials.append(trial)
    return trials
