"""The router's side of keeping what was asked: each request is handed on once its answer is sent, or dropped.

It is handed on only where what was handed on before has been taken; else it is dropped and counted. So however slow
the disk is, no answer waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lib.paths import ROOT
from lib.serving.server.request_log import framing

if TYPE_CHECKING:
    from lib.serving.server.traffic import Answered

MOST_PENDING_BYTES = 8 * 2**20
PAUSE_SECONDS = 10
END_SECONDS = 5


class Keeper(asyncio.Protocol):
    """Hands requests on, or drops them.

    Parameters
    ----------
    folder : Path
        Of the endpoint.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._transport: asyncio.Transport | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._wanted: dict[str, Any] = {"on": False}
        self._lost_at = 0.0
        self._starting: asyncio.Task | None = None
        self.counts = {"handed_on": 0, "dropped": 0}

    async def use(self, wanted: dict[str, Any]) -> None:
        """Keep requests from now on, or no more: ``on``, ``columns`` (empty: all) and ``megabytes``."""
        asked = {key: wanted[key] for key in ("on", "columns", "megabytes") if key in wanted}
        if asked == self._wanted and self._transport is not None:
            return
        self._wanted = asked
        if self._transport is not None:
            self._transport.close()  # that process writes what it has, and ends by itself
            self._transport = None
        if self._wanted["on"]:
            await self._start()

    def keep(self, body: bytes, answered: Answered) -> None:
        """Hand a request on, or drop it: never wait."""
        if not self._wanted["on"]:
            return
        if self._transport is None or self._transport.get_write_buffer_size() > MOST_PENDING_BYTES:
            self.counts["dropped"] += 1
            if self._transport is None and self._starting is None and time.monotonic() > self._lost_at + PAUSE_SECONDS:
                self._starting = asyncio.ensure_future(self._start())
            return
        about = [time.time(), 1000 * answered.seconds, answered.pool.version, answered.pool.folder.name]
        self._transport.write(framing.pack(msgspec.json.encode(about), body, answered.answer.content))
        self.counts["handed_on"] += 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The process is there, or will be; until then the socket holds what it is sent."""
        self._transport = transport
        transport.set_write_buffer_limits(high=2 * MOST_PENDING_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has died, or was told to end."""
        if self._transport is None or self._transport.is_closing():
            self._transport, self._lost_at = None, time.monotonic()

    async def end(self) -> None:
        """Let the process write what it has, and end; where that takes long, it does so without this one."""
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._process.wait(), END_SECONDS)

    async def _start(self) -> None:
        try:
            ours, theirs = socket.socketpair()
            command = [
                sys.executable,
                "-m",
                "lib.serving.server.request_log.writer",
                str(self._folder),
                "--source",
                str(theirs.fileno()),
            ]
            command += ["--megabytes", str(self._wanted["megabytes"]), "--columns", *self._wanted["columns"]]
            with theirs, (self._folder / "endpoint.log").open("ab") as output:
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    cwd=self._folder,
                    env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[theirs.fileno()],
                )
            ours.setblocking(False)
            await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)
        finally:
            self._starting = None
