"""The connection to one worker of a model version."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from lib.forkserver import PID
from lib.scoring import wire_protocol
from lib.scoring.wire_protocol import Answer

if TYPE_CHECKING:
    from lib.serving.server.pool import WorkerPool


@dataclass(eq=False)
class Request:
    """A request without an answer yet.

    Attributes
    ----------
    body : bytes
    answer : Future
    arrived_at : float
        Time of the request's arrival, as `time.monotonic` measures it.
    sent_at : float
        Time at which the request was last sent to a worker; 0 before that.
    death_count : int
        Number of workers that died while they answered the request.
    """

    body: bytes
    answer: asyncio.Future[Answer]
    arrived_at: float
    sent_at: float = 0
    death_count: int = 0


class WorkerConnection(asyncio.Protocol):
    """The connection to one worker, which answers requests in their order."""

    def __init__(self, pool: WorkerPool):
        self.pool = pool
        self.pid: int | None = None
        self.requests: collections.deque[Request] = collections.deque()
        self.transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; asyncio calls this. The worker's process may still be starting."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transport is not a subclass

    def data_received(self, data: bytes) -> None:
        """Receive the worker's process id first, then its answers; asyncio calls this."""
        self._buffer += data
        if self.pid is None:
            if len(self._buffer) < PID.size:
                return
            (self.pid,) = PID.unpack_from(self._buffer)
            del self._buffer[: PID.size]
            self.pool.add_worker(self)
        for answer in wire_protocol.take_answers(self._buffer):
            request = self.requests.popleft()
            if self.requests:
                self.requests[0].sent_at = time.monotonic()  # the worker starts with it now
            if not request.answer.done():
                request.answer.set_result(answer)
        self.pool.send_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report to the pool that the worker died or was ended; asyncio calls this."""
        self.pool.remove_worker(self)

    def send(self, request: Request) -> None:
        """Send a request to the worker."""
        assert self.transport is not None
        request.sent_at = time.monotonic()
        self.requests.append(request)
        self.transport.write(wire_protocol.pack_request(request.body))

    def close(self) -> None:
        """Close the connection, which ends the worker once it has answered its request."""
        if self.transport is not None:
            self.transport.close()

    def kill(self) -> None:
        """Kill the worker and the processes that it started, and close the connection.

        The connection does not close by itself if such a process holds it.
        """
        if self.pid is not None:
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError):  # it has ended, or is about to lead a process group
                    kill(self.pid, signal.SIGKILL)
        if self.transport is not None:
            self.transport.abort()
