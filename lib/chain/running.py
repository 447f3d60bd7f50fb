"""Run the steps of a plan: papermill executes, the record keeps up, an interrupt leaves nothing behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lib import errors
from lib.chain import postmortem
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


class _Execution(threading.Thread):
    """A notebook that runs in a thread of its own, so that signals reach the main one.

    `done` is waited for instead of the thread itself: a ``Thread.join`` that Ctrl-C cuts off takes the thread for ended
    (https://github.com/python/cpython/issues/89437, mended in 3.13).
    """

    def __init__(self, work: Callable[[], None]):
        super().__init__(name="notebook", daemon=True)
        self.done = threading.Event()
        self.error: BaseException | None = None
        self._work = work

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self.error = error
        finally:
            self.done.set()


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

    values = {**values, RUN_NAME: record.name}
    with _interruptible():
        fork = values["fork_kernels"] and forking.available()
        forking.register(fork)
        if fork:
            forking.preload()
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
        except BaseException as error:
            record.end(records.FAILED, time.perf_counter() - started, error=f"{type(error).__name__}: {error}")
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
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from lib.chain import engine

    execution = _Execution(lambda: engine.execute(notebook, executed, dict(parameters)))
    execution.start()
    try:
        execution.done.wait()
    except KeyboardInterrupt:
        _end(execution)
        postmortem.write(executed, "KeyboardInterrupt", "the run was interrupted")
        raise Interrupted from None
    error = execution.error
    if isinstance(error, PapermillExecutionError):
        raise _failure(executed, error) from error
    if isinstance(error, DeadKernelError):
        cause = "the kernel died: killed from outside, or for want of memory"
        cell = postmortem.write(executed, "KernelDied", cause)
        raise StepFailed(_message(cause[0].upper() + cause[1:] + ".", executed, cell)) from error
    if error is not None:
        cell = postmortem.write(executed, type(error).__name__, str(error))
        raise StepFailed(_message(f"{type(error).__name__}: {error}", executed, cell)) from error


def _end(execution: _Execution) -> None:
    """End the kernel: first so that the notebook can say so, then, or at a second Ctrl-C, for good."""
    from lib.chain.engine import kernels

    deadline = time.monotonic() + _GRACE_SECONDS
    try:
        # A kernel that is only just starting has no handler yet, so it is asked until it has ended.
        while not execution.done.is_set() and time.monotonic() < deadline:
            kernels.interrupt()
            execution.done.wait(timeout=2)
    except KeyboardInterrupt:
        pass
    while not execution.done.is_set():
        kernels.kill()
        execution.done.wait(timeout=1)


def _failure(executed: Path, error: Any) -> StepFailed:
    """What a person needs of a failed notebook: the message, the cell, where to look."""
    kind = getattr(errors, error.ename, None)
    on_purpose = isinstance(kind, type) and issubclass(kind, errors.MillraceError)
    what = error.evalue if on_purpose else f"{error.ename}: {error.evalue}"
    message = _message(what, executed, postmortem.shown_cell(error.exec_count, error.source))
    exit_code = kind.exit_code if on_purpose else 1
    return StepFailed(message, records.HELD if exit_code == errors.GateError.exit_code else records.FAILED, exit_code)


def _check_complete(step: Step, executed: Path, handed_on: Mapping[str, Any]) -> None:
    """A cell that calls sys.exit ends a notebook without an error, the cells after it never run."""
    missing = [name for name in step.notebook.outputs if name not in handed_on]
    if missing:
        cause = f"it ended without handing on {', '.join(missing)}: a cell left early (sys.exit?)"
        cell = postmortem.write(executed, "LeftEarly", cause)
        raise StepFailed(_message(f"{shown(step.notebook.path)}: {cause}.", executed, cell))


def _message(what: str, executed: Path, cell: str) -> str:
    return "\n".join(filter(None, [what, f"Notebook: {shown(executed)}", cell]))


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM counts as Ctrl-C meanwhile, and kernels find ``lib`` whatever folder they start in.

    SIGINT is set too: a shell starts what it puts into the background with SIGINT ignored.
    """

    def interrupt(signum: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = {signum: signal.signal(signum, interrupt) for signum in (signal.SIGINT, signal.SIGTERM)}
    path = os.environ.get("PYTHONPATH", "")
    if str(ROOT) not in path.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), path]))
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
