"""The search over hyperparameters: what it proposes, when it stops, and what it makes of failures."""

import math
import time

import pytest

from lib import metrics
from lib.errors import ParameterError
from lib.evaluation import hyperparameter_search
from lib.evaluation.hyperparameter_search import Budget, search
from lib.parameters.search_space import Choices, Range, list_values, search_faults, split_hyperparameters

MAE = metrics.get("mae", "regression")
R2 = metrics.get("r2", "regression")


def run(score, space, metric=MAE, max_trials=20, seconds=60, folds=2, defaults=None, seed=0):
    """Search with a function of the hyperparameters as the score of each fold."""
    budget = Budget(seconds, max_trials)
    return search(
        lambda chosen, fold: score(chosen), folds, space, defaults or {}, metric, budget, seed, report=lambda line: None
    )


def test_all_combinations_are_tried_if_they_are_few():
    space = {"depth": Choices((3, 6, 9)), "kind": Choices(("a", "b"))}
    result = run(lambda chosen: abs(chosen["depth"] - 6) + (chosen["kind"] == "a"), space)
    assert len(result.trials) == 6 and result.best.hyperparameters == {"depth": 6, "kind": "b"}


@pytest.mark.parametrize(("metric", "sign"), [(MAE, 1), (R2, -1)])
def test_range_is_searched_in_the_direction_of_the_metric(metric, sign):
    space = {"rate": Range(0.001, 1.0, is_log=True), "depth": Range(1, 30)}
    result = run(
        lambda chosen: sign * (abs(math.log10(chosen["rate"]) + 1) + abs(chosen["depth"] - 20) / 10), space, metric, 40
    )
    best = result.best.hyperparameters
    assert 0.02 < best["rate"] < 0.5 and 15 <= best["depth"] <= 25
    assert {type(trial.hyperparameters["depth"]) for trial in result.trials} == {int}
    assert all(0.001 <= trial.hyperparameters["rate"] <= 1 for trial in result.trials)


def test_same_seed_gives_the_same_trials_and_the_default_comes_first():
    space = {"rate": Range(0.0, 1.0)}
    first, second = (run(lambda chosen: chosen["rate"], space, defaults={"rate": 0.3}, seed=5) for _ in range(2))
    assert [trial.hyperparameters for trial in first.trials] == [trial.hyperparameters for trial in second.trials]
    assert first.trials[0].hyperparameters == {"rate": 0.3}


def test_search_keeps_to_its_time_and_leaves_time_for_the_final_fit():
    def slow(chosen):
        time.sleep(0.05)
        return chosen["rate"]

    started = time.monotonic()
    result = run(slow, {"rate": Range(0.0, 1.0)}, max_trials=500, seconds=0.6)
    assert time.monotonic() - started < 0.6
    assert 1 <= len(result.trials) <= 5 and result.warning == ""


def test_a_single_trial_that_is_too_slow_is_used_with_a_warning():
    def slow(chosen):
        time.sleep(0.1)
        return 1.0

    result = run(slow, {"rate": Range(0.0, 1.0)}, seconds=0.05, folds=5)
    assert len(result.trials) == 1 and "the time was up after 1 of 5 folds" in result.warning


def test_failed_combinations_are_left_out_unless_all_fail():
    def fail(chosen):
        if chosen["depth"] < 9:
            raise ValueError("too shallow")
        return 1.0

    result = run(fail, {"depth": Choices((3, 6, 9))})
    assert result.best.hyperparameters == {"depth": 9}
    assert [trial.outcome for trial in result.trials].count("ValueError: too shallow") == 2
    with pytest.raises(ParameterError, match="no combination could be trained; .* failed with ValueError: too shallow"):
        run(fail, {"depth": Choices((3, 6))})


def test_an_undefined_score_is_no_score():
    result = run(lambda chosen: math.nan if chosen["depth"] == 3 else 2.0, {"depth": Choices((3, 6))})
    assert result.best.hyperparameters == {"depth": 6}
    assert {trial.outcome for trial in result.trials} == {"done", "the primary metric is undefined on each fold"}


def test_repeated_proposals_end_the_search(monkeypatch):
    monkeypatch.setattr(hyperparameter_search, "_count", lambda space: None)  # as if the space were endless
    result = run(lambda chosen: chosen["depth"], {"depth": Choices((3, 6))}, max_trials=1_000)
    assert len(result.trials) == 2


def test_fixed_values_and_lists_of_lists_are_told_apart():
    given = {"layers": [100, 50], "sizes": [[9], [5]], "rate": {"low": 1, "high": 2}, "options": {"a": 1}, "depth": 3}
    fixed, space = split_hyperparameters(given, {"layers": "list[int]", "sizes": "list[int]"})
    assert fixed == {"layers": [100, 50], "options": {"a": 1}, "depth": 3}
    assert space == {"sizes": Choices(([9], [5])), "rate": Range(1, 2)}
    assert list_values(given["rate"]) == [1, 2]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "the list is empty"),
        ([3, 3], "the list contains 3 twice"),
        ({"low": 1}, "high is missing"),
        ({"high": 1}, "low is missing"),
        ({"low": 2, "high": 1}, "expected low below high"),
        ({"low": "a", "high": 1}, "low is 'a'; expected a number"),
        ({"low": 0, "high": 1, "log": True}, "needs a low above 0"),
        ({"low": 1, "high": 2, "log": "yes"}, "log is 'yes'; expected true or false"),
        ({"low": 1, "high": 2, "stepp": 1}, "'stepp' is unknown"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(value, message):
    (fault,) = search_faults({"hyperparameters": {"xgboost": {"max_depth": value}}})
    assert message in fault and fault.startswith("hyperparameters: xgboost.max_depth: ")


def test_a_search_on_a_cluster_is_refused():
    (fault,) = search_faults({"hyperparameters": {"xgboost": {"max_depth": [3, 6]}}, "engine": "dask"})
    assert "a search needs the table in memory" in fault
