"""The cost of a run: an estimate from the parameter ``prices_usd_per_hour``, and a meter while jobs are running."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from lib.backends.base import Estimate
from lib.errors import GateError, ParameterError, StageError, suggest
from lib.invocation import command

if TYPE_CHECKING:
    from lib.parameters import Parameters

MAX_JOB_MINUTES = 24 * 60  # time limit of a job whose stage has no timeout_minutes
_SECONDS_PER_HOUR = 3600


def faults(parameters: Parameters) -> list[str]:
    """Return one sentence for each invalid price, and for each missing price that ``max_cost_usd`` needs."""
    prices = parameters.prices_usd_per_hour or {}
    sentences = [
        f"prices_usd_per_hour: {machine} has the price {price!r}; expected US dollars per hour, e.g. {machine}: 0.5"
        for machine, price in prices.items()
        if isinstance(price, bool) or not isinstance(price, (int, float)) or price < 0
    ]
    if parameters.max_cost_usd is not None:
        size = parameters.gpu_vm_size
        cluster = f"{size}/low_priority" if parameters.vm_priority == "low_priority" else size
        for machine in (cluster, parameters.endpoint_instance_type):
            if machine not in prices:
                sentences.append(
                    f"max_cost_usd: the cost cannot be estimated, because prices_usd_per_hour has no {machine}. Add "
                    f"it, or set max_cost_usd to null. {suggest(machine, prices)}"
                )
    return sentences


def hourly_price(machine: str, prices: Mapping[str, float]) -> float:
    """Return the price of a machine in US dollars per hour.

    Raises
    ------
    ParameterError
        If the machine has no price. The message suggests the nearest name.

    Examples
    --------
    >>> hourly_price("Standard_DS3_v2", {"Standard_DS3_v2": 0.27})
    0.27
    """
    if machine not in prices:
        raise ParameterError(f"prices_usd_per_hour: there is no price for {machine}. {suggest(machine, prices)}")
    return float(prices[machine])


def estimate_cost(
    stages: Sequence[str], timeout_minutes: float, machine_for: Callable[[str], str], parameters: Parameters
) -> Estimate:
    """Estimate the cost of a run.

    Parameters
    ----------
    stages : sequence of str
        The stage of each notebook.
    timeout_minutes : float
        Time limit of a notebook.
    machine_for : callable
        Returns the machine that runs a stage's notebooks, by its name in ``prices_usd_per_hour``.
    parameters : Parameters
        ``prices_usd_per_hour``, ``expected_minutes``, ``automl_budget_minutes``, ``max_nodes``, ``idle_seconds``,
        ``cluster_stages`` and ``max_cost_usd``.

    Raises
    ------
    GateError
        If the expected cost exceeds ``max_cost_usd``.
    """
    lines: list[str] = []
    expected = maximum = 0.0
    if "automl" in stages:
        line, cost = _search_cost(machine_for("train"), parameters)
        lines.append(line)
        expected, maximum = expected + cost, maximum + cost
    for stage in dict.fromkeys(stages):
        if stage in parameters.cluster_stages:
            line, usual_cost, largest_cost = _stage_cost(
                stage, stages.count(stage), timeout_minutes, machine_for(stage), parameters
            )
            lines.append(line)
            expected, maximum = expected + usual_cost, maximum + largest_cost
    if "deploy" in stages:
        lines.append(_endpoint_line(parameters))
    _check_limit(expected, lines, parameters.max_cost_usd)
    return Estimate(tuple(lines), expected, maximum)


def _search_cost(machine: str, parameters: Parameters) -> tuple[str, float]:
    """Return the line and the cost of an AutoML search that uses all machines for all of its time."""
    hourly = hourly_price(machine, parameters.prices_usd_per_hour)
    minutes, machines = parameters.automl_budget_minutes, parameters.max_nodes
    cost = machines * (minutes + parameters.idle_seconds / 60) / 60 * hourly
    line = f"automl: {minutes:g} minutes on at most {machines} x {machine} at {hourly:g} $/h: at most {cost:.2f} $"
    return line, cost


def _stage_cost(
    stage: str, notebooks: int, timeout_minutes: float, machine: str, parameters: Parameters
) -> tuple[str, float, float]:
    """Return the line, the expected cost and the maximum cost of a stage's notebooks."""
    hourly = hourly_price(machine, parameters.prices_usd_per_hour)
    # Each machine is idle once before it is released. There are at most as many machines as notebooks.
    idle_minutes = min(notebooks, parameters.max_nodes) * parameters.idle_seconds / 60
    expected = (notebooks * parameters.expected_minutes + idle_minutes) / 60 * hourly
    maximum = (notebooks * timeout_minutes + idle_minutes) / 60 * hourly
    line = (
        f"{stage}: {notebooks} x {parameters.expected_minutes:g} minutes on {machine} at {hourly:g} $/h: about "
        f"{expected:.2f} $, at most {maximum:.2f} $"
    )
    return line, expected, maximum


def _endpoint_line(parameters: Parameters) -> str:
    machine = parameters.endpoint_instance_type
    hourly = hourly_price(machine, parameters.prices_usd_per_hour)
    return (
        f"endpoint: {machine} at {hourly:g} $/h: {24 * hourly:.2f} $ per day until you stop it "
        f"({command('endpoint', 'stop')}); not included in the run's cost"
    )


def _check_limit(expected: float, lines: Sequence[str], limit: float | None) -> None:
    if limit is not None and expected > limit:
        message = (
            f"This run is expected to cost {expected:.2f} $, more than max_cost_usd ({limit:g} $). Choose fewer "
            "training_functions, a cheaper gpu_vm_size or vm_priority: low_priority, or raise max_cost_usd."
        )
        raise GateError("\n  ".join([message, *lines]))


class Meter:
    """The running total of the cost of a run's jobs, shared by the threads that monitor them.

    Parameters
    ----------
    limit : float or None
        Maximum cost in US dollars; None for no limit.
    """

    def __init__(self, limit: float | None):
        self._limit = limit
        self._cost: dict[str, float] = {}
        self._lock = threading.Lock()

    def record(self, job: str, seconds: float, hourly: float) -> float:
        """Record the running time of a job so far, and return the cost of all jobs in US dollars.

        Raises
        ------
        StageError
            If the cost exceeds the limit. The thread that monitors the job then cancels it.
        """
        with self._lock:
            self._cost[job] = seconds / _SECONDS_PER_HOUR * hourly
            total = sum(self._cost.values())
        if self._limit is not None and total > self._limit:
            raise StageError(
                f"The run has cost {total:.2f} $, more than max_cost_usd ({self._limit:g} $), so its jobs are "
                f"cancelled. Raise max_cost_usd and continue: {command('--from', 'STAGE')}"
            )
        return total
