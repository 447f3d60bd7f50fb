"""The process of an endpoint: it holds the public port, and its workers hold the models.

::

    python -m lib.serving.server.router <endpoint folder> --name ... --control <descriptor> --listener <descriptor>

It imports no library that a model needs, runs nothing of a model, and so outlives whatever a model does. What is
deployed, shifted or rolled back is said to it on a Unix socket that only its owner can open (`control.py`); what it
is up to stands in ``endpoint.json``, written anew after every change. SIGTERM ends it after the requests under way.
Without a stable version it ends by itself once whoever started it has hung up.

**Why the listener is handed over** to a router with newer code, and not opened a second time with SO_REUSEPORT: each
listener has its own queue of connections, and what waits in it when it closes is lost. Two processes that share one
listener share its queue, so at no moment does a connection belong to a process that is leaving.
"""

from __future__ import annotations

import argparse
import asyncio
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
from lib.serving.keys import KeyFile
from lib.serving.process import code_digest
from lib.serving.server.app import Service
from lib.serving.server.control_server import Control
from lib.serving.server.pool import Pool
from lib.serving.server.request_log.client import Keeper
from lib.serving.server.traffic import Traffic, described

LEAVING_SECONDS = 10
log = logging.getLogger("lib.serving")


class Router(uvicorn.Server):
    """Uvicorn around a :class:`Service`, on the public port once a version is live, and a private one from the start.

    Parameters
    ----------
    folder : Path
        Of the endpoint.
    name : str
        Of the endpoint.
    control, listener : socket.socket
        Where it is told what to do, and where clients come; the first listens, the second need not.
    """

    def __init__(self, folder: Path, name: str, control: socket.socket, listener: socket.socket):
        self.folder, self.name = folder, name
        self.traffic = Traffic(self.write_state)
        self.keeper = Keeper(folder)
        self.service = Service(self.traffic, KeyFile(folder / "keys.json"), Limits(), self.keeper.keep)
        super().__init__(
            uvicorn.Config(
                self.service,
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                lifespan="off",
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_notify=1,
                timeout_graceful_shutdown=30,
                callback_notify=self._look_after,
            )
        )
        self.listener = listener
        self.private_port = 0
        self.started_at = time.time()
        self._is_public = False
        self._control_socket = control
        self._control = Control(self)
        self._settings: dict[str, Any] = {}
        self._code = code_digest()

    def pool(self, said: dict[str, Any]) -> Pool:
        """Pool for a deployment as it was described; not started."""
        self._settings.update({key: said[key] for key in ("workers", "timeout_seconds") if key in said})
        return Pool(
            self.folder / "deployments" / said["deployment"],
            said["model_name"],
            said["version"],
            said["sha256"],
            self._settings["workers"],
            self._settings["timeout_seconds"],
            self.folder / "endpoint.log",
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer on the private port, and listen to what it is told."""
        await super().startup(sockets)
        assert sockets
        self.private_port = sockets[0].getsockname()[1]
        await self._control.start(self._control_socket)

    async def go_public(self) -> None:
        """Answer on the public port, from the first stable version on."""
        if not self._is_public:
            self._is_public = True
            private = self.servers
            await super().startup([self.listener])
            self.servers += private
            log.info("Live on %s port %s.", *self.listener.getsockname()[:2])
            gc.collect()
            gc.freeze()
            self.write_state()

    def leave(self) -> None:
        """End once the clients have been sent to the successor, which has the listener."""
        self.service.leaving = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing new; where a successor has the listener, give clients time to move to it."""
        for server in self.servers:
            server.close()
        if self.service.leaving:
            # A client may be sending on an idle connection this very moment. Only when its next answer has
            # told it so, or after a while of silence, is the connection closed.
            for _ in range(LEAVING_SECONDS * 20):
                if not self.server_state.connections or self.force_exit:
                    break
                await asyncio.sleep(0.05)
        await super().shutdown(sockets)
        await self.traffic.end()
        await self.keeper.end()
        self._control.end()

    def state(self) -> dict[str, Any]:
        """What stands in ``endpoint.json``."""
        host, port = self.listener.getsockname()[:2]
        reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
        traffic = self.traffic
        versions = {
            role: described(pool) | {"workers": pool.pids, "deaths": pool.deaths}
            for role, pool in (("stable", traffic.stable), ("new", traffic.new))
            if pool is not None
        }
        watch = traffic.watch
        return {
            "name": self.name,
            "pid": os.getpid(),
            "started": self.started_at,
            "code": self._code,
            "control": self._control_socket.getsockname(),
            "host": host,
            "port": port,
            "url": f"http://{reached}:{port}/score",
            **versions,
            "previous": traffic.previous,
            "percent": traffic.rollout.percent,
            "mirror": traffic.rollout.mirror,
            "watched": {"answers": watch.answers, "mirrored": watch.mirrored, "agreed": watch.agreed},
            "kept": self.keeper.counts,
            "events": traffic.events,
        }

    def write_state(self) -> None:
        """Write down what this endpoint is up to, whole or not at all; before a first version is live there is none."""
        if self._is_public and not self.service.leaving:
            unfinished = self.folder / "endpoint.json.new"
            unfinished.write_text(json.dumps(self.state(), indent=2) + "\n", encoding="utf-8")
            unfinished.replace(self.folder / "endpoint.json")

    async def _look_after(self) -> None:
        if not self.folder.exists():
            # A workspace that is deleted takes its endpoint along, which nobody could find or stop any more.
            log.info("The folder of this endpoint is gone: ending.")
            self.should_exit = True
        elif self.traffic.stable is None and self._control.is_left:
            log.info("Whoever deployed this is gone, and no version is live: ending.")
            self.should_exit = True
        else:
            await self.traffic.look_after()


def main() -> None:
    """Route requests until told otherwise."""
    parser = argparse.ArgumentParser(prog="python -m lib.serving.server.router")
    parser.add_argument("folder", type=Path, help="of the endpoint; holds keys.json")
    parser.add_argument("--name", required=True, help="of the endpoint")
    parser.add_argument("--control", type=int, required=True, help="descriptor of the Unix socket to listen on")
    parser.add_argument("--listener", type=int, required=True, help="descriptor of the public port's socket")
    given = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    control, listener = (socket.socket(fileno=number) for number in (given.control, given.listener))
    for one in (control, listener):
        one.set_inheritable(False)  # no worker is to hold it open
    private = socket.create_server(("127.0.0.1", 0))
    Router(given.folder, given.name, control, listener).run([private])


if __name__ == "__main__":
    main()
