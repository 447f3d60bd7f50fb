"""The router: the process of an endpoint that holds the public port; its workers hold the models.

::

    python -m lib.serving.server.router <endpoint folder> --name ... --control <descriptor> --listener <descriptor>

It imports no library of a model and runs no code of one, so it outlives any crash of a model. It takes commands
(deploy, shift, roll back) on a Unix socket that only its owner can open, see `control_server`. Its state is in
``endpoint.json``, which is replaced after every change. On SIGTERM it answers the requests in progress and ends.
Without a stable version it ends as soon as the deployer disconnects.

**Restarts.** A router with newer code takes over the listener's socket instead of opening another one with
SO_REUSEPORT: each listener has its own queue, and connections waiting in it are lost when it closes. Two processes that
share a listener share its queue, so no connection is lost.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import json
import logging
import os
import socket
import time
from pathlib import Path
from typing import Any

import uvicorn

from lib.scoring.requests import Limits
from lib.serving import keys
from lib.serving.process import code_digest
from lib.serving.server.allowed_hosts import AllowedHosts
from lib.serving.server.app import Service
from lib.serving.server.connection_limit import ConnectionLimit, raise_descriptor_limit
from lib.serving.server.control_server import ControlServer
from lib.serving.server.failure_log import JsonFormatter
from lib.serving.server.http_protocol import LimitedProtocol
from lib.serving.server.log_rotation import rotate
from lib.serving.server.metrics.drift import VERDICT_FILE
from lib.serving.server.pool import WorkerPool
from lib.serving.server.request_log.client import RequestLogClient
from lib.serving.server.traffic import Traffic, describe_pool
from lib.serving.server.watchdog import Watchdog

HAND_OVER_SECONDS = 10
# Time for requests in progress when the endpoint is stopped.
STOP_SECONDS = 10
CHECK_SECONDS = 1
POLL_SECONDS = 0.05
STATE_FILE = "endpoint.json"
log = logging.getLogger("lib.serving")


class Router(uvicorn.Server):
    """Uvicorn server of a :class:`Service`: on a private port from the start, on the public one once a version is live.

    Parameters
    ----------
    folder : Path
        The endpoint's folder.
    name : str
        The endpoint's name.
    control : socket.socket
        Listening Unix socket for commands.
    listener : socket.socket
        Bound socket of the public port.
    """

    def __init__(self, folder: Path, name: str, control: socket.socket, listener: socket.socket):
        self.folder, self.name = folder, name
        self.traffic = Traffic(self.save_state)
        self.request_log = RequestLogClient(folder)
        self.hosts = AllowedHosts()
        self.connections = ConnectionLimit(raise_descriptor_limit())
        self.service = Service(
            self.traffic,
            keys.KeyFile(folder / "keys.json", keys.CHECK_SECONDS),
            Limits(),
            self.request_log.log,
            self.hosts,
            self.connections,
            self.request_log.counts,
            folder / VERDICT_FILE,
        )
        super().__init__(
            uvicorn.Config(
                self.service,
                http=functools.partial(LimitedProtocol, self.connections),  # type: ignore[arg-type]
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                lifespan="off",
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self.listener = listener
        self.private_port = 0
        self.started_at = time.time()
        self._is_public = False
        self._control_socket = control
        self._control = ControlServer(self)
        self._pool_settings: dict[str, Any] = {}
        self._settings: dict[str, Any] = {}
        self._code_digest = code_digest()
        self._watchdog = Watchdog("endpoint", self._check, CHECK_SECONDS)
        self._watchdog_task: asyncio.Task | None = None

    def make_pool(self, description: dict[str, Any]) -> WorkerPool:
        """Make the pool of a deployment, not started.

        Parameters
        ----------
        description : dict
            ``deployment``, ``model_name``, ``version``, ``sha256``; ``about``, which may be missing; and ``workers``
            and ``timeout_seconds``, by default those of the last deployment.
        """
        names = ("workers", "timeout_seconds")
        self._pool_settings.update({name: description[name] for name in names if name in description})
        return WorkerPool(
            self.folder / "deployments" / description["deployment"],
            description["model_name"],
            description["version"],
            description["sha256"],
            self._pool_settings["workers"],
            self._pool_settings["timeout_seconds"],
            self.folder / "endpoint.log",
            description.get("about"),
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on the private port and for commands."""
        await super().startup(sockets)
        assert sockets
        self.private_port = sockets[0].getsockname()[1]
        await self._control.start(self._control_socket)
        self._watchdog_task = asyncio.ensure_future(self._watchdog.run())

    async def configure(self, settings: dict[str, Any]) -> None:
        """Set the request log and the allowed hosts.

        Parameters
        ----------
        settings : dict
            ``request_log``, as `RequestLogClient.configure` takes it; ``allowed_hosts``, a list; and ``previous``, the
            description of the version before this one, if the endpoint was started again.
        """
        if settings.get("previous"):
            self.traffic.previous = settings["previous"]
        self._settings = {name: settings[name] for name in ("request_log", "allowed_hosts")}
        self.hosts.names = frozenset(settings["allowed_hosts"])
        await self.request_log.configure(settings["request_log"])
        self.save_state()

    async def go_public(self) -> None:
        """Listen on the public port, too; called when a version is live."""
        if not self._is_public:
            self._is_public = True
            private_servers = self.servers
            await super().startup([self.listener])
            self.servers += private_servers
            log.info("Live on %s port %s.", *self.listener.getsockname()[:2])
            gc.collect()
            gc.freeze()
            try:
                self.save_state()
            except OSError:  # a full disk: without its record, nobody could find or stop this process
                self.should_exit = True
                raise

    def hand_over(self) -> None:
        """End as soon as the clients have moved to the successor, which has the listener."""
        self.service.replies.is_leaving = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the listeners; if a successor has taken over, give clients time to move to it."""
        for server in self.servers:
            server.close()
        if self.service.replies.is_leaving:
            # A client may just be sending on an idle connection. Connections are closed only after an answer has asked
            # the client to reconnect, or after a time without requests.
            for _ in range(int(HAND_OVER_SECONDS / POLL_SECONDS)):
                if not self.server_state.connections or self.force_exit:
                    break
                await asyncio.sleep(POLL_SECONDS)
        # Requests that are not answered in time would keep their connections open.
        ending = asyncio.ensure_future(self.traffic.end(STOP_SECONDS - 2))
        await super().shutdown(sockets)
        await ending
        await self.request_log.close()
        if self._watchdog_task is not None:
            self._watchdog_task.cancel()
        self._control.close()

    def state(self) -> dict[str, Any]:
        """Return the content of ``endpoint.json``."""
        host, port = self.listener.getsockname()[:2]
        address = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
        traffic, watch = self.traffic, self.traffic.watch
        versions = {
            role: describe_pool(pool) | {"workers": pool.pids, "deaths": pool.deaths}
            for role, pool in (("stable", traffic.stable), ("new", traffic.new))
            if pool is not None
        }
        return {
            "name": self.name,
            "pid": os.getpid(),
            "started": self.started_at,
            "code": self._code_digest,
            "control": self._control_socket.getsockname(),
            "host": host,
            "port": port,
            "url": f"http://{address}:{port}/score",
            **versions,
            "previous": traffic.previous,
            "pool_settings": self._pool_settings,
            "settings": self._settings,
            "percent": traffic.rollout.percent,
            "mirror": traffic.rollout.mirror,
            "watched": {"answers": watch.answers, "mirrored": watch.mirrored, "agreed": watch.agreed},
            "request_log": self.request_log.state(),
            "refused": self.connections.refusal_counts,
            "trouble": self._troubles(),
            "events": traffic.events,
        }

    def save_state(self) -> None:
        """Replace ``endpoint.json`` in one step; there is none before the first version is live."""
        if self._is_public and not self.service.replies.is_leaving:
            unfinished = self.folder / f"{STATE_FILE}.new"
            unfinished.write_text(json.dumps(self.state(), indent=2) + "\n", encoding="utf-8")
            unfinished.replace(self.folder / STATE_FILE)

    def _troubles(self) -> list[str]:
        """Return what the supervision could not repair."""
        pools = [pool for pool in (self.traffic.stable, self.traffic.new) if pool is not None]
        troubles = [self._watchdog.trouble, *(pool.trouble for pool in pools), self.request_log.trouble]
        return [trouble for trouble in troubles if trouble]

    async def _check(self) -> None:
        """Look for reasons to end, close slow connections, rotate the log, and check the traffic."""
        self.connections.close_expired()
        rotate(self.folder / "endpoint.log")
        if not self.folder.exists():
            # The workspace was deleted: nobody could find or stop this process any more.
            log.info("The folder of this endpoint was deleted. Stopping.")
            self.should_exit = True
        elif self.traffic.stable is None and self._control.is_abandoned:
            log.info("The deployer disconnected before a version was live. Stopping.")
            self.should_exit = True
        else:
            await self.traffic.check()


def main() -> None:
    """Run the router of an endpoint. This is the entry point of the process."""
    parser = argparse.ArgumentParser(prog="python -m lib.serving.server.router")
    parser.add_argument("folder", type=Path, help="the endpoint's folder, which holds keys.json")
    parser.add_argument("--name", required=True, help="the endpoint's name")
    parser.add_argument("--control", type=int, required=True, help="descriptor of the Unix socket for commands")
    parser.add_argument("--listener", type=int, required=True, help="descriptor of the public port's socket")
    arguments = parser.parse_args()
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    control = socket.socket(fileno=arguments.control)
    listener = socket.socket(fileno=arguments.listener)
    for inherited in (control, listener):
        inherited.set_inheritable(False)  # or workers would keep the sockets open
    private = socket.create_server(("127.0.0.1", 0))
    Router(arguments.folder, arguments.name, control, listener).run([private])


if __name__ == "__main__":
    main()
