"""Run the steps of a plan: papermill executes, the record keeps up, an interrupt leaves nothing behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import errors
from lib.chain import record as records
from lib.chain.contracts import RUN_NAME, TRAINING_FUNCTION
from lib.chain.plan import Step
from lib.chain.progress import Progress
from lib.chain.record import RunRecord
from lib.paths import ROOT, shown

_GRACE_SECONDS = 15


class StepFailed(errors.StageError):
    """A notebook ended with an error.

    Attributes
    ----------
    status : str
        What the record says of it.
    exit_code : int
        That of the error which the notebook raised, where it was raised on purpose.
    """

    def __init__(self, message: str, status: str = records.FAILED, exit_code: int = 1):
        super().__init__(message)
        self.status = status
        self.exit_code = exit_code


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or SIGTERM, reached the chain."""


@dataclass
class _Execution:
    """A notebook that runs in a thread of its own, so that signals reach the main one."""

    thread: threading.Thread
    error: BaseException | None = None


def run(steps: Sequence[Step], values: Mapping[str, Any], record: RunRecord, progress: Progress) -> dict[str, Any]:
    """Execute steps one after the other.

    Parameters
    ----------
    steps : sequence of Step
    values : mapping
        The parameters; what steps hand on is laid over them.
    record : RunRecord
    progress : Progress

    Returns
    -------
    dict
        Parameters and everything that was handed on.

    Raises
    ------
    StepFailed
        Where a notebook did.
    Interrupted
        After the kernel has ended.
    """
    from lib.chain import forking

    fork = values["fork_kernels"] and forking.available()
    forking.register(fork)
    if fork:
        forking.preload()
    values = {**values, RUN_NAME: record.name}
    with _interruptible():
        for step in steps:
            values |= _run_step(step, values, record, progress)
    return values


def _run_step(step: Step, values: Mapping[str, Any], record: RunRecord, progress: Progress) -> dict[str, Any]:
    """What a step hands on; a list that several executions of one notebook hand on grows by each of them."""
    from lib.outputs import read

    executed = record.folder / step.file_name
    given = {name: values[name] for name in step.notebook.parameters if name in values}
    if step.training_function:
        given[TRAINING_FUNCTION] = step.training_function
    record.begin(step.label, executed)
    started = time.perf_counter()
    with progress.step(step.label):
        try:
            _execute(step.notebook.path, executed, given)
            handed_on = read(str(executed))
            _check_complete(step, executed, handed_on)
        except Interrupted:
            record.end(records.INTERRUPTED, time.perf_counter() - started)
            raise
        except StepFailed as error:
            record.end(error.status, time.perf_counter() - started, error=str(error))
            raise
    record.end(records.SUCCEEDED, time.perf_counter() - started, outputs=handed_on)
    if step.training_function:
        return {
            name: [*values.get(name, []), *value] if isinstance(value, list) else value
            for name, value in handed_on.items()
        }
    return handed_on


def _execute(notebook: Path, executed: Path, parameters: Mapping[str, Any]) -> None:
    """Execute a notebook, and wait for it in a way that an interrupt can end."""
    from papermill.exceptions import PapermillExecutionError

    from lib.chain import engine

    execution = _in_thread(lambda: engine.execute(notebook, executed, dict(parameters)))
    try:
        while execution.thread.is_alive():
            execution.thread.join(timeout=0.2)
    except KeyboardInterrupt:
        _end(execution)
        raise Interrupted from None
    error = execution.error
    if isinstance(error, PapermillExecutionError):
        raise _failure(executed, error) from error
    if error is not None:
        raise StepFailed(f"{type(error).__name__}: {error}\nNotebook: {shown(executed)}") from error


def _in_thread(work: Callable[[], None]) -> _Execution:
    def body() -> None:
        try:
            work()
        except BaseException as error:
            execution.error = error

    execution = _Execution(threading.Thread(target=body, name="notebook", daemon=True))
    execution.thread.start()
    return execution


def _end(execution: _Execution) -> None:
    """End the kernel: first so that the notebook can say so, then, or at a second Ctrl-C, for good."""
    from lib.chain.engine import kernels

    deadline = time.monotonic() + _GRACE_SECONDS
    try:
        # A kernel that is only just starting has no handler yet, so it is asked until it has ended.
        while execution.thread.is_alive() and time.monotonic() < deadline:
            kernels.interrupt()
            execution.thread.join(timeout=2)
    except KeyboardInterrupt:
        pass
    while execution.thread.is_alive():
        kernels.kill()
        execution.thread.join(timeout=1)


def _failure(executed: Path, error: Any) -> StepFailed:
    """What a person needs of a failed notebook: the message, the cell, where to look."""
    kind = getattr(errors, error.ename, None)
    on_purpose = isinstance(kind, type) and issubclass(kind, errors.MillraceError)
    cell = error.source.strip().splitlines()
    message = (
        f"{error.evalue if on_purpose else f'{error.ename}: {error.evalue}'}\n"
        f"Notebook: {shown(executed)}\n"
        f"Cell [{error.exec_count}]: {cell[0] if cell else ''}{' ...' if len(cell) > 1 else ''}"
    )
    exit_code = kind.exit_code if on_purpose else 1
    return StepFailed(message, records.HELD if exit_code == errors.GateError.exit_code else records.FAILED, exit_code)


def _check_complete(step: Step, executed: Path, handed_on: Mapping[str, Any]) -> None:
    """A cell that calls sys.exit ends a notebook without an error, the cells after it never run."""
    missing = [name for name in step.notebook.outputs if name not in handed_on]
    if missing:
        raise StepFailed(
            f"{shown(step.notebook.path)} ended without handing on {', '.join(missing)}: it left early (sys.exit?), or "
            f"its last cell was changed.\nNotebook: {shown(executed)}"
        )


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM counts as Ctrl-C meanwhile, and kernels find ``lib`` whatever folder they start in."""

    def on_term(signum: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, on_term)
    path = os.environ.get("PYTHONPATH", "")
    if str(ROOT) not in path.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), path]))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
