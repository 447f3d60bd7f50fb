"""A pool of worker processes that fit models; all of them end with the search."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import psutil

from lib.errors import StageError
from lib.forkserver import PID, ForkServer
from lib.paths import ROOT

CHECK_INTERVAL_SECONDS = 0.5
_LOG = "log.txt"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Pool:
    """Processes that fit models, each with one thread, and a folder for the files that they exchange.

    Parameters
    ----------
    workers : int
        Number of processes.
    memory_bytes : int
        Memory limit of all processes together; a process that exceeds its share is killed.

    Attributes
    ----------
    folder : Path
        The folder of tables, models and predictions; it is deleted at the end.
    """

    def __init__(self, workers: int, memory_bytes: int):
        self.folder = Path(tempfile.mkdtemp(prefix="millrace-automl-"))
        self._max_worker_bytes = memory_bytes / workers
        self._server = ForkServer(
            "lib.automl.trials.worker",
            [str(self.folder)],
            environment=make_environment(dict.fromkeys(_THREADS, "1")),
            log=self.folder / _LOG,
            new_session=True,
        )
        self._workers = [self._new_worker() for _ in range(workers)]

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.connection.close()
        self._server.close()
        with suppress(ProcessLookupError):
            os.killpg(self._server.process.pid, signal.SIGKILL)
        self._server.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _new_worker(self) -> _Worker:
        """Fork a worker; raise a StageError with the end of the log if the fork server has died."""
        try:
            return _Worker(self._server)
        except OSError as error:
            log = (self.folder / _LOG).read_text(errors="replace").strip().splitlines()[-3:]
            raise StageError(f"The process that fits models has ended: {' '.join(log) or error}") from error

    @property
    def has_free_worker(self) -> bool:
        """Whether at least one worker has no task."""
        return any(worker.task is None for worker in self._workers)

    @property
    def has_busy_worker(self) -> bool:
        """Whether at least one worker has a task."""
        return any(worker.task is not None for worker in self._workers)

    def submit(self, task: Any) -> None:
        """Give a task to a worker that has none."""
        next(worker for worker in self._workers if worker.task is None).start(task)

    def wait_for_results(self, deadline: float) -> list[tuple[Any, Any]]:
        """Wait until at least one task is finished, and return all finished tasks with their results.

        Parameters
        ----------
        deadline : float
            End of the wait, on the clock of `time.monotonic`.

        Returns
        -------
        list of tuple
            Task and result; empty if no task is finished in time. A result is the value that the worker returned, an
            error, or a text that says why the task failed.
        """
        while self.has_busy_worker and (seconds := deadline - time.monotonic()) > 0:
            connections = [worker.connection for worker in self._workers if worker.task is not None]
            wait(connections, min(seconds, CHECK_INTERVAL_SECONDS))
            finished_tasks = []
            for position, worker in enumerate(self._workers):
                result = None if worker.task is None else worker.poll_result(self._max_worker_bytes)
                if result is not None:
                    finished_tasks.append((worker.task, result))
                    worker.task = None
                    if not worker.is_usable:
                        worker.kill()
                        self._workers[position] = self._new_worker()
            if finished_tasks:
                return finished_tasks
        return []


class _Worker:
    """A child of the fork server, which works on one task at a time."""

    def __init__(self, server: ForkServer):
        connection, _ = server.fork()
        self.connection = Connection(connection.detach())
        self.task: Any = None
        self.is_usable = True
        self._pid = 0  # until the process has sent its id

    def start(self, task: Any) -> None:
        """Send a task."""
        self.task = task
        with suppress(OSError):  # the process has died; `poll_result` reports it
            self.connection.send(task)

    def poll_result(self, max_bytes: float) -> Any:
        """Return the result of the task, or the reason why the task failed; None while the task runs."""
        try:
            if self.connection.poll():
                if self._pid:
                    return self.connection.recv()
                self._pid = self._receive_pid()
            memory = psutil.Process(self._pid).memory_info().rss if self._pid else 0
        except psutil.Error:
            return None  # the process has just died; the next call notices the closed connection
        except (EOFError, OSError):
            self.is_usable = False
            return "the worker process died"
        if memory > max_bytes:
            self.is_usable = False
            return f"the worker process took more than {max_bytes / 2**30:.1f} GB of memory"
        return None

    def _receive_pid(self) -> int:
        """Return the process id, which the fork server sends before any result."""
        content = os.read(self.connection.fileno(), PID.size)
        if len(content) < PID.size:
            raise EOFError
        return PID.unpack(content)[0]

    def kill(self) -> None:
        """Kill the process."""
        self.connection.close()
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)


def make_environment(variables: dict[str, str]) -> dict[str, str]:
    """Return environment variables for a process: those of this process, ``lib`` on the path, and the given ones."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, **variables, "PYTHONPATH": path}
