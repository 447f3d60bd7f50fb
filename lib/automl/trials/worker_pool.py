"""Workers side by side: tasks go in, answers come out, and nothing outlives the search."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import psutil

from lib.errors import StageError
from lib.paths import ROOT

LOOK_SECONDS = 0.5
_LOG = "log.txt"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Pool:
    """Processes that fit models, each with one thread, in a folder of their own.

    Parameters
    ----------
    workers : int
    memory_bytes : int
        What they may take together; one that takes more than its share is ended.
    """

    def __init__(self, workers: int, memory_bytes: int):
        self.folder = Path(tempfile.mkdtemp(prefix="millrace-automl-"))
        self._share = memory_bytes / workers
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = _started(theirs.fileno(), self.folder)
        self._workers = [self._new() for _ in range(workers)]

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.connection.close()
        self._channel.close()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _new(self) -> _Worker:
        try:
            return _Worker(self._channel)
        except OSError as error:
            said = (self.folder / _LOG).read_text(errors="replace").strip().splitlines()[-3:]
            raise StageError(f"The process that fits models has ended: {' '.join(said) or error}") from error

    @property
    def free(self) -> bool:
        """Whether a worker has nothing to do."""
        return any(worker.task is None for worker in self._workers)

    @property
    def busy(self) -> bool:
        """Whether a worker has something to do."""
        return any(worker.task is not None for worker in self._workers)

    def submit(self, task: Any) -> None:
        """Give a task to a worker that has none."""
        next(worker for worker in self._workers if worker.task is None).take(task)

    def answers(self, until: float) -> list[tuple[Any, Any]]:
        """Tasks that are done, with their answers; none where it is `until` before one is.

        An answer is what the worker says, or a text: why there is none.
        """
        while self.busy and (left := until - time.monotonic()) > 0:
            found = []
            wait([worker.connection for worker in self._workers if worker.task is not None], min(left, LOOK_SECONDS))
            for number, worker in enumerate(self._workers):
                answer = None if worker.task is None else worker.answer(self._share)
                if answer is not None:
                    found.append((worker.task, answer))
                    worker.task = None
                    if not worker.alive:
                        worker.end()
                        self._workers[number] = self._new()
            if found:
                return found
        return []


class _Worker:
    """One process that was forked for a socket."""

    def __init__(self, channel: socket.socket):
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(channel, [b"w"], [theirs.fileno()])
        self.connection = Connection(ours.detach())
        self.task: Any = None
        self.alive = True
        self._pid = 0  # it says so when it is there

    def take(self, task: Any) -> None:
        self.task = task
        with suppress(OSError):  # it has died: `answer` says so
            self.connection.send(task)

    def answer(self, most_bytes: float) -> Any:
        """What it says of its task; None where it is not done."""
        try:
            if self.connection.poll():
                said = self.connection.recv()
                if self._pid:
                    return said
                self._pid = said
            taken = psutil.Process(self._pid).memory_info().rss if self._pid else 0
        except psutil.Error:
            return None  # it has just died, which the connection will tell
        except (EOFError, OSError):
            self.alive = False
            return "its process died"
        if taken > most_bytes:
            self.alive = False
            return f"it took more than {most_bytes / 2**30:.1f} GB of memory"
        return None

    def end(self) -> None:
        self.connection.close()
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)


def _started(descriptor: int, folder: Path) -> subprocess.Popen:
    """The process that workers are forked from, in a group of its own."""
    with (folder / _LOG).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "lib.automl.trials.worker", str(descriptor), str(folder)],
            pass_fds=[descriptor],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(dict.fromkeys(_THREADS, "1")),
            start_new_session=True,
        )


def environment(variables: dict[str, str]) -> dict[str, str]:
    """Environment of a process that finds ``lib``, with some more variables."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, **variables, "PYTHONPATH": path}
