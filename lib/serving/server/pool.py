"""The workers of one model version: requests are given to the least busy one, and dead workers are replaced."""

from __future__ import annotations

import asyncio
import collections
import json
import logging
import os
import signal
import socket
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from lib.scoring.model import Model, read
from lib.scoring.request_error import RequestError
from lib.scoring.wire_protocol import Answer
from lib.serving.server.loader import Loader, LoadError
from lib.serving.server.worker_connection import Request, WorkerConnection

log = logging.getLogger("lib.serving")
# One request is answered while the next is waiting in the worker's socket, so that a worker never waits for the router.
MAX_REQUESTS_PER_WORKER = 2
MAX_WAITING = 1000
# A request during which two workers died is taken to be the cause.
MAX_DEATHS = 2
CHECK_INTERVAL_SECONDS = 0.5
MAX_RESTART_PAUSE_SECONDS = 30


class Pool:
    """A model version: the process that has loaded it, and its workers.

    Parameters
    ----------
    folder : Path
        The deployment's folder, which contains the folder ``model``.
    name, version : str
        Name and version of the model, repeated in its answers.
    sha256 : str or None
        The expected digest of the model folder.
    workers : int
        Number of workers.
    timeout_seconds : float
        Time limit of a request, and of the start.
    log_path : Path
        Log of the processes.

    Attributes
    ----------
    model : Model or None
        The description in the model folder; None before the start.
    classes : list or None
        The labels of a classifier.
    form : str
        How the model is run: ``"fast"``, or ``"scikit-learn"`` with the reason.
    deaths : int
        Number of workers that died.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        version: str,
        sha256: str | None,
        workers: int,
        timeout_seconds: float,
        log_path: Path,
    ):
        self.folder, self.name, self.version, self.sha256 = folder, name, version, sha256
        self.model: Model | None = None
        self.classes: list | None = None
        self.form = ""
        self.deaths = 0
        self._wanted, self._timeout = workers, timeout_seconds
        self._loader = Loader(folder, name, version, sha256, log_path)
        self._workers: list[WorkerConnection] = []
        self._starting: set[WorkerConnection] = set()
        self._waiting: collections.deque[Request] = collections.deque()
        self._tasks: set[asyncio.Task] = set()
        self._ended = False

    async def start(self) -> None:
        """Start the processes, and wait until one worker can answer.

        Raises
        ------
        LoadError
            If they did not start, or not in time.
        """
        try:
            await asyncio.wait_for(self._load(), self._timeout)
            self.model = await asyncio.to_thread(read, self.folder, self.name, self.version)
            while not self._workers:
                if self._loader.has_ended:
                    raise LoadError("its process ended")
                await asyncio.sleep(0.005)
        except TimeoutError:
            raise LoadError(f"it did not answer within {self._timeout:g} seconds") from None
        self._start_task(self._watch())

    def ask(self, body: bytes) -> asyncio.Future[Answer]:
        """Return the future answer to a request.

        Raises
        ------
        RequestError
            With status 429 if too many requests are waiting.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise RequestError(429, "too_busy", f"{MAX_WAITING} requests are waiting already. Try again in a moment.")
        request = Request(body, asyncio.get_running_loop().create_future(), time.monotonic())
        self._waiting.append(request)
        self.distribute()
        return request.answer

    def distribute(self) -> None:
        """Give waiting requests to the least busy workers."""
        while self._waiting and self._workers:
            worker = min(self._workers, key=_number_of_requests)
            if len(worker.requests) >= MAX_REQUESTS_PER_WORKER:
                return
            worker.send(self._waiting.popleft())

    def came_up(self, worker: WorkerConnection) -> None:
        """Add a worker whose process is running."""
        self._starting.discard(worker)
        self._workers.append(worker)

    def lost(self, worker: WorkerConnection) -> None:
        """Remove a worker; its requests are repeated, and another takes its place."""
        self._starting.discard(worker)
        if worker in self._workers:
            self._workers.remove(worker)
        if self._ended:
            return
        self.deaths += 1
        log.warning("A worker of version %s died (process %s).", self.version, worker.pid)
        if worker.requests:
            worker.requests[0].deaths += 1
        for request in reversed(worker.requests):
            if request.deaths >= MAX_DEATHS:
                _give_up(request, 500, "failed", "The model's process died on this request, twice.")
            elif not request.answer.done():
                self._waiting.appendleft(request)
        self.distribute()
        self._start_task(self._fork_workers())

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    @property
    def is_up(self) -> bool:
        """Whether a worker can answer now."""
        return bool(self._workers)

    @property
    def is_idle(self) -> bool:
        """Whether no request is waiting or being answered."""
        return not self._waiting and not any(worker.requests for worker in self._workers)

    async def end(self, patience_seconds: float = 10) -> None:
        """End the processes, after the requests under way."""
        deadline = time.monotonic() + patience_seconds
        while not self.is_idle and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self._ended = True
        for task in self._tasks:
            task.cancel()
        for worker in [*self._workers, *self._starting]:
            worker.close()
        await self._loader.end()
        for request in self._waiting:
            _give_up(request, 503, "ended", "This version of the model was taken down.")

    async def _load(self) -> None:
        """Start the process that loads the model, and its workers."""
        facts = await self._loader.start()
        self.classes, self.form = facts["classes"], facts["form"]
        if not facts["can_fork"]:
            self._wanted = 1
        await self._fork_workers()

    async def _fork_workers(self) -> None:
        """Fork as many workers as are missing."""
        while len(self._workers) + len(self._starting) < self._wanted and not self._ended:
            connection = self._loader.fork()
            if connection is None:
                return  # `_watch` starts the process again
            worker = WorkerConnection(self)
            self._starting.add(worker)
            await self._connect(worker, connection)

    @staticmethod
    async def _connect(worker: WorkerConnection, connection: socket.socket) -> None:
        await asyncio.get_running_loop().create_unix_connection(lambda: worker, sock=connection)

    async def _watch(self) -> None:
        """Restart the process when it has died, and kill workers that take too long."""
        pause = CHECK_INTERVAL_SECONDS
        while True:
            await asyncio.sleep(CHECK_INTERVAL_SECONDS)
            self._end_late_requests()
            if self._loader.has_ended:
                log.warning("The process of version %s died; it is started again.", self.version)
                try:
                    await asyncio.wait_for(self._load(), self._timeout)
                    pause = CHECK_INTERVAL_SECONDS
                except (TimeoutError, LoadError, OSError) as error:
                    log.error("Version %s did not start again: %s", self.version, error)
                    pause = min(2 * pause, MAX_RESTART_PAUSE_SECONDS)
                    await asyncio.sleep(pause)
            else:
                await self._fork_workers()

    def _end_late_requests(self) -> None:
        limit = time.monotonic() - self._timeout
        for worker in self._workers:
            if worker.requests and worker.requests[0].since < limit and worker.pid is not None:
                message = f"The model took more than {self._timeout:g} seconds."
                _give_up(worker.requests[0], 504, "too_slow", message)
                os.kill(worker.pid, signal.SIGKILL)
        while self._waiting and self._waiting[0].since < limit:
            _give_up(self._waiting.popleft(), 503, "too_busy", "No worker was free in time. Try again.")

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _number_of_requests(worker: WorkerConnection) -> int:
    return len(worker.requests)


def _give_up(request: Request, status: int, code: str, message: str) -> None:
    """Answer a request that no worker answered."""
    if not request.answer.done():
        content = json.dumps(RequestError(status, code, message).content()).encode()
        request.answer.set_result(Answer(status, True, content))
