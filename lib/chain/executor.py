"""Execute a notebook in a kernel of this machine: in time, until it is cancelled, and with a truthful record."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.chain import engine, failures, postmortem
from lib.paths import ROOT

if TYPE_CHECKING:
    from lib.chain.engine import MillraceClient

_GRACE_SECONDS = 15
_TICK_SECONDS, _ASK_SECONDS = 0.1, 1


class Cancelled(threading.Event):
    """Set when a run is to stop; `at_once` where there is no time to clean up."""

    def __init__(self) -> None:
        super().__init__()
        self.at_once = False


class KernelExecutor:
    """Executes notebooks in kernels of this machine.

    Parameters
    ----------
    slots : int
        How many at once.
    fork : bool
        Whether their kernels are forked.
    """

    def __init__(self, slots: int, fork: bool):
        self.slots = slots
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

        Once cancelled, or out of time, the cell that runs is interrupted, and killed where that does not help. A
        kernel's own outputs are in the notebook, so there is nothing to report.

        Raises
        ------
        StageFailed
            Where the notebook did not run to its end; its file says why.
        Interrupted
            Where it was cancelled.
        """
        from nbclient.exceptions import DeadKernelError
        from papermill.exceptions import PapermillExecutionError

        kills_before = failures.memory_kills()
        with _Watch(cancelled, timeout_minutes) as watch:
            error: Exception | None = None
            try:
                engine.execute(notebook, executed, parameters, ROOT, self._fork, watch.begin)
            except Exception as raised:
                error = raised
        if watch.cause == _Watch.CANCELLED:
            postmortem.write(executed, "KeyboardInterrupt", "the run was interrupted")
            raise failures.Interrupted
        if watch.cause == _Watch.TIMED_OUT:
            cause = f"it ran longer than the {timeout_minutes:g} minutes that timeout_minutes lets it"
            raise failures.of_cause(executed, "TimedOut", cause) from error
        if isinstance(error, PapermillExecutionError):
            raise failures.of_cell(executed, error) from error
        if isinstance(error, DeadKernelError):
            kills = failures.memory_kills() - kills_before
            raise failures.of_dead_kernel(executed, watch.client.exit_code, kills) from error
        if error is not None:
            raise failures.of_cause(executed, type(error).__name__, f"{type(error).__name__}: {error}") from error


class _Watch(threading.Thread):
    """Stops a kernel that is cancelled or takes too long: first so that the notebook can say so, then for good."""

    CANCELLED, TIMED_OUT = "cancelled", "timed out"

    def __init__(self, cancelled: threading.Event, timeout_minutes: float | None):
        super().__init__(name="watch", daemon=True)
        self.cause = ""
        self.client: MillraceClient | None = None
        self._cancelled = cancelled
        self._deadline = time.monotonic() + 60 * timeout_minutes if timeout_minutes else None
        self._ended = threading.Event()

    def begin(self, client: MillraceClient) -> None:
        """Know the client whose kernel this is; there is a second one where the first did not start."""
        self.client = client

    def __enter__(self) -> _Watch:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Wait for a reason to stop the kernel, and stop it."""
        while not self.cause:
            if self._ended.wait(_TICK_SECONDS):
                return
            if self._cancelled.is_set():
                self.cause = self.CANCELLED
            elif self._deadline and time.monotonic() > self._deadline:
                self.cause = self.TIMED_OUT
        give_up, asked_in = time.monotonic() + _GRACE_SECONDS, 0
        while not self._ended.is_set():
            hard = time.monotonic() > give_up or getattr(self._cancelled, "at_once", False)
            begun = self.client.begun if self.client else 0
            # A kernel that is only just starting, or between two cells, hears nothing, so it is asked until it does. A
            # cell is asked once: a second interrupt would end its cleaning up.
            if self.client and (hard or not begun or begun != asked_in):
                self.client.signal_kernel(signal.SIGKILL if hard else signal.SIGINT)
                asked_in = begun
            self._ended.wait(_ASK_SECONDS)
