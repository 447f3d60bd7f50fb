"""The router's side of the request log, which sends each answered request to the log writer's process.

If the writer does not keep up, requests are dropped and counted. So no answer ever waits for a disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from lib.paths import ROOT
from lib.serving.server.request_log import framing

if TYPE_CHECKING:
    from lib.serving.server.traffic import TimedAnswer

log = logging.getLogger("lib.serving")
MAX_PENDING_BYTES = 8 * 2**20
RESTART_PAUSE_SECONDS = 10
CLOSE_SECONDS = 5
# Requests wait this long before they are sent to the writer together.
BATCH_SECONDS = 0.01
SETTINGS = ("on", "columns", "megabytes")


class RequestLogClient(asyncio.Protocol):
    """Connection to the process that writes the request log.

    Parameters
    ----------
    folder : Path
        The endpoint's folder.

    Attributes
    ----------
    counts : dict
        Number of requests that were ``sent`` and ``dropped``.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._transport: asyncio.WriteTransport | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._settings: dict[str, Any] = {"on": False}
        self._lost_at = 0.0
        self._starting: asyncio.Task | None = None
        self._unfinished_line = b""
        self._batch = bytearray()
        self._writer_state: dict[str, Any] = {}
        self.counts = {"sent": 0, "dropped": 0}

    async def configure(self, settings: dict[str, Any]) -> None:
        """Switch the log on or off.

        Parameters
        ----------
        settings : dict
            ``on``, ``columns`` (empty for all) and ``megabytes``, the maximum size of the log.
        """
        settings = {name: settings[name] for name in SETTINGS if name in settings}
        if settings == self._settings and self._transport is not None:
            return
        self._settings = settings
        self._send_batch()
        if self._transport is not None:
            self._transport.close()  # the process writes what it has received and ends by itself
            self._transport = None
        if settings["on"]:
            await self._start()

    def log(self, body: bytes, answer: TimedAnswer, request_id: str) -> None:
        """Send a request, its answer and its id to the writer, or drop them; never wait."""
        if not self._settings["on"]:
            return
        if self._transport is None or self._pending_bytes() > MAX_PENDING_BYTES:
            self.counts["dropped"] += 1
            self._restart_if_lost()
            return
        metadata = [time.time(), 1000 * answer.seconds, answer.pool.version, answer.pool.folder.name, request_id]
        if not self._batch:
            asyncio.get_running_loop().call_later(BATCH_SECONDS, self._send_batch)
        self._batch += framing.pack(msgspec.json.encode(metadata), body, answer.answer.content)
        self.counts["sent"] += 1

    def _pending_bytes(self) -> int:
        assert self._transport is not None
        return len(self._batch) + self._transport.get_write_buffer_size()

    def _send_batch(self) -> None:
        """Send what has been logged; one write of many requests wakes the writer once."""
        if self._transport is not None and self._batch:
            self._transport.write(bytes(self._batch))
        self._batch.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; the socket buffers what is sent before the process has started."""
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is no subclass of it
        self._transport.set_write_buffer_limits(high=2 * MAX_PENDING_BYTES)

    def data_received(self, data: bytes) -> None:
        """Receive the state of the writer, a line of JSON; asyncio calls this."""
        *lines, self._unfinished_line = (self._unfinished_line + data).split(b"\n")
        if lines:
            self._writer_state = json.loads(lines[-1])

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the process died or was ended."""
        if self._transport is None or self._transport.is_closing():
            self._transport, self._lost_at = None, time.monotonic()

    def state(self) -> dict[str, Any]:
        """Return the counts, and the number of rows that the writer dropped."""
        return {**self.counts, "dropped_rows": self._writer_state.get("dropped_rows", 0)}

    @property
    def trouble(self) -> str:
        """Why requests are not written at the moment; empty if they are."""
        if self._settings["on"] and self._transport is None:
            return "The request log is not written: its process does not run"
        return self._writer_state.get("trouble", "")

    async def close(self) -> None:
        """Close the connection, on which the process writes the rest and ends; wait for it, up to `CLOSE_SECONDS`."""
        self._send_batch()
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._process.wait(), CLOSE_SECONDS)

    def _restart_if_lost(self) -> None:
        is_lost = self._transport is None and self._starting is None
        if is_lost and time.monotonic() > self._lost_at + RESTART_PAUSE_SECONDS:
            self._starting = asyncio.ensure_future(self._start())

    async def _start(self) -> None:
        """Start the writer's process and connect to it."""
        try:
            own_socket, writer_socket = socket.socketpair()
            command = [sys.executable, "-m", "lib.serving.server.request_log.writer", str(self._folder)]
            command += ["--source", str(writer_socket.fileno())]
            command += ["--megabytes", str(self._settings["megabytes"]), "--columns", *self._settings["columns"]]
            with writer_socket, (self._folder / "endpoint.log").open("ab") as output:
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    cwd=self._folder,
                    env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[writer_socket.fileno()],
                )
            own_socket.setblocking(False)
            await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=own_socket)
            self._writer_state, self._unfinished_line = {}, b""
        except OSError as error:
            log.error("The process of the request log did not start: %s", error)
            self._lost_at = time.monotonic()
        finally:
            self._starting = None
