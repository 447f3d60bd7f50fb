"""The workers of one model version as the router sees them: who answers next, and what becomes of a death."""

from __future__ import annotations

import asyncio
import collections
import json
import logging
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from lib.scoring import wire_protocol
from lib.scoring.model import Model, read
from lib.scoring.request_error import RequestError
from lib.scoring.wire_protocol import Answer
from lib.serving.server.loader import Loader, PoolFailed

log = logging.getLogger("lib.serving")
# One request is being answered and the next is there already, so that a worker never waits for the router.
ASKED_AT_ONCE = 2
MOST_WAITING = 1000
# A request that was under way when two workers died is what kills them.
MOST_DEATHS = 2
LOOKS_SECONDS = 0.5


@dataclass(eq=False)
class Request:
    """A request until it is answered."""

    body: bytes
    answer: asyncio.Future
    since: float
    deaths: int = 0


class Worker(asyncio.Protocol):
    """The connection to one worker; its answers come in the order of its requests."""

    def __init__(self, pool: Pool):
        self.pool = pool
        self.pid: int | None = None
        self.asked: collections.deque[Request] = collections.deque()
        self.transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A process may answer at the other end, or not yet."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """An answer, or a piece of one."""
        self._buffer += data
        for given in wire_protocol.take_answers(self._buffer):
            if self.pid is None:
                self.pid = int(given.content)
                self.pool.came_up(self)
            else:
                request = self.asked.popleft()
                if not request.answer.done():
                    request.answer.set_result(given)
        self.pool.pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has died, or was told to end."""
        self.pool.lost(self)

    def ask(self, request: Request) -> None:
        """Send a request."""
        request.since = time.monotonic()
        self.asked.append(request)
        self.transport.write(wire_protocol.request(request.body))


class Pool:
    """A model version: the process that has loaded it, and its workers.

    Parameters
    ----------
    folder : Path
        Of the deployment; holds the folder ``model``.
    name, version : str
        Of the model, said in answers.
    sha256 : str or None
        What the digest of the model must be.
    workers : int
        How many answer at the same time.
    timeout_seconds : float
        How long one request, and the start, may take.
    log_path : Path
        Where its processes write.

    Attributes
    ----------
    model : Model
        What the folder says about the model.
    classes : list or None
        Of a classifier.
    form : str
        ``"compiled"``, or ``"plain"`` and why.
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
        arguments = ["--name", name, "--version", version, *(["--sha256", sha256] if sha256 else [])]
        self._loader = Loader(folder, arguments, log_path)
        self._workers: list[Worker] = []
        self._coming: set[Worker] = set()
        self._waiting: collections.deque[Request] = collections.deque()
        self._tasks: set[asyncio.Task] = set()
        self._ended = False

    async def start(self) -> None:
        """Start its processes, and wait until one can answer.

        Raises
        ------
        PoolFailed
        """
        try:
            await asyncio.wait_for(self._load(), self._timeout)
            self.model = await asyncio.to_thread(read, self.folder, self.name, self.version)
            while not self._workers:
                if self._loader.has_ended:
                    raise PoolFailed("its process ended")
                await asyncio.sleep(0.005)
        except TimeoutError:
            raise PoolFailed(f"it did not answer within {self._timeout:g} seconds") from None
        self._spawn(self._look_after())

    def ask(self, body: bytes) -> asyncio.Future[Answer]:
        """The answer to a request, once a worker has given it.

        Raises
        ------
        RequestError
            429 where too many wait already.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise RequestError(429, "too_busy", f"{MOST_WAITING} requests wait already. Try again in a moment.")
        request = Request(body, asyncio.get_running_loop().create_future(), time.monotonic())
        self._waiting.append(request)
        self.pump()
        return request.answer

    def pump(self) -> None:
        """Give what waits to whoever has the least to do."""
        while self._waiting and self._workers:
            idlest = min(self._workers, key=_load_of)
            if len(idlest.asked) >= ASKED_AT_ONCE:
                return
            idlest.ask(self._waiting.popleft())

    def came_up(self, worker: Worker) -> None:
        """A worker is there."""
        self._coming.discard(worker)
        self._workers.append(worker)

    def lost(self, worker: Worker) -> None:
        """A worker is gone: what it was asked is asked again, and another takes its place."""
        self._coming.discard(worker)
        if worker in self._workers:
            self._workers.remove(worker)
        if self._ended:
            return
        self.deaths += 1
        log.warning("A worker of version %s died (process %s).", self.version, worker.pid)
        if worker.asked:
            worker.asked[0].deaths += 1
        for request in reversed(worker.asked):
            if request.deaths >= MOST_DEATHS:
                _give_up(request, 500, "failed", "The model's process died on this request, twice.", True)
            elif not request.answer.done():
                self._waiting.appendleft(request)
        self.pump()
        self._spawn(self._grow())

    @property
    def pids(self) -> list[int]:
        """Ids of the workers' processes."""
        return [worker.pid for worker in self._workers]

    @property
    def is_up(self) -> bool:
        """Whether somebody can answer now."""
        return bool(self._workers)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nobody works."""
        return not self._waiting and not any(worker.asked for worker in self._workers)

    async def end(self, patience_seconds: float = 10) -> None:
        """End its processes, after the requests under way."""
        deadline = time.monotonic() + patience_seconds
        while not self.is_idle and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self._ended = True
        for task in self._tasks:
            task.cancel()
        for worker in [*self._workers, *self._coming]:
            worker.transport.close()
        await self._loader.end()
        for request in self._waiting:
            _give_up(request, 503, "ended", "This version of the model was taken down.", True)

    async def _load(self) -> None:
        """Start the process that loads the model, and the workers it forks."""
        said = await self._loader.start()
        self.classes, self.form = said["classes"], said["form"]
        if not said["forks"]:
            self._wanted = 1
        await self._grow()

    async def _grow(self) -> None:
        """Ask for as many workers as are wanted."""
        while len(self._workers) + len(self._coming) < self._wanted and not self._ended:
            ours = self._loader.fork()
            if ours is None:
                return  # _look_after starts it anew
            worker = Worker(self)
            self._coming.add(worker)
            await asyncio.get_running_loop().create_unix_connection(lambda worker=worker: worker, sock=ours)

    async def _look_after(self) -> None:
        """Start the process anew where it died, and end what takes too long."""
        pause = LOOKS_SECONDS
        while True:
            await asyncio.sleep(LOOKS_SECONDS)
            self._end_what_hangs()
            if self._loader.has_ended:
                log.warning("The process of version %s died; it is started anew.", self.version)
                try:
                    await asyncio.wait_for(self._load(), self._timeout)
                    pause = LOOKS_SECONDS
                except (TimeoutError, PoolFailed, OSError) as error:
                    log.error("Version %s did not come up again: %s", self.version, error)
                    pause = min(2 * pause, 30)
                    await asyncio.sleep(pause)
            else:
                await self._grow()

    def _end_what_hangs(self) -> None:
        late = time.monotonic() - self._timeout
        for worker in self._workers:
            if worker.asked and worker.asked[0].since < late:
                _give_up(worker.asked[0], 504, "too_slow", f"The model took more than {self._timeout:g} seconds.", True)
                os.kill(worker.pid, signal.SIGKILL)
        while self._waiting and self._waiting[0].since < late:
            _give_up(self._waiting.popleft(), 503, "too_busy", "No worker was free in time. Try again.", True)

    def _spawn(self, work) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _load_of(worker: Worker) -> int:
    return len(worker.asked)


def _give_up(request: Request, status: int, code: str, message: str, failed: bool) -> None:
    if not request.answer.done():
        content = json.dumps(RequestError(status, code, message).content()).encode()
        request.answer.set_result(Answer(status, failed, content))
