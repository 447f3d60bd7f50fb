"""Failures of a notebook and their messages."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from lib import errors
from lib.chain import postmortem
from lib.chain import record as records
from lib.chain.large_outputs import cut
from lib.paths import display_path

_VMSTAT = Path("/proc/vmstat")


class StageFailed(errors.StageError):
    """A notebook ended with an error.

    Attributes
    ----------
    status : str
        Status in the run's record.
    exit_code : int
        Exit code of the Millrace error that the notebook raised; 1 for any other error.
    """

    def __init__(self, message: str, status: str = records.FAILED, exit_code: int = 1):
        super().__init__(message)
        self.status = status
        self.exit_code = exit_code

    @property
    def is_retryable(self) -> bool:
        """Whether another attempt may succeed. Wrong inputs and failed gates have exit codes of their own."""
        return self.exit_code == errors.MillraceError.exit_code


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM stopped the chain."""

    status = records.INTERRUPTED


def from_cell(executed: Path, error: Any, remark: str = "") -> StageFailed:
    """Return the failure of a notebook in which a cell raised an exception.

    Parameters
    ----------
    executed : Path
        The executed notebook.
    error : papermill.exceptions.PapermillExecutionError
    remark : str
        A sentence to add to the message, in lower case.
    """
    message, exit_code = f"{error.ename}: {error.evalue}", errors.MillraceError.exit_code
    traceback = "\n".join(error.traceback)
    if traceback.startswith(message):  # `lib.tracebacks` has shortened it to the lines of the user's code
        message = traceback
    shown_exit_code = errors.shown_exit_code(error.traceback)
    if shown_exit_code is not None:
        message, exit_code = error.evalue, shown_exit_code
    status = records.HELD if exit_code == errors.GateError.exit_code else records.FAILED
    cell = postmortem.format_cell(error.exec_count, error.source)
    remark = remark[:1].upper() + remark[1:]
    return StageFailed("\n".join(filter(None, [_compose(cut(message), executed, cell), remark])), status, exit_code)


def from_cause(executed: Path, name: str, cause: str, exit_code: int = errors.MillraceError.exit_code) -> StageFailed:
    """Return a failure that papermill does not see, and write it into the executed notebook.

    Parameters
    ----------
    executed : Path
        The executed notebook.
    name : str
        Name of the failure, in the style of an exception's name: ``"TimedOut"``.
    cause : str
        The reason, as a sentence that starts in lower case and has no full stop.
    exit_code : int
        Exit code of the command.
    """
    cell = postmortem.write(executed, name, cause)
    return StageFailed(_compose(cause[0].upper() + cause[1:].rstrip(".") + ".", executed, cell), exit_code=exit_code)


def from_dead_kernel(
    executed: Path, exit_code: int | None, memory_kills: int, has_lost_server: bool = False
) -> StageFailed:
    """Return the failure of a kernel that died, and write it into the executed notebook.

    Parameters
    ----------
    executed : Path
        The executed notebook.
    exit_code : int or None
        Exit code of the kernel, negative for a signal.
    memory_kills : int
        Number of processes that the system killed for lack of memory while the notebook ran.
    has_lost_server : bool
        Whether the fork server died, so that the exit code is unknown.
    """
    if has_lost_server:
        reason = "ran out of memory, and the system killed it" if memory_kills else "died or was killed"
        return from_cause(executed, "ForkServerDied", f"the fork server, from which kernels are forked, {reason}")
    if exit_code == -signal.SIGKILL and memory_kills:
        return from_cause(executed, "OutOfMemory", "the kernel ran out of memory, and the system killed it")
    if exit_code is None or exit_code == -signal.SIGKILL:
        return from_cause(executed, "KernelDied", "the kernel was killed, by another program or because memory ran out")
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        return from_cause(
            executed, "KernelDied", f"the kernel died of {name}: compiled code crashed, or another program killed it"
        )
    return from_cause(
        executed, "KernelDied", f"the kernel exited with code {exit_code} (perhaps a cell called os._exit or quit)"
    )


def count_memory_kills() -> int:
    """Return the number of processes that Linux has killed for lack of memory since the boot; 0 if unknown."""
    try:
        lines = _VMSTAT.read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def _compose(message: str, executed: Path, cell: str) -> str:
    """Return a message, followed by the path of the executed notebook and the cell that failed."""
    return "\n".join(filter(None, [message, f"Notebook: {display_path(executed)}", cell]))
