"""The workers of one model version: the least busy worker gets the next request, and dead workers are replaced."""

from __future__ import annotations

import asyncio
import collections
import json
import logging
import socket
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from lib.scoring.model import Model, read_model
from lib.scoring.request_error import RequestError
from lib.scoring.value_counts import Key
from lib.scoring.wire_protocol import Answer
from lib.serving.server.loader import Loader, LoadError
from lib.serving.server.metrics.worker_counts import WorkerCounts
from lib.serving.server.watchdog import Watchdog
from lib.serving.server.worker_connection import Request, WorkerConnection

log = logging.getLogger("lib.serving")
# A worker answers one request while the next waits in its socket, so that a worker never waits for the router.
MAX_REQUESTS_PER_WORKER = 2
MAX_WAITING_REQUESTS = 1000
MAX_WAITING_BYTES = 256 * 2**20
# A request that was being answered when this many workers died is taken to be the cause.
MAX_DEATHS = 2
CHECK_INTERVAL_SECONDS = 0.5
MAX_RESTART_PAUSE_SECONDS = 30
END_PATIENCE_SECONDS = 10


class WorkerPool:
    """The worker processes of a model version, and the process that has loaded the model and forks them.

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
        Time limit of the start, and of each request.
    log_path : Path
        Log of the processes.
    about : dict of str to str, optional
        Facts about the model for people: ``target``, the column that it predicts, ``metric`` and ``score``.

    Attributes
    ----------
    model : Model or None
        The model without its estimator; None before the start.
    classes : list or None
        The labels of a classifier.
    engine : str
        ``"fast"`` if the fast model predicts, else ``"scikit-learn"`` with the reason.
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
        about: dict[str, str] | None = None,
    ):
        self.about = about or {}
        self.folder, self.name, self.version, self.sha256 = folder, name, version, sha256
        self.model: Model | None = None
        self.classes: list | None = None
        self.engine = ""
        self.deaths = 0
        self._worker_count, self._timeout = workers, timeout_seconds
        self._loader = Loader(folder, name, version, sha256, timeout_seconds, log_path)
        self._workers: list[WorkerConnection] = []
        self._starting: set[WorkerConnection] = set()
        self._waiting: collections.deque[Request] = collections.deque()
        self._waiting_bytes = 0
        self._tasks: set[asyncio.Task] = set()
        self._has_ended = False
        self._counts = WorkerCounts(self._loader.counts_folder)
        self._watchdogs = (
            Watchdog(f"requests of version {version}", self._end_late_requests, CHECK_INTERVAL_SECONDS),
            Watchdog(
                f"processes of version {version}",
                self._restore_processes,
                CHECK_INTERVAL_SECONDS,
                MAX_RESTART_PAUSE_SECONDS,
            ),
        )

    async def start(self) -> None:
        """Start the processes, and wait until one worker can answer.

        Raises
        ------
        LoadError
            If they did not start, or not in time.
        """
        try:
            await asyncio.wait_for(self._load(), self._timeout)
            self.model = await asyncio.to_thread(read_model, self.folder, self.name, self.version)
            while not self._workers:
                if self._loader.has_ended:
                    raise LoadError("its process ended")
                await asyncio.sleep(0.005)
        except TimeoutError:
            raise LoadError(f"it did not answer within {self._timeout:g} seconds") from None
        for watchdog in self._watchdogs:
            self._start_task(watchdog.run())

    def submit(self, body: bytes) -> asyncio.Future[Answer]:
        """Queue a request, and return the future of its answer.

        Raises
        ------
        RequestError
            With status 429 if too many requests are waiting.
        """
        if len(self._waiting) >= MAX_WAITING_REQUESTS or self._waiting_bytes > MAX_WAITING_BYTES:
            raise RequestError(
                429, "too_busy", f"{len(self._waiting)} requests are waiting already. Try again in a moment."
            )
        request = Request(body, asyncio.get_running_loop().create_future(), time.monotonic())
        self._waiting.append(request)
        self._waiting_bytes += len(body)
        self.send_waiting()
        return request.answer

    def send_waiting(self) -> None:
        """Send waiting requests to the least busy workers."""
        while self._waiting and self._workers:
            worker = min(self._workers, key=_number_of_requests)
            if len(worker.requests) >= MAX_REQUESTS_PER_WORKER:
                return
            worker.send(self._take_waiting())

    def add_worker(self, worker: WorkerConnection) -> None:
        """Add a worker whose process is running."""
        self._starting.discard(worker)
        self._workers.append(worker)

    def remove_worker(self, worker: WorkerConnection) -> None:
        """Remove a worker that died, repeat its requests, and fork another worker."""
        self._starting.discard(worker)
        if worker in self._workers:
            self._workers.remove(worker)
        if worker.pid is not None:
            self._counts.end_worker(worker.pid)
        if self._has_ended:
            return
        self.deaths += 1
        log.warning("A worker of version %s died (process %s).", self.version, worker.pid)
        if worker.requests:
            worker.requests[0].death_count += 1
        for request in reversed(worker.requests):
            if request.death_count >= MAX_DEATHS:
                _fail_request(request, 500, "failed", "The model's process died on this request, twice.")
            elif not request.answer.done():
                self._waiting.appendleft(request)
                self._waiting_bytes += len(request.body)
        self.send_waiting()
        if worker.pid is not None:  # else it died while starting, and the next one waits for `_restore_processes`
            self._start_task(self._fork_workers())

    def read_value_counts(self) -> dict[Key, float]:
        """Return the counts of the values in requests, by kind and column or class, of all workers together."""
        return self._counts.read(self.pids)

    @property
    def waiting_count(self) -> int:
        """Number of requests that wait for a worker."""
        return len(self._waiting)

    @property
    def active_count(self) -> int:
        """Number of requests that workers have."""
        return sum(map(_number_of_requests, self._workers))

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    @property
    def has_worker(self) -> bool:
        """Whether a worker can answer now."""
        return bool(self._workers)

    @property
    def is_idle(self) -> bool:
        """Whether no request is waiting or being answered."""
        return not self._waiting and not any(worker.requests for worker in self._workers)

    @property
    def trouble(self) -> str:
        """What the supervision of the processes could not repair; empty if all is well."""
        return "; ".join(watchdog.trouble for watchdog in self._watchdogs if watchdog.trouble)

    async def end(self, patience_seconds: float = END_PATIENCE_SECONDS) -> None:
        """End the processes once they have answered their requests; after the patience, kill those that have not."""
        deadline = time.monotonic() + patience_seconds
        while not self.is_idle and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self._has_ended = True
        for task in self._tasks:
            task.cancel()
        for worker in [*self._workers, *self._starting]:
            for request in worker.requests:
                _fail_request(request, 503, "ended", "This version of the model was taken down.")
            if worker.requests:
                worker.kill()
            else:
                worker.close()
        while self._waiting:
            _fail_request(self._take_waiting(), 503, "ended", "This version of the model was taken down.")
        await self._loader.end()

    async def _load(self) -> None:
        """Start the loader process, which loads the model, then fork the workers."""
        loaded = await self._loader.start()
        self.classes, self.engine = loaded.classes, loaded.engine
        if not loaded.can_fork:
            self._worker_count = 1
        await self._fork_workers()

    async def _fork_workers(self) -> None:
        """Fork workers until there are as many as wanted."""
        while len(self._workers) + len(self._starting) < self._worker_count and not self._has_ended:
            connection = self._loader.fork()
            if connection is None:
                return  # `_restore_processes` starts the loader process again
            worker = WorkerConnection(self)
            self._starting.add(worker)
            await self._connect(worker, connection)

    @staticmethod
    async def _connect(worker: WorkerConnection, connection: socket.socket) -> None:
        await asyncio.get_running_loop().create_unix_connection(lambda: worker, sock=connection)

    async def _restore_processes(self) -> None:
        """Start the loader process again if it has died, and replace workers that died.

        Raises
        ------
        LoadError
            If the loader process does not start.
        """
        if not self._loader.has_ended:
            await self._fork_workers()
            return
        log.warning("The process of version %s died; it is started again.", self.version)
        try:
            await asyncio.wait_for(self._load(), self._timeout)
        except TimeoutError:
            raise LoadError(f"the process did not start again within {self._timeout:g} seconds") from None

    async def _end_late_requests(self) -> None:
        """Answer requests that exceed the time limit with an error, and kill the workers that have them."""
        latest_start = time.monotonic() - self._timeout
        for worker in list(self._workers):
            if worker.requests and worker.requests[0].sent_at < latest_start:
                message = f"The model took more than {self._timeout:g} seconds."
                _fail_request(worker.requests[0], 504, "too_slow", message)
                worker.kill()
        while self._waiting and self._waiting[0].arrived_at < latest_start:
            _fail_request(self._take_waiting(), 503, "too_busy", "No worker was free in time. Try again.")

    def _take_waiting(self) -> Request:
        request = self._waiting.popleft()
        self._waiting_bytes -= len(request.body)
        return request

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _number_of_requests(worker: WorkerConnection) -> int:
    return len(worker.requests)


def _fail_request(request: Request, status: int, code: str, message: str) -> None:
    """Answer a request that no worker answered."""
    if not request.answer.done():
        content = json.dumps(RequestError(status, code, message).content()).encode()
        request.answer.set_result(Answer(status, True, content))
