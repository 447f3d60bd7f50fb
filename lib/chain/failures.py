"""How a notebook can end badly, and what a person is told."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from lib import errors
from lib.chain import postmortem
from lib.chain import record as records
from lib.paths import display_path

_VMSTAT = Path("/proc/vmstat")


class StageFailed(errors.StageError):
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

    @property
    def may_pass(self) -> bool:
        """Whether trying again may help: not where an input is wrong or a gate holds."""
        return self.exit_code == errors.MillraceError.exit_code


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or SIGTERM, reached the chain."""

    status = records.INTERRUPTED


def of_cell(executed: Path, error: Any) -> StageFailed:
    """Failure of a cell, from papermill's error: the message, the cell, where to look."""
    kind = getattr(errors, error.ename, None)
    on_purpose = isinstance(kind, type) and issubclass(kind, errors.MillraceError)
    what = error.evalue if on_purpose else f"{error.ename}: {error.evalue}"
    exit_code = kind.exit_code if on_purpose else errors.MillraceError.exit_code
    status = records.HELD if exit_code == errors.GateError.exit_code else records.FAILED
    return StageFailed(
        _message(what, executed, postmortem.shown_cell(error.exec_count, error.source)), status, exit_code
    )


def of_cause(executed: Path, name: str, cause: str) -> StageFailed:
    """Failure that papermill does not tell; it is written into the notebook.

    Parameters
    ----------
    executed : Path
    name : str
        As of an exception: ``"TimedOut"``.
    cause : str
        A sentence.
    """
    cell = postmortem.write(executed, name, cause)
    return StageFailed(_message(cause[0].upper() + cause[1:] + ".", executed, cell))


def of_dead_kernel(executed: Path, exit_code: int | None, memory_kills: int) -> StageFailed:
    """Failure of a kernel that has died.

    Parameters
    ----------
    executed : Path
    exit_code : int or None
        Of the kernel, negative for a signal.
    memory_kills : int
        How many processes the system has killed for want of memory while the notebook ran.
    """
    if exit_code == -signal.SIGKILL and memory_kills:
        return of_cause(executed, "OutOfMemory", "the kernel ran out of memory, and the system killed it")
    if exit_code in (None, -signal.SIGKILL):
        return of_cause(executed, "KernelDied", "the kernel died: killed from outside, or for want of memory")
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        return of_cause(executed, "KernelDied", f"the kernel died of {name}: a fault in compiled code, or a kill")
    return of_cause(executed, "KernelDied", f"the kernel ended by itself with exit code {exit_code} (os._exit?)")


def memory_kills() -> int:
    """Processes that Linux has killed for want of memory since it started; 0 where it does not tell."""
    try:
        lines = _VMSTAT.read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def _message(what: str, executed: Path, cell: str) -> str:
    return "\n".join(filter(None, [what, f"Notebook: {display_path(executed)}", cell]))
