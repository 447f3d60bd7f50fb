"""The control protocol between an endpoint's router and its deployer: one JSON object per line on a Unix socket.

::

    {"do": "state"}                            -> {"state": {...}}
    {"do": "start", "deployment": ..., ...}    -> {"url": ...}      start a version without traffic, at its own URL
    {"do": "shift", "percent": ..., ...}       -> {"state": {...}}  give the started version its share of the traffic
    {"do": "take_down"}                        -> {"state": {...}}  stop the started version
    {"do": "roll_back", "why": ...}            -> {"state": {...}}
    {"do": "configure", "request_log": ..., ...}  -> {"state": {...}}  set the request log and the allowed hosts
    {"do": "hand_over"}                        -> {"listener": true}, with the descriptor of the public socket
    {"do": "leave"}                            -> {"leaving": true} end once clients have moved to the successor

Errors are answered with ``{"error": ...}``. A version that was started but got no traffic is stopped when the
connection closes, so an interrupted deployment leaves nothing behind.
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
from lib.serving.server.pool import WorkerPool

if TYPE_CHECKING:
    from lib.serving.server.router import Router

log = logging.getLogger("lib.serving")
FIRST_CONNECTION_SECONDS = 60


class ControlServer:
    """The router's side of the control protocol.

    Parameters
    ----------
    router : Router
        Executes the commands.
    """

    def __init__(self, router: Router):
        self._router = router
        self._connections: set[asyncio.StreamWriter] = set()
        self._path: str | None = None
        self._server: asyncio.AbstractServer | None = None
        self._started_at = time.monotonic()
        self._was_connected = False

    async def start(self, listening: socket.socket) -> None:
        """Accept connections."""
        self._path = listening.getsockname()
        # Keep the server: uvloop closes the socket of a server that is garbage collected.
        self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=MAX_LINE_BYTES)

    @property
    def is_abandoned(self) -> bool:
        """Whether the deployer has disconnected, or has not connected in time."""
        is_late = time.monotonic() - self._started_at > FIRST_CONNECTION_SECONDS
        return not self._connections and (self._was_connected or is_late)

    def close(self) -> None:
        """Remove the socket's file."""
        if self._path:
            Path(self._path).unlink(missing_ok=True)
            Path(self._path).parent.rmdir()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Execute the commands of one connection, one after the other."""
        self._connections.add(writer)
        self._was_connected = True
        pools_without_traffic: list[WorkerPool] = []
        next_line = asyncio.ensure_future(reader.readline())
        try:
            while line := await next_line:
                next_line = asyncio.ensure_future(reader.readline())
                message = json.loads(line)
                execution = asyncio.ensure_future(self._execute(message, pools_without_traffic, writer))
                if message["do"] == "start":
                    await _cancel_at_disconnect(execution, next_line)
                writer.write(json.dumps(await _reply(message, execution)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError, ValueError, KeyError, TypeError):
            pass  # the client disconnected or sent something else than a command
        finally:
            next_line.cancel()
            for pool in pools_without_traffic:
                await self._router.traffic.take_down(pool, "its deployment was interrupted")
            self._connections.discard(writer)
            writer.close()

    async def _execute(
        self, message: dict[str, Any], pools_without_traffic: list[WorkerPool], writer: asyncio.StreamWriter
    ) -> dict[str, Any]:
        """Execute a command and return the reply. A started version is in `pools_without_traffic` until it is live."""
        router, traffic, command = self._router, self._router.traffic, message["do"]
        if command == "start":
            pool = router.make_pool(message)
            await self._start(pool)
            pools_without_traffic.append(pool)
            return {"url": f"http://127.0.0.1:{router.private_port}/deployments/{pool.folder.name}/score"}
        if command == "shift":
            values = {field.name: message[field.name] for field in fields(Rollout) if field.name in message}
            await traffic.shift(Rollout(**values))
            pools_without_traffic.clear()
            await router.go_public()
        elif command == "take_down":
            for pool in pools_without_traffic:
                await traffic.take_down(pool, "it did not pass the checks of its deployment")
            pools_without_traffic.clear()
        elif command == "roll_back":
            await traffic.roll_back(message["why"], router.make_pool)
        elif command == "configure":
            await router.configure(message)
        elif command == "hand_over":
            self._send_listener(writer)
        elif command == "leave":
            router.hand_over()
            return {"leaving": True}
        return {"state": router.state()}

    async def _start(self, pool: WorkerPool) -> None:
        try:
            await self._router.traffic.start(pool)
        except BaseException:
            await pool.end(0)
            raise

    def _send_listener(self, writer: asyncio.StreamWriter) -> None:
        """Send the public socket to the successor."""
        # asyncio's socket object cannot send descriptors; a duplicate can.
        with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as connection:
            connection.setblocking(True)
            socket.send_fds(connection, [b'{"listener": true}\n'], [self._router.listener.fileno()])
            connection.setblocking(False)


async def _cancel_at_disconnect(execution: asyncio.Future, next_line: asyncio.Future[bytes]) -> None:
    """Wait until a command was executed; cancel it if the client disconnects before that."""
    await asyncio.wait({execution, next_line}, return_when=asyncio.FIRST_COMPLETED)
    if not execution.done() and (next_line.exception() is not None or not next_line.result()):
        log.info("The deployer disconnected while a version was starting. Stopping the version.")
        execution.cancel()


async def _reply(message: dict[str, Any], execution: asyncio.Future[dict[str, Any]]) -> dict[str, Any]:
    """Return the reply to a command, or a description of its error."""
    try:
        return await execution
    except (RequestError, LoadError) as error:
        return {"error": str(error)}
    except Exception as error:
        log.exception("The command %s failed.", message.get("do"))
        return {"error": repr(error)}
