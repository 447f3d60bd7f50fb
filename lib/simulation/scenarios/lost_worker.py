"""A worker of the endpoint is killed under traffic: it is replaced, and no request fails."""

from __future__ import annotations

import functools
import signal

import psutil

from lib.simulation.clients import make_bodies
from lib.simulation.faults import send_signal
from lib.simulation.steady_load import SteadyLoad
from lib.simulation.use_case import SimulatedUseCase, wait_until

DESCRIPTION = (
    "While four clients send requests without a pause, one worker process of the endpoint after the other is killed."
)


def run(use_case: SimulatedUseCase) -> None:
    """Kill each worker once under traffic, and wait for its replacement."""
    rows, _ = use_case.test_rows
    use_case.deploy()
    endpoint, timeline = use_case.endpoint, use_case.timeline
    load = SteadyLoad(endpoint.status().url, make_bodies(rows.head(1))[0].encode(), lambda name: endpoint.key())
    workers = endpoint.status().workers
    with load.running():
        load.wait_for_answers(50)
        timeline.did("Four clients send requests without a pause.")
        for number, pid in enumerate(workers, start=1):
            with load.phase(f"kill {number}"):
                send_signal(psutil.Process(pid), signal.SIGKILL)
                timeline.did(f"Killed worker {number} of {len(workers)}, process {pid}, with SIGKILL.")
                has_recovered = functools.partial(_has_recovered, use_case, pid, len(workers))
                seconds = wait_until(has_recovered, "a new worker has started")
            timeline.saw(f"A new worker answers after {seconds:.1f} seconds.")
    answered = sum(counts.total() for counts in load.counts.values()) - sum(load.failed.values())
    timeline.check("Each killed worker is replaced.", True, f"{len(workers)} of {len(workers)} were replaced.")
    timeline.check(
        "No request fails.",
        not load.failed,
        f"{answered:,} requests were answered; failed: {load.failed or 'none'}.",
    )


def _has_recovered(use_case: SimulatedUseCase, killed_pid: int, worker_count: int) -> bool:
    """Return whether all workers run again."""
    pids = use_case.endpoint.status().workers
    return killed_pid not in pids and len(pids) == worker_count
