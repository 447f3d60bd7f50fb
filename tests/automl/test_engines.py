"""Searches as they are: small ones, on a table of every kind of trouble."""

import os
import pickle
import time

import numpy as np
import pandas as pd
import psutil
import pytest

from lib import automl, metrics
from lib.automl import DONE, LEADERBOARD, portfolio
from lib.errors import StageError
from tests.automl.test_blend import request
from tests.nasty_tables import nasty_table

for package in ("lightgbm", "catboost", "flaml", "autogluon.tabular"):
    pytest.importorskip(package, reason='needs make install GROUPS="automl"')

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
TRAINED_ROWS = 180
# Enough for some models on a loaded machine; on a quiet one the trials are over before.
SECONDS = 120.0
FEW = {"budget_seconds": SECONDS, "max_trials": 3, "folds": 2, "families": ("linear", "lightgbm", "extra_trees")}


def searched(engine, task="binary", **changes):
    X, y = nasty_table(task)
    metric = metrics.get("r2" if task == "regression" else "accuracy", task)
    given = request(task, **{**FEW, "metric": metric, **changes})
    before = own_processes()
    result = automl.get(engine)(X[:TRAINED_ROWS], y[:TRAINED_ROWS], X[TRAINED_ROWS:], given, lambda line: None)
    assert own_processes() <= before, "a process outlived the search"
    return result, X[TRAINED_ROWS:], y[TRAINED_ROWS:], given


def own_processes():
    return {one.pid for one in psutil.Process(os.getpid()).children(recursive=True)}


@pytest.mark.parametrize("task", metrics.TASKS)
@pytest.mark.parametrize("engine", automl.available())
def test_a_model_of_raw_columns_is_found_and_told_of(engine, task):
    result, X, y, given = searched(engine, task)
    assert result.warning == ""
    model = pickle.loads(pickle.dumps(result.model))
    predicted = metrics.predict(model, X, task)
    best = next(one for one in result.trials if one.name == result.best)
    assert best.outcome == DONE and best.weight == 1
    if engine != "flaml":  # which fits its best again, on all rows
        assert given.metric.score(y, best.test) == pytest.approx(given.metric.score(y, predicted))
    assert given.metric.score(y, predicted) > {"binary": 0.75, "multiclass": 0.55, "regression": 0.5}[task]
    odd = X.head(2).assign(colour="never seen", **{"whole, some missing": None, "when": pd.NaT})
    assert len(model.predict(odd)) == 2


def test_a_trial_that_fails_is_a_row_with_its_reason(monkeypatch):
    broken = (("lightgbm", {"num_leaves": -5}), ("linear", {}), ("lightgbm", {}))
    monkeypatch.setattr("lib.automl.portfolio.PORTFOLIO", broken)
    result, *_ = searched("portfolio")
    outcomes = {one.name: one.outcome for one in result.trials}
    assert "num_leaves" in outcomes["lightgbm_1"]
    assert outcomes["linear_1"] == outcomes["lightgbm_2"] == DONE


def test_what_takes_too_much_memory_is_ended_and_told_of():
    X, y = nasty_table("binary")
    with pytest.raises(StageError, match="it took more than 0.0 GB of memory"):
        automl.get("portfolio")(X, y, X, request("binary", **{**FEW, "memory_bytes": 2**20}), lambda line: None)


@pytest.mark.parametrize("engine", automl.available())
def test_without_time_something_simple_answers_and_a_warning_says_so(engine):
    began = time.monotonic()
    result, X, _, _ = searched(engine, budget_seconds=0.3)
    assert time.monotonic() - began < SECONDS
    assert result.best == "prior" and "time was up" in result.warning
    assert len(result.model.predict(X)) == len(X)


def test_when_the_time_is_up_a_model_of_some_folds_answers_and_a_warning_says_so(monkeypatch):
    note = portfolio._Search._note

    def note_two_folds(search, task, answer, count):
        if len(search._tried["linear_1"].fitted) < 2:
            note(search, task, answer, count)
        else:
            search._last = time.monotonic()

    monkeypatch.setattr(portfolio._Search, "_note", note_two_folds)
    result, X, y, given = searched("portfolio", families=("linear",), max_trials=1, folds=4)
    assert result.warning == "The time was up before a model was done on all folds; linear_1 is of 2."
    assert (result.best, [one.outcome for one in result.trials]) == ("linear_1", [DONE])
    assert len(result.trials[0].validation[0]) == TRAINED_ROWS // 2
    assert given.metric.score(y, metrics.predict(result.model, X, "binary")) > 0.6


def test_without_an_ensemble_one_model_answers():
    result, *_ = searched("portfolio", ensemble=False)
    assert sorted(one.weight for one in result.trials)[-2:] == [0, 1]
    assert result.best != "blend"


def test_no_more_trials_and_no_other_families_than_allowed():
    result, *_ = searched("portfolio", max_trials=2, families=("linear", "neighbours"), ensemble=False)
    assert {one.family for one in result.trials} == {"linear", "neighbours"} and len(result.trials) == 2


def test_an_engine_without_a_model_of_the_families_says_so():
    with pytest.raises(StageError, match="it has no model of the families neural_network; allow others"):
        searched("flaml", families=("neural_network",))


def test_the_leaderboard_has_every_model_and_every_metric_of_both_sides():
    from lib.backends.local.search import leaderboard

    result, _, y_test, given = searched("portfolio")
    _, y = nasty_table("binary")
    board = leaderboard(result, y[:TRAINED_ROWS], y_test, given)
    assert list(board.columns[: len(LEADERBOARD)]) == list(LEADERBOARD)
    for one in metrics.for_task("binary"):
        assert {f"validation {one.name}", f"test {one.name}"} <= set(board.columns)
    assert board["score"].is_monotonic_decreasing
    np.testing.assert_allclose(board["validation accuracy"], board["score"])
    assert (board[["fit_seconds", "done_seconds", "row_ms", "megabytes"]] > 0).all(axis=None)
