"""The kernel of a stage is killed: the record says so, and the run can be resumed."""

from __future__ import annotations

import contextlib
import signal
import subprocess

import psutil

from lib.chain import record as records
from lib.paths import ROOT
from lib.simulation.clients import make_bodies
from lib.simulation.faults import send_signal
from lib.simulation.steady_load import SteadyLoad
from lib.simulation.use_case import SimulatedUseCase, wait_until

DESCRIPTION = (
    "The chain runs in the copy while clients send requests to the endpoint. The kernel of the first training notebook "
    "is killed, as the system does when memory runs out. Then the run is resumed."
)


def run(use_case: SimulatedUseCase) -> None:
    """Kill a kernel in a run of the chain, resume the run, and check record, resumption and endpoint."""
    rows, _ = use_case.test_rows
    use_case.deploy()
    endpoint = use_case.endpoint
    load = SteadyLoad(endpoint.status().url, make_bodies(rows.head(1))[0].encode(), lambda name: endpoint.key(), 1)
    with load.running():
        _kill_and_resume(use_case)
    answered = sum(counts.total() for counts in load.counts.values()) - sum(load.failed.values())
    use_case.timeline.check(
        "Meanwhile the endpoint answers every request.",
        not load.failed,
        f"{answered:,} requests were answered; failed: {load.failed or 'none'}.",
    )


def _kill_and_resume(use_case: SimulatedUseCase) -> None:
    timeline = use_case.timeline
    chain = use_case.start("--params", str(use_case.folder / "parameters.yaml"), "--from", "preprocess")
    timeline.did("Started the chain.")
    _kill_kernel(use_case, chain)
    finished = use_case.finish(chain)
    folder = use_case.newest_run()
    assert folder is not None, "the chain has started"
    state = records.read_current(folder)
    failed = next((entry for entry in state["stages"] if entry["status"] == records.FAILED), None)
    timeline.saw(f"The chain ended with exit code {finished.exit_code}; the record says {state['status']}.")
    timeline.check(
        "The run fails with exit code 1.",
        finished.exit_code == 1 and state["status"] == records.FAILED,
        f"Exit code {finished.exit_code}, status {state['status']}.",
    )
    cause = failed["error"].splitlines()[0] if failed else "no stage failed"
    timeline.check(
        "The record names the stage and the cause.",
        failed is not None and _is_training(failed["stage"]) and "killed" in cause,
        f"{failed['stage'] if failed else ''}: {cause}",
    )
    use_case.keep_page(folder / "report.html", "Report of the failed run")
    timeline.did("Resumed the run.")
    resumed = use_case.finish(use_case.start("--resume", str(folder)))
    state = records.read_current(folder)
    timeline.saw(f"The chain ended with exit code {resumed.exit_code}; the record says {state['status']}.")
    timeline.check(
        "--resume completes the run; a gate may still refuse the model.",
        resumed.exit_code in (0, 3) and state["status"] in (records.SUCCEEDED, records.HELD),
        f"Exit code {resumed.exit_code}, status {state['status']}.",
    )
    production = [version.version for version in use_case.registry.versions() if version.is_production]
    timeline.check(
        "One version is in production.", len(production) == 1, f"In production: {', '.join(production) or 'none'}."
    )
    use_case.keep_page(folder / "report.html", "Report of the resumed run")


def _kill_kernel(use_case: SimulatedUseCase, chain: subprocess.Popen[str]) -> None:
    """Wait for a training notebook, and kill its kernel."""
    earlier_pids: set[int] = set()
    stages: list[str] = []
    kernels: list[psutil.Process] = []

    def is_training() -> bool:
        # The kernels first: if no training runs afterwards, they belong to earlier stages.
        kernels[:] = [kernel for kernel in _list_kernels(chain.pid) if kernel.pid not in earlier_pids]
        stages[:] = [stage for stage in _list_running(use_case) if _is_training(stage)]
        if not stages:
            earlier_pids.update(kernel.pid for kernel in kernels)
        return chain.poll() is not None or bool(stages and kernels)

    wait_until(is_training, "a training notebook runs", poll_seconds=0.02)
    if chain.poll() is not None:
        use_case.timeline.saw("The chain ended before its kernel could be killed.")
        return
    send_signal(kernels[0], signal.SIGKILL)
    use_case.timeline.did(f"Killed the kernel of {stages[0]}, process {kernels[0].pid}, with SIGKILL.")


def _is_training(stage: str) -> bool:
    """Return whether a stage trains models.

    >>> _is_training("train linear"), _is_training("preprocess")
    (True, False)
    """
    return stage.split()[0] in ("train", "automl")


def _list_running(use_case: SimulatedUseCase) -> list[str]:
    """Return the labels of the stages that run."""
    folder = use_case.newest_run()
    if folder is None:
        return []
    return [entry["stage"] for entry in records.read(folder)["stages"] if entry["status"] == records.RUNNING]


def _list_kernels(chain_pid: int) -> list[psutil.Process]:
    """Return the processes of the kernels in use: they work in the project's folder, the others in the copy's."""
    kernels = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(chain_pid).children(recursive=True):
            with contextlib.suppress(psutil.Error, FileNotFoundError):
                if process.cwd() == str(ROOT):
                    kernels.append(process)
    return kernels
