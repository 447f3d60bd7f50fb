"""Cost: what a run may take, from the table of prices in the parameters, and a meter while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from lib.backends.base import Estimate
from lib.errors import GateError, ParameterError, StageError, suggest

if TYPE_CHECKING:
    from lib.parameters import Parameters

MAX_JOB_MINUTES = 24 * 60  # of a job whose stage has no timeout_minutes
_SECONDS_AN_HOUR = 3600
_ENDPOINT, _SEARCH = "deploy", "automl"


def faults(parameters: Parameters) -> list[str]:
    """Prices that are none, or that are missing where ``max_cost`` needs them: a sentence each."""
    prices = parameters.prices or {}
    found = [
        f"prices: {machine} costs {price!r}; expected US dollars an hour, e.g. {machine}: 0.5"
        for machine, price in prices.items()
        if isinstance(price, bool) or not isinstance(price, (int, float)) or price < 0
    ]
    if parameters.max_cost is not None:
        size = parameters.gpu_vm_size
        cluster = f"{size}/low_priority" if parameters.vm_priority == "low_priority" else size
        for machine in (cluster, parameters.endpoint_instance_type):
            if machine not in prices:
                found.append(f"max_cost: prices has no {machine}, so no cost can be told. {suggest(machine, prices)}")
    return found


def hourly_price(machine: str, prices: Mapping[str, float]) -> float:
    """US dollars an hour of a machine.

    Raises
    ------
    ParameterError
        With the nearest name, where the table has none.
    """
    if machine not in prices:
        raise ParameterError(f"prices: there is no price of {machine}. {suggest(machine, prices)}")
    return float(prices[machine])


def estimated(
    stages: Sequence[str], timeout_minutes: float, machine_for: Callable[[str], str], parameters: Parameters
) -> Estimate:
    """Estimate of a run.

    Parameters
    ----------
    stages : sequence of str
        One for each notebook.
    timeout_minutes : float
        After which a notebook is cancelled.
    machine_for : callable
        Machine that a stage's notebooks run on, as the table of prices names it.
    parameters : Parameters
        ``prices``, ``expected_minutes``, ``automl_budget_minutes``, ``max_nodes``, ``idle_seconds``, ``cluster_stages``
        and ``max_cost``.

    Raises
    ------
    GateError
        Where more than ``max_cost`` is to be expected.
    """
    lines, expected, maximum = [], 0.0, 0.0
    idle_minutes = parameters.idle_seconds / 60
    if _SEARCH in stages:
        machine = machine_for("train")
        hourly = hourly_price(machine, parameters.prices)
        minutes, machines = parameters.automl_budget_minutes, parameters.max_nodes
        usual = machines * (minutes + idle_minutes) / 60 * hourly
        lines.append(
            f"{_SEARCH}: {minutes:g} minutes on at most {machines} x {machine} at {hourly:g} $/h: at most {usual:.2f} $"
        )
        expected, maximum = expected + usual, maximum + usual
    for stage in dict.fromkeys(stages):
        if stage not in parameters.cluster_stages:
            continue
        machine, count = machine_for(stage), stages.count(stage)
        hourly = hourly_price(machine, parameters.prices)
        # Each machine idles once before it is given back; there are at most as many as notebooks.
        machines = min(count, parameters.max_nodes)
        usual = (count * parameters.expected_minutes + machines * idle_minutes) / 60 * hourly
        longest = (count * timeout_minutes + machines * idle_minutes) / 60 * hourly
        lines.append(
            f"{stage}: {count} x {parameters.expected_minutes:g} minutes on {machine} at {hourly:g} $/h: about "
            f"{usual:.2f} $, at most {longest:.2f} $"
        )
        expected, maximum = expected + usual, maximum + longest
    if _ENDPOINT in stages:
        hourly = hourly_price(parameters.endpoint_instance_type, parameters.prices)
        lines.append(
            f"endpoint: {parameters.endpoint_instance_type} at {hourly:g} $/h: {24 * hourly:.2f} $ for each day it "
            "is left running, beside the run's cost; run_all.py endpoint stop ends it"
        )
    limit = parameters.max_cost
    if limit is not None and expected > limit:
        raise GateError(
            "\n  ".join(
                [
                    f"This run is expected to cost {expected:.2f} $, more than max_cost ({limit:g} $). Choose fewer "
                    "training_functions, a cheaper gpu_vm_size or vm_priority: low_priority, or raise max_cost.",
                    *lines,
                ]
            )
        )
    return Estimate(tuple(lines), expected, maximum)


class Meter:
    """What the jobs of one run have cost so far, over all threads that follow one.

    Parameters
    ----------
    limit : float or None
        US dollars; None for none.
    """

    def __init__(self, limit: float | None):
        self._limit = limit
        self._cost: dict[str, float] = {}
        self._lock = threading.Lock()

    def note(self, job: str, seconds: float, hourly: float) -> float:
        """Note how long a job has run, and return the cost of all.

        Raises
        ------
        StageError
            Where that is more than the limit; whoever follows the job cancels it.
        """
        with self._lock:
            self._cost[job] = seconds / _SECONDS_AN_HOUR * hourly
            total = sum(self._cost.values())
        if self._limit is not None and total > self._limit:
            raise StageError(
                f"The run has cost {total:.2f} $, more than max_cost ({self._limit:g} $), so its jobs are cancelled. "
                "Raise max_cost, and go on: run_all.py --from STAGE with the new limit."
            )
        return total
