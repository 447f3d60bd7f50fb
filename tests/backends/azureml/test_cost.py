"""What a run may cost, before and while it runs."""

import pytest

from lib.backends.azureml import cost
from lib.errors import GateError, ParameterError, StageError
from lib.parameters import Parameters, load

STAGES = ["setup", "preprocess", "train", "train", "train", "evaluate", "deploy"]


def parameters(**changes):
    prices = {"small": 1.0, "small/low_priority": 0.1, "endpoint": 0.5}
    chosen = {"gpu_vm_size": "small", "endpoint_instance_type": "endpoint", "prices": prices, "max_nodes": 2}
    plain = {"expected_minutes": 15.0, "idle_seconds": 300, "max_cost": None}
    return Parameters({**load([]).values, **chosen, **plain, **changes})


def estimated(stages=STAGES, timeout_minutes=60, machine="small", **changes):
    return cost.estimated(stages, timeout_minutes, lambda stage: machine, parameters(**changes))


def test_notebooks_and_idle_machines_are_counted():
    found = estimated()
    # preprocess: 15 minutes and one idle machine; train: three times 15 and two idle machines, of 5 minutes each
    assert found.expected == pytest.approx((15 + 5 + 45 + 10) / 60)
    assert found.maximum == pytest.approx((60 + 5 + 180 + 10) / 60)


def test_what_the_orchestrator_runs_costs_nothing():
    assert estimated(cluster_stages=["preprocess"]).expected == pytest.approx(20 / 60)
    assert estimated(["setup", "evaluate"]).expected == 0


def test_a_search_may_use_every_machine_for_all_of_its_time():
    found = estimated(["setup", "preprocess", "automl", "evaluate"], automl_budget_minutes=60.0)
    assert found.lines[0] == "automl: 60 minutes on at most 2 x small at 1 $/h: at most 2.17 $"
    assert found.expected == pytest.approx((15 + 5) / 60 + 2 * 65 / 60)


def test_a_low_priority_machine_has_a_price_of_its_own():
    assert estimated(machine="small/low_priority").expected == pytest.approx(estimated().expected / 10)


def test_the_lines_say_how_it_comes_about_and_what_the_endpoint_costs():
    preprocess, train, endpoint = estimated().lines
    assert preprocess.startswith("preprocess: 1 x 15 minutes on small at 1 $/h: about 0.33 $, at most 1.08 $")
    assert train.startswith("train: 3 x 15 minutes")
    assert "12.00 $ for each day" in endpoint


def test_above_max_cost_nothing_starts():
    assert estimated(max_cost=1.3).expected < 1.3
    with pytest.raises(GateError, match=r"expected to cost 1.25 \$, more than max_cost \(1.2 \$\)[\s\S]*train: 3 x"):
        estimated(max_cost=1.2)


def test_a_machine_without_a_price_is_named_with_the_nearest():
    with pytest.raises(ParameterError, match="no price of smal. Did you mean 'small'"):
        estimated(machine="smal")


class TestFaults:
    def test_a_price_is_a_number(self):
        faults = cost.faults(parameters(prices={"small": "cheap", "endpoint": -1, "other": True}))
        assert [fault.split()[1] for fault in faults] == ["small", "endpoint", "other"]

    def test_with_a_limit_the_machines_must_have_prices(self):
        assert cost.faults(parameters(max_cost=5.0)) == []
        (fault,) = cost.faults(parameters(max_cost=5.0, gpu_vm_size="large"))
        assert "prices has no large" in fault
        (fault,) = cost.faults(parameters(max_cost=5.0, endpoint_instance_type="endpiont"))
        assert "Did you mean 'endpoint'" in fault

    def test_without_a_limit_none_is_needed(self):
        assert cost.faults(parameters(prices={})) == []


class TestMeter:
    def test_it_adds_the_jobs_and_counts_each_once(self):
        meter = cost.Meter(None)
        meter.note("one", 1800, 2.0)
        assert meter.note("one", 3600, 2.0) == pytest.approx(2.0)
        assert meter.note("two", 3600, 1.0) == pytest.approx(3.0)

    def test_above_the_limit_it_stops(self):
        meter = cost.Meter(2.5)
        meter.note("one", 3600, 2.0)
        with pytest.raises(StageError, match=r"has cost 3.00 \$, more than max_cost \(2.5 \$\)"):
            meter.note("two", 3600, 1.0)
