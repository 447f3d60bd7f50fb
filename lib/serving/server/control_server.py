"""What is said between an endpoint's router and whoever deploys: one JSON object a line, on a Unix socket.

::

    {"do": "state"}                            -> {"state": {...}}
    {"do": "start", "deployment": ..., ...}    -> {"url": ...}      a version without traffic, at a URL of its own
    {"do": "shift", "percent": ..., ...}       -> {"state": {...}}  its share of the traffic; the first gets all
    {"do": "take_down"}                        -> {"state": {...}}  the started version; so does hanging up
    {"do": "roll_back", "why": ...}            -> {"state": {...}}
    {"do": "keep", "on": ..., ...}             -> {"state": {...}}  whether requests are kept, and what of them
    {"do": "hand_over"}                        -> {"listener": true} with the public socket
    {"do": "leave"}                            -> {"leaving": true}

What cannot be done is answered by ``{"error": ...}``. A version that was started and not shifted is taken down when
the connection that started it is closed: so nothing stays of a deployment that was interrupted, however it was.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.scoring.request_error import RequestError
from lib.serving.deploying.control_client import MAX_LINE_BYTES
from lib.serving.rollout import Rollout
from lib.serving.server.loader import LoadError
from lib.serving.server.pool import Pool

if TYPE_CHECKING:
    from lib.serving.server.router import Router

log = logging.getLogger("lib.serving")
FIRST_WORD_SECONDS = 60


class Control:
    """The router's side.

    Parameters
    ----------
    router : Router
        Does what is said.
    """

    def __init__(self, router: Router):
        self._router = router
        self._connections: set[asyncio.Task] = set()
        self._path: str | None = None
        self._began = time.monotonic()
        self._was_spoken_to = False

    async def start(self, listening: socket.socket) -> None:
        """Take connections."""
        self._path = listening.getsockname()
        await asyncio.start_unix_server(self._talk, sock=listening, limit=MAX_LINE_BYTES)

    @property
    def is_left(self) -> bool:
        """Whether nobody is connected, though somebody was, or has had the time to be."""
        is_late = time.monotonic() - self._began > FIRST_WORD_SECONDS
        return not self._connections and (self._was_spoken_to or is_late)

    def end(self) -> None:
        """Remove the socket's file."""
        if self._path:
            Path(self._path).unlink(missing_ok=True)
            Path(self._path).parent.rmdir()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._connections.add(task)
        self._was_spoken_to = True
        started: list[Pool] = []
        try:
            while line := await reader.readline():
                said = json.loads(line)
                try:
                    answer = await self._do(said, started, writer)
                except (RequestError, LoadError) as error:
                    answer = {"error": str(error)}
                except Exception as error:
                    log.exception("%s failed.", said.get("do"))
                    answer = {"error": repr(error)}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, json.JSONDecodeError):
            pass  # who hung up in the middle of a word, or said none, is gone
        finally:
            for pool in started:
                await self._router.traffic.take_down(pool, "whoever deployed it is gone")
            self._connections.discard(task)
            writer.close()

    async def _do(self, said: dict[str, Any], started: list[Pool], writer: asyncio.StreamWriter) -> dict[str, Any]:
        router, traffic = self._router, self._router.traffic
        if said["do"] == "start":
            pool = router.pool(said)
            await self._start(pool)
            started.append(pool)
            path = f"/deployments/{pool.folder.name}/score"
            return {"url": f"http://127.0.0.1:{router.private_port}{path}"}
        if said["do"] == "shift":
            values = {field.name: said[field.name] for field in fields(Rollout) if field.name in said}
            await traffic.shift(Rollout(**values))
            started.clear()
            await router.go_public()
        elif said["do"] == "take_down":
            for pool in started:
                await traffic.take_down(pool, "whoever deployed it found it wanting")
            started.clear()
        elif said["do"] == "roll_back":
            await traffic.roll_back(said["why"], router.pool)
        elif said["do"] == "keep":
            await router.keeper.use(said)
        elif said["do"] == "hand_over":
            self._hand_over(writer)
        elif said["do"] == "leave":
            router.leave()
            return {"leaving": True}
        return {"state": router.state()}

    async def _start(self, pool: Pool) -> None:
        try:
            await self._router.traffic.bring_up(pool)
        except BaseException:
            await pool.end(0)
            raise

    def _hand_over(self, writer: asyncio.StreamWriter) -> None:
        # asyncio's own view of its socket cannot send descriptors; a copy of it can.
        with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as connection:
            connection.setblocking(True)
            socket.send_fds(connection, [b'{"listener": true}\n'], [self._router.listener.fileno()])
            connection.setblocking(False)
