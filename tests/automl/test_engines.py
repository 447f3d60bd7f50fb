"""Small searches with each engine, on a table with every kind of trouble."""

import os
import pickle
import re
import time

import numpy as np
import pandas as pd
import psutil
import pytest

from lib import automl, metrics
from lib.automl import DONE, LEADERBOARD, portfolio
from lib.errors import DataError, ParameterError, StageError
from tests.automl.test_blend import make_request
from tests.nasty_tables import nasty_table

for package in ("lightgbm", "catboost", "flaml", "autogluon.tabular"):
    pytest.importorskip(package, reason='needs make install GROUPS="automl"')

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
TRAINED_ROWS = 180
# Enough for some models on a busy machine; on an idle one, the trials end earlier.
SECONDS = 120.0
SMALL = {"budget_seconds": SECONDS, "max_trials": 3, "folds": 2, "families": ("linear", "lightgbm", "extra_trees")}
MIN_SCORES = {"binary": 0.75, "multiclass": 0.55, "regression": 0.5}


def ignore_progress(line):
    pass


def run_search(engine, task="binary", **changes):
    """Return the result, the test rows, their target and the request of a small search."""
    X, y = nasty_table(task)
    request = make_request(task, **{**SMALL, **changes})
    processes_before = child_processes()
    result = automl.get(engine)(X[:TRAINED_ROWS], y[:TRAINED_ROWS], X[TRAINED_ROWS:], request, ignore_progress)
    assert child_processes() <= processes_before, "a process outlived the search"
    return result, X[TRAINED_ROWS:], y[TRAINED_ROWS:], request


def child_processes():
    return {process.pid for process in psutil.Process(os.getpid()).children(recursive=True)}


@pytest.mark.parametrize("task", metrics.TASKS)
@pytest.mark.parametrize("engine", automl.available())
def test_search_finds_a_model_of_raw_columns(engine, task):
    result, X, y, request = run_search(engine, task)
    assert result.warning == ""
    model = pickle.loads(pickle.dumps(result.model))
    score = request.metric.score(y, metrics.predict(model, X, task))
    best = next(trial for trial in result.trials if trial.name == result.best)
    assert best.outcome == DONE
    assert best.weight == 1
    if engine != "flaml":  # it refits its best model on all rows
        assert request.metric.score(y, best.test) == pytest.approx(score)
    assert score > MIN_SCORES[task]
    unusual = X.head(2).assign(colour="never seen", **{"whole, some missing": None, "when": pd.NaT})
    assert len(model.predict(unusual)) == 2


def test_failed_trial_has_its_reason_as_outcome(monkeypatch):
    configurations = (("lightgbm", {"num_leaves": -5}), ("linear", {}), ("lightgbm", {}))
    monkeypatch.setattr("lib.automl.portfolio.PORTFOLIO", configurations)
    result, *_ = run_search("portfolio")
    outcomes = {trial.name: trial.outcome for trial in result.trials}
    assert "num_leaves" in outcomes["lightgbm_1"]
    assert outcomes["linear_1"] == outcomes["lightgbm_2"] == DONE


def test_process_over_the_memory_limit_is_killed():
    X, y = nasty_table("binary")
    request = make_request("binary", **{**SMALL, "memory_bytes": 2**20})
    with pytest.raises(StageError, match="the worker process took more than 0.0 GB of memory"):
        automl.get("portfolio")(X, y, X, request, ignore_progress)


CONSTANT = pd.DataFrame({"constant": [1] * 40})
NUMBERS = pd.DataFrame({"size": range(40)})
TWO_CLASSES = pd.Series([0, 1] * 20)
UNUSABLE_ROWS = {
    "no usable column": (
        (CONSTANT, TWO_CLASSES, CONSTANT),
        DataError("The rows cannot be used for AutoML: No column can be used as a feature (constant: always the"),
    ),
    "two columns with one name": (
        (pd.concat([NUMBERS, NUMBERS], axis=1), TWO_CLASSES, NUMBERS),
        DataError("The rows cannot be used for AutoML: Column names must be unique, but these repeat: size."),
    ),
    "column missing in the test rows": (
        (NUMBERS, TWO_CLASSES, CONSTANT),
        DataError("The rows cannot be used for AutoML: Columns that the model needs are missing: size."),
    ),
    "unknown positive class": (
        (NUMBERS, TWO_CLASSES.map({0: "no", 1: "never"}), NUMBERS),
        ParameterError("positive_class: 'yes' is not a class of the target."),
    ),
}


@pytest.mark.parametrize(("rows", "error"), UNUSABLE_ROWS.values(), ids=UNUSABLE_ROWS)
@pytest.mark.parametrize("engine", automl.available())
def test_every_engine_gives_the_same_error_for_unusable_rows(engine, rows, error):
    X, y, X_test = rows
    request = make_request("binary", **SMALL, positive_class="yes" if y.dtype == object else "")
    with pytest.raises(type(error), match=f"^{re.escape(str(error))}"):
        automl.get(engine)(X, y, X_test, request, ignore_progress)


@pytest.mark.parametrize("engine", automl.available())
def test_search_without_time_returns_a_no_skill_model(engine):
    started = time.monotonic()
    result, X, _, _ = run_search(engine, budget_seconds=0.3)
    assert time.monotonic() - started < SECONDS
    assert result.best == "prior"
    assert "time was up" in result.warning
    assert len(result.model.predict(X)) == len(X)


def test_search_returns_a_model_of_some_folds(monkeypatch):
    record_result = portfolio._Search._record_result

    def record_two_folds(search, task, result):
        if len(search._attempts["linear_1"].fitted) < 2:
            record_result(search, task, result)
        else:
            search._time_budget.fit_deadline = time.monotonic()

    monkeypatch.setattr(portfolio._Search, "_record_result", record_two_folds)
    result, X, y, request = run_search("portfolio", families=("linear",), max_trials=1, folds=4)
    assert result.warning == (
        "The time was up before any model was fitted on all folds; linear_1 was fitted on 2 of 4."
    )
    assert result.best == "linear_1"
    assert [trial.outcome for trial in result.trials] == [DONE]
    assert len(result.trials[0].validation[0]) == TRAINED_ROWS // 2
    assert request.metric.score(y, metrics.predict(result.model, X, "binary")) > 0.6


def test_search_without_ensemble_returns_one_model():
    result, *_ = run_search("portfolio", ensemble=False)
    assert sorted(trial.weight for trial in result.trials)[-2:] == [0, 1]
    assert result.best != "blend"


def test_search_respects_families_and_max_trials():
    result, *_ = run_search("portfolio", max_trials=2, families=("linear", "neighbours"), ensemble=False)
    assert {trial.family for trial in result.trials} == {"linear", "neighbours"}
    assert len(result.trials) == 2


def test_engine_without_an_allowed_family_is_an_error():
    with pytest.raises(ParameterError, match="allowed_models: the engine flaml can train none of the allowed"):
        run_search("flaml", families=("neural_network",))


def test_leaderboard_contains_every_metric_of_every_model():
    from lib.backends.local.search import make_leaderboard

    result, _, y_test, request = run_search("portfolio")
    _, y = nasty_table("binary")
    board = make_leaderboard(result, y[:TRAINED_ROWS], y_test, request)
    assert list(board.columns[: len(LEADERBOARD)]) == list(LEADERBOARD)
    for metric in metrics.for_task("binary"):
        assert {f"validation {metric.name}", f"test {metric.name}"} <= set(board.columns)
    assert board["score"].is_monotonic_decreasing
    np.testing.assert_allclose(board["validation accuracy"], board["score"])
    assert (board[["fit_seconds", "done_seconds", "row_ms", "megabytes"]] > 0).all(axis=None)
