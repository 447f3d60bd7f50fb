"""Scores by group, and the gate worst_slice, for a metric of the customer as primary metric."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib.evaluation.gates.groups import GroupGapGate, WorstSliceGate
from lib.metrics import Predictions
from lib.parameters import Parameters
from lib.parameters.gates import gate_faults
from lib.stages import _groups

OVERSHOOT = """
    GREATER_IS_BETTER = False

    def score(truth, predictions, rows, *, price: float = 1.0):
        return price * rows["weight"].mean() * (predictions.labels - truth).clip(min=0).mean()
"""
ROWS = 60


@pytest.fixture
def case(custom):
    """Return best candidate, comparison and parameters: predictions are too high by 1 in region a, by 2 in region b."""
    custom.write("metrics/overshoot.py", OVERSHOOT)
    test = pd.DataFrame({"region": ["a", "b"] * (ROWS // 2), "weight": 1.0, "y": np.arange(float(ROWS))})
    labels = test["y"].to_numpy() + np.where(test["region"] == "a", 1.0, 2.0)
    best = SimpleNamespace(predictions=Predictions(labels, rows=test[["region", "weight"]]))
    values = {"primary_metric": "overshoot", "metrics": {"overshoot": {"price": 10.0}}, "groups": ["region"]}
    parameters = Parameters({**values, "target_column": "y", "task": "regression"})
    return best, SimpleNamespace(test=test, hidden=None), parameters


def test_groups_are_scored_with_own_metric_and_its_options(case):
    scores = _groups.score_test_groups(*case)
    assert {group.name: group.values["overshoot"] for group in scores} == {"region = a": 10.0, "region = b": 20.0}


def test_group_table_shows_own_primary_metric(case):
    assert len(_groups.show_groups(*case)) == 1


@pytest.mark.parametrize(("maximum", "verdict"), [(25.0, "passed"), (15.0, "blocked")])
def test_worst_slice_judges_own_primary_metric_as_a_maximum(case, maximum, verdict):
    evidence = SimpleNamespace(metric=case[2].metric, measure=lambda name: _groups.score_test_groups(*case))
    result = WorstSliceGate(maximum).check(evidence)
    assert "region = b" in result.measured and result.verdict == verdict


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [({"overshoot": 12.0}, "passed"), ({"overshoot": 5.0}, "blocked"), ({"overshoot_ratio": 0.8}, "blocked")],
)
def test_group_gap_judges_own_metric(case, limits, verdict):
    evidence = SimpleNamespace(metric=case[2].metric, measure=lambda name: _groups.score_test_groups(*case))
    assert gate_faults({**case[2], "gates": {"group_gap": limits}}) == []
    result = GroupGapGate(limits).check(evidence)
    assert "between a (10) and b (20)" in result.measured
    assert result.verdict == verdict


def test_group_gap_of_a_metric_that_the_use_case_does_not_name_is_refused(case):
    values = {"task": "regression", "groups": ["region"], "gates": {"group_gap": {"overshoot": 5.0}}}
    assert gate_faults(values) == [
        "gates: group_gap: a regression task has no 'overshoot'. List it under metrics: {overshoot: {}}."
    ]
