"""The cost of a run: an estimate from the prices of machines, and a meter while jobs are running.

A spot machine counts with the price of a dedicated one: its own price varies up to that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from lib.backends.azureml.prices import known_prices, price_faults
from lib.backends.base import Estimate
from lib.errors import GateError, ParameterError, StageError, suggest
from lib.invocation import command

if TYPE_CHECKING:
    from lib.parameters import Parameters

MAX_JOB_MINUTES = 24 * 60  # time limit of a job whose stage has no timeout_minutes
_SECONDS_PER_HOUR = 3600


def faults(parameters: Parameters) -> list[str]:
    """Return one sentence for each invalid price, and for each missing price that ``max_cost_usd`` needs."""
    sentences = price_faults(parameters)
    if parameters.max_cost_usd is not None and not sentences:
        prices = known_prices(parameters)
        for machine in (parameters.gpu_vm_size, parameters.endpoint_instance_type):
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
    >>> hourly_price("Standard_D4as_v5", {"Standard_D4as_v5": 0.21})
    0.21
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
        ``prices_usd_per_hour``, ``price_list``, ``expected_minutes``, ``automl_budget_minutes``, ``max_nodes``,
        ``idle_seconds``, ``cluster_stages``, ``vm_priority`` and ``max_cost_usd``.

    Raises
    ------
    GateError
        If the expected cost exceeds ``max_cost_usd``.
    """
    lines: list[str] = []
    expected_usd = maximum_usd = 0.0
    if "automl" in stages:
        line, cost_usd = _search_cost(machine_for("train"), parameters)
        lines.append(line)
        expected_usd, maximum_usd = expected_usd + cost_usd, maximum_usd + cost_usd
    for stage in dict.fromkeys(stages):
        if stage in parameters.cluster_stages:
            line, stage_expected_usd, stage_maximum_usd = _stage_cost(
                stage, stages.count(stage), timeout_minutes, machine_for(stage), parameters
            )
            lines.append(line)
            expected_usd, maximum_usd = expected_usd + stage_expected_usd, maximum_usd + stage_maximum_usd
    if "deploy" in stages:
        lines.append(_endpoint_line(parameters))
    _check_limit(expected_usd, lines, parameters.max_cost_usd)
    return Estimate(tuple(lines), expected_usd, maximum_usd)


def _search_cost(machine: str, parameters: Parameters) -> tuple[str, float]:
    """Return the line and the maximum cost in US dollars of an AutoML search.

    The maximum assumes that the search uses all machines for all of its time.
    """
    usd_per_hour = hourly_price(machine, known_prices(parameters))
    minutes, machines = parameters.automl_budget_minutes, parameters.max_nodes
    cost_usd = machines * (minutes + parameters.idle_seconds / 60) / 60 * usd_per_hour
    price = _price_text(usd_per_hour, parameters)
    line = f"automl: {minutes:g} minutes on at most {machines} x {machine} for {price}: at most {cost_usd:.2f} $"
    return line, cost_usd


def _stage_cost(
    stage: str, notebook_count: int, timeout_minutes: float, machine: str, parameters: Parameters
) -> tuple[str, float, float]:
    """Return the line, the expected cost and the maximum cost in US dollars of a stage's notebooks.

    The maximum assumes that every notebook runs until the timeout.
    """
    usd_per_hour = hourly_price(machine, known_prices(parameters))
    # Each machine is idle once before it is released. There are at most as many machines as notebooks.
    idle_minutes = min(notebook_count, parameters.max_nodes) * parameters.idle_seconds / 60
    expected_usd = (notebook_count * parameters.expected_minutes + idle_minutes) / 60 * usd_per_hour
    maximum_usd = (notebook_count * timeout_minutes + idle_minutes) / 60 * usd_per_hour
    price = _price_text(usd_per_hour, parameters)
    line = (
        f"{stage}: {notebook_count} x {parameters.expected_minutes:g} minutes on {machine} for {price}: "
        f"about {expected_usd:.2f} $, at most {maximum_usd:.2f} $"
    )
    return line, expected_usd, maximum_usd


def _price_text(usd_per_hour: float, parameters: Parameters) -> str:
    """Return the price of a cluster's machine for the estimate."""
    return f"{'at most ' if parameters.vm_priority == 'spot' else ''}{usd_per_hour:g} $/h"


def _endpoint_line(parameters: Parameters) -> str:
    """Return the line with the cost of the endpoint per day."""
    machine = parameters.endpoint_instance_type
    usd_per_hour = hourly_price(machine, known_prices(parameters))
    return (
        f"endpoint: {machine} at {usd_per_hour:g} $/h: {24 * usd_per_hour:.2f} $ per day until you stop it "
        f"({command('endpoint', 'stop')}); not included in the run's cost"
    )


def _check_limit(expected_usd: float, lines: Sequence[str], limit_usd: float | None) -> None:
    """Raise a GateError with the lines of the estimate if the expected cost exceeds the limit, if there is one."""
    if limit_usd is not None and expected_usd > limit_usd:
        message = (
            f"This run is expected to cost {expected_usd:.2f} $, more than max_cost_usd ({limit_usd:g} $). Choose "
            "fewer training_functions or a cheaper gpu_vm_size, or raise max_cost_usd. Spot machines count with the "
            "price of dedicated ones, because that can be charged."
        )
        raise GateError("\n  ".join([message, *lines]))


class Meter:
    """The running total of the cost of a run's jobs, shared by the threads that monitor them.

    Parameters
    ----------
    limit_usd : float or None
        Maximum cost in US dollars; None for no limit.
    """

    def __init__(self, limit_usd: float | None):
        self._limit_usd = limit_usd
        self._cost_usd: dict[str, float] = {}
        self._lock = threading.Lock()

    def record(self, job: str, seconds: float, usd_per_hour: float) -> float:
        """Record how long a job has run, and return the cost of all jobs in US dollars.

        Parameters
        ----------
        job : str
            Id of the job.
        seconds : float
            Running time of the job until now, which replaces the time that was recorded before.
        usd_per_hour : float
            Price of the machines that the job uses.

        Raises
        ------
        StageError
            If the cost exceeds the limit. The thread that monitors the job then cancels it.
        """
        with self._lock:
            self._cost_usd[job] = seconds / _SECONDS_PER_HOUR * usd_per_hour
            total_usd = sum(self._cost_usd.values())
        if self._limit_usd is not None and total_usd > self._limit_usd:
            raise StageError(
                f"The run has cost {total_usd:.2f} $, more than max_cost_usd ({self._limit_usd:g} $), so its jobs are "
                f"cancelled. Raise max_cost_usd and continue: {command('--from', 'STAGE')}"
            )
        return total_usd
