"""Checks of ``gates``, ``groups`` and ``weight_column`` before a kernel starts."""

import pytest

from lib.parameters import load
from lib.parameters.gates import gate_faults
from lib.parameters.weights import weight_column_faults

VALUES = {"task": "binary", "groups": ["sex"], "contract": "contract.yaml", "target_column": "bought"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gates": {"latency": 20}}, "there is no gate 'latency' with a limit. Did you mean 'latency_ms'?"),
        ({"gates": {"min_score": 0.7}}, "min_score has no limit in gates. Set min_score instead."),
        ({"gates": {"accept": 1}}, "accept has no limit in gates. It is always checked"),
        ({"gates": {"latency_ms": "fast"}}, "latency_ms is 'fast'; expected a number of at least 0.001"),
        ({"gates": {"size_mb": -1}}, "size_mb is -1; expected a number of at least 0.001"),
        ({"gates": {"column_alone": 2}}, "column_alone is 2; expected a number from 0 to 1"),
        ({"gates": {"train_test_gap": True}}, "train_test_gap is True; expected a number of at least 0"),
        ({"gates": {"worst_slice": float("nan")}}, "worst_slice is nan; expected a number."),
        ({"gates": {"worst_slice": 0.6}, "groups": []}, "worst_slice needs the parameter groups, which is empty"),
        ({"gates": {"group_gap": {"accuracy": 1}}, "groups": []}, "group_gap needs the parameter groups"),
        ({"gates": {"contract": 0}, "contract": ""}, "contract needs the parameter contract, which is empty"),
        ({"gates": {"group_gap": 0.1}}, "group_gap is 0.1; expected a limit by rate, e.g. {false_positive_rate: 0.1}"),
        (
            {"gates": {"group_gap": {"false_positives": 0.1}}},
            "Did you mean 'false_positive_rate'",
        ),
        (
            {"gates": {"group_gap": {"accuracy_ratio": 8}}},
            "accuracy_ratio is 8; expected a number from 0 to 1",
        ),
        ({"gates": {"group_gap": {"selection_rate": 1}}, "task": "regression"}, "a regression task has no"),
        ({"groups": ["w"], "weight_column": "w"}, "groups: 'w' is the weight_column"),
    ],
)
def test_a_gate_that_cannot_be_checked_is_refused(changes, message):
    (fault,) = gate_faults({**VALUES, **changes})
    assert message in fault


def test_valid_limits_have_no_fault():
    gap = {"false_positive_rate": 0.1, "selection_rate_ratio": 0.8, "equalized_odds": 0.2, "roc_auc": 0.05}
    assert gate_faults({**VALUES, "gates": {"group_gap": gap, "contract": 0, "worst_slice": 0.6}}) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target_column": "w"}, "'w' is the target_column"),
        ({"time_column": "w"}, "'w' is the time_column"),
        ({"cost_column": "w"}, "'w' is the cost_column"),
        ({"key_columns": ["w"]}, "'w' is in key_columns"),
        ({"automl": True}, "AutoML trains without weights"),
        ({"engine": "dask"}, "needs the table in memory"),
        ({"calibration": "auto"}, "calibrated without weights"),
    ],
)
def test_conflicts_of_the_weight_column_are_refused(changes, message):
    (fault,) = weight_column_faults({"weight_column": "w", **changes})
    assert message in fault


def test_a_file_adds_to_the_gates_of_base(tmp_path):
    file = tmp_path / "shop.yaml"
    file.write_text("gates: {latency_ms: 20}")
    assert load([file]).values["gates"] == {"row_on_both_sides": 0.1, "latency_ms": 20}
    assert load([file], ["gates.row_on_both_sides=null"]).values["gates"]["row_on_both_sides"] is None
