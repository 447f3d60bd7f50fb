"""Execution of a notebook in a local kernel, with a time limit and cancellation."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import storage_errors
from lib.chain import engine, failures, notebook_client, postmortem, secret_search
from lib.errors import StorageError
from lib.paths import ROOT

if TYPE_CHECKING:
    from lib.chain.notebook_client import MillraceClient

_GRACE_SECONDS = 15  # between the first interrupt and SIGKILL
_POLL_SECONDS, _INTERRUPT_INTERVAL_SECONDS = 0.1, 1


class Cancellation(threading.Event):
    """The event that stops a run.

    Attributes
    ----------
    at_once : bool
        Whether to kill the kernels without giving them time to clean up.
    """

    def __init__(self) -> None:
        super().__init__()
        self.at_once = False


class KernelExecutor:
    """Executor of notebooks in kernels on this machine.

    Parameters
    ----------
    slots : int
        Number of notebooks that may run at the same time.
    fork : bool
        Whether kernels are forked from a prepared process.
    """

    def __init__(self, slots: int, fork: bool):
        self.slots = slots
        self.remote_runs: dict[str, list[str]] = {}  # a kernel on this machine is no remote run
        self._fork = fork

    def execute(
        self,
        notebook: Path,
        executed: Path,
        parameters: Mapping[str, Any],
        *,
        timeout_minutes: float | None,
        cancelled: threading.Event,
        report: Callable[[str], None],
    ) -> None:
        """Execute a notebook; see `backends.base.NotebookExecutor`.

        On cancellation or timeout the running cell is interrupted, and the kernel is killed if the cell does not stop.
        `report` is not called, because all output of a local kernel is in the notebook.

        Raises
        ------
        StageFailed
            If the notebook did not run to its end. The executed notebook contains the same message.
        Interrupted
            If the notebook was cancelled.
        """
        from nbclient.exceptions import DeadKernelError
        from papermill.exceptions import PapermillExecutionError

        kills_before = failures.count_memory_kills()
        error: Exception | None = None
        with _Watchdog(cancelled, timeout_minutes) as watchdog:
            try:
                engine.execute(notebook, executed, parameters, ROOT, self._fork, watchdog.watch)
            except Exception as raised:
                error = raised
        if watchdog.cause == _Watchdog.CANCELLED:
            postmortem.write(executed, "KeyboardInterrupt", "the run was interrupted")
            raise failures.Interrupted
        if watchdog.cause == _Watchdog.TIMED_OUT:
            cause = f"it was stopped after {timeout_minutes:g} minutes, the limit that timeout_minutes sets"
            raise failures.from_cause(executed, "TimedOut", cause) from error
        if isinstance(error, PapermillExecutionError):
            raise failures.from_cell(executed, error, _describe_secrets(watchdog)) from error
        if isinstance(error, DeadKernelError):
            kills = failures.count_memory_kills() - kills_before
            exit_code = watchdog.client.exit_code if watchdog.client else None
            has_lost_server = bool(watchdog.client and watchdog.client.has_lost_server)
            raise failures.from_dead_kernel(executed, exit_code, kills, has_lost_server) from error
        if isinstance(error, notebook_client.SecretPrinted):
            raise failures.from_cause(executed, "SecretPrinted", str(error)) from None
        if isinstance(error, notebook_client.KernelLeft | notebook_client.OutputLost):
            raise failures.from_cause(executed, type(error).__name__, str(error)) from error
        if error is not None and (cause := storage_errors.explain(error)):
            raise failures.from_cause(executed, "StorageError", cause, StorageError.exit_code) from error
        if error is not None:
            raise failures.from_cause(executed, type(error).__name__, f"{type(error).__name__}: {error}") from error


def _describe_secrets(watchdog: _Watchdog) -> str:
    """Return a sentence about the secrets in the outputs of a notebook; empty if there were none."""
    return secret_search.describe(watchdog.client.secrets) if watchdog.client else ""


class _Watchdog(threading.Thread):
    """A thread that stops a kernel on cancellation or timeout: first with an interrupt, then with SIGKILL.

    Attributes
    ----------
    cause : str
        `CANCELLED` or `TIMED_OUT` if the thread stopped the kernel; otherwise empty.
    client : MillraceClient or None
        The client whose kernel is watched; None before the kernel starts.
    """

    CANCELLED, TIMED_OUT = "cancelled", "timed out"

    def __init__(self, cancelled: threading.Event, timeout_minutes: float | None):
        super().__init__(name="watchdog", daemon=True)
        self.cause = ""
        self.client: MillraceClient | None = None
        self._cancelled = cancelled
        self._deadline = time.monotonic() + 60 * timeout_minutes if timeout_minutes else None
        self._ended = threading.Event()

    def watch(self, client: MillraceClient) -> None:
        """Set the client whose kernel is watched. It is called again if a second kernel replaces the first."""
        self.client = client

    def __enter__(self) -> _Watchdog:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Wait until the notebook ends, is cancelled or times out; in the last two cases, stop the kernel."""
        while not self.cause:
            if self._ended.wait(_POLL_SECONDS):
                return
            if self._cancelled.is_set():
                self.cause = self.CANCELLED
            elif self._deadline and time.monotonic() > self._deadline:
                self.cause = self.TIMED_OUT
        self._stop_kernel()

    def _stop_kernel(self) -> None:
        """Interrupt the kernel until the notebook ends; after a grace period, kill the kernel."""
        kill_time, interrupted_cell = time.monotonic() + _GRACE_SECONDS, 0
        while not self._ended.is_set():
            must_kill = time.monotonic() > kill_time or getattr(self._cancelled, "at_once", False)
            cell = self.client.started_cell_count if self.client else 0
            # Repeat the interrupt, because a kernel ignores it while it starts and between two cells. But interrupt
            # each cell only once: a second interrupt would abort its clean-up.
            if self.client and (must_kill or not cell or cell != interrupted_cell):
                self.client.signal_kernel(signal.SIGKILL if must_kill else signal.SIGINT)
                interrupted_cell = cell
            self._ended.wait(_INTERRUPT_INTERVAL_SECONDS)
