"""The estimated and the metered cost of a run."""

import pytest

from lib.backends.azureml import cost
from lib.errors import GateError, ParameterError, StageError
from lib.parameters import Parameters, load

STAGES = ["setup", "preprocess", "train", "train", "train", "evaluate", "deploy"]


def parameters(**changes):
    prices = {"small": 1.0, "small/low_priority": 0.1, "endpoint": 0.5}  # the second is of an earlier release
    machines = {"gpu_vm_size": "small", "endpoint_instance_type": "endpoint", "max_nodes": 2}
    limits = {"prices_usd_per_hour": prices, "expected_minutes": 15.0, "idle_seconds": 300, "max_cost_usd": None}
    return Parameters({**load([]).values, **machines, **limits, **changes})


def estimate(stages=STAGES, timeout_minutes=60, machine="small", **changes):
    return cost.estimate_cost(stages, timeout_minutes, lambda stage: machine, parameters(**changes))


def test_the_estimate_includes_notebooks_and_idle_time():
    result = estimate()
    # preprocess: 15 minutes and one idle machine; train: three times 15 minutes and two idle machines. Idle time: 5
    assert result.expected_usd == pytest.approx((15 + 5 + 45 + 10) / 60)
    assert result.maximum_usd == pytest.approx((60 + 5 + 180 + 10) / 60)


def test_local_stages_are_free():
    assert estimate(cluster_stages=["preprocess"]).expected_usd == pytest.approx(20 / 60)
    assert estimate(["setup", "evaluate"]).expected_usd == 0


def test_a_search_uses_all_machines_for_all_of_its_time():
    result = estimate(["setup", "preprocess", "automl", "evaluate"], automl_budget_minutes=60.0)
    assert result.lines[0] == "automl: 60 minutes on at most 2 x small for 1 $/h: at most 2.17 $"
    assert result.expected_usd == pytest.approx((15 + 5) / 60 + 2 * 65 / 60)


def test_spot_machines_count_with_the_price_that_can_be_charged():
    spot = estimate(vm_priority="spot")
    assert (spot.expected_usd, spot.maximum_usd) == (estimate().expected_usd, estimate().maximum_usd)
    assert "on small for at most 1 $/h" in spot.lines[0]
    with pytest.raises(GateError, match="Spot machines count with the price of dedicated ones"):
        estimate(vm_priority="spot", max_cost_usd=1.2)


def test_the_lines_show_the_calculation_and_the_endpoint():
    preprocess, train, endpoint = estimate().lines
    assert preprocess.startswith("preprocess: 1 x 15 minutes on small for 1 $/h: about 0.33 $, at most 1.08 $")
    assert train.startswith("train: 3 x 15 minutes")
    assert "12.00 $ per day" in endpoint


def test_a_run_above_max_cost_does_not_start():
    assert estimate(max_cost_usd=1.3).expected_usd < 1.3
    with pytest.raises(GateError, match=r"cost 1.25 \$, more than max_cost_usd \(1.2 \$\)[\s\S]*train: 3 x"):
        estimate(max_cost_usd=1.2)


def test_a_missing_price_is_reported_with_a_suggestion():
    with pytest.raises(ParameterError, match="no price for smal. Did you mean 'small'"):
        estimate(machine="smal")


class TestFaults:
    def test_prices_must_be_numbers(self):
        faults = cost.faults(parameters(prices_usd_per_hour={"small": "cheap", "endpoint": -1, "other": True}))
        assert [fault.split()[1] for fault in faults] == ["small", "endpoint", "other"]

    def test_max_cost_requires_prices(self):
        assert cost.faults(parameters(max_cost_usd=5.0)) == []
        (fault,) = cost.faults(parameters(max_cost_usd=5.0, gpu_vm_size="large"))
        assert "prices_usd_per_hour has no large" in fault
        (fault,) = cost.faults(parameters(max_cost_usd=5.0, endpoint_instance_type="endpiont"))
        assert "Did you mean 'endpoint'" in fault

    def test_prices_are_optional_without_max_cost(self):
        assert cost.faults(parameters(prices_usd_per_hour={})) == []


class TestMeter:
    def test_the_total_includes_each_job_once(self):
        meter = cost.Meter(None)
        meter.record("one", 1800, 2.0)
        assert meter.record("one", 3600, 2.0) == pytest.approx(2.0)
        assert meter.record("two", 3600, 1.0) == pytest.approx(3.0)

    def test_the_limit_stops_the_run(self):
        meter = cost.Meter(2.5)
        meter.record("one", 3600, 2.0)
        with pytest.raises(StageError, match=r"has cost 3.00 \$, more than max_cost_usd \(2.5 \$\)"):
            meter.record("two", 3600, 1.0)
