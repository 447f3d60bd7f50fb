"""The process of one deployment: it loads the model, waits without traffic, goes live when told to.

::

    python -m lib.serving.server <deployment folder> --keys <file> --name ... --version ... --channel <descriptor>

On the channel, a socket inherited from whoever deploys, one JSON object a line::

    -> {"port": 40123}             the model is loaded and answers on this private port
    <- {"live": null}              and the public listener with it, or
    <- {"live": "../v1/listener"}  where the deployment that has traffic hands its listener over
    -> {"live": true}
    <- {"keep": true}              from now on it stays, whatever becomes of the deployer

If the channel closes before the last line, or that line takes too long, the process ends by itself.
SIGTERM ends it after the requests under way. SIGUSR1 makes it leave: a successor has the traffic, and
clients are sent there with their next answer.

**Why the listener is handed over** and not opened a second time with SO_REUSEPORT: each listener has its
own queue of connections, and what waits in it when it closes is lost. Two processes that share one
listener share its queue, so at no moment does a connection belong to a process that is leaving.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import socket
import sys
from pathlib import Path

import uvicorn

from lib.serving.app import Service, build
from lib.serving.keys import KeyFile
from lib.serving.model import load
from lib.serving.model_folder import ModelRefused
from lib.serving.scorer import Scorer

# Relative, as the path of a Unix socket may be no longer than 104 bytes: the process works in its folder.
LISTENER_PATH = "listener"
STANDBY_SECONDS = 900
LEAVING_SECONDS = 10
log = logging.getLogger("lib.serving")


class DeploymentServer(uvicorn.Server):
    """Uvicorn on a private port, and on the public one once it is told to go live.

    Parameters
    ----------
    config : uvicorn.Config
        With the application.
    service : Service
        Told when the process is leaving.
    channel : socket.socket
        The connection to whoever deploys.
    """

    def __init__(self, config: uvicorn.Config, service: Service, channel: socket.socket):
        super().__init__(config)
        self.service = service
        self.channel = channel
        self.kept = False
        self._standby: set[asyncio.Task] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer on the private port and listen to the channel."""
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self.leave)
        loop.add_reader(self.channel, self._on_channel)
        loop.call_later(STANDBY_SECONDS, self._end_unless_kept)
        assert sockets
        self._say({"port": sockets[0].getsockname()[1]})

    async def end_without_folder(self) -> None:
        """A workspace that is deleted takes its endpoint along, which nobody could find or stop any more."""
        if not Path("model").exists():
            log.info("The folder of this deployment is gone: ending.")
            self.should_exit = True

    def leave(self) -> None:
        """End once the clients have been sent to the successor."""
        self.service.leaving = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing new; where a successor has the traffic, give clients time to move to it."""
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

    def _on_channel(self) -> None:
        data, descriptors, _, _ = socket.recv_fds(self.channel, 4096, 1)
        message = json.loads(data) if data else {}
        if not data:
            asyncio.get_running_loop().remove_reader(self.channel)
            self._end_unless_kept()
        elif "live" in message:
            task = asyncio.ensure_future(self._go_live(message["live"], descriptors))
            self._standby.add(task)
            task.add_done_callback(self._standby.discard)
        elif "keep" in message:
            self.kept = True

    async def _go_live(self, predecessor: str | None, descriptors: list[int]) -> None:
        try:
            listener = socket.socket(fileno=descriptors[0] if descriptors else _taken_over(predecessor))
            private = self.servers
            await super().startup([listener])
            self.servers += private
            self._offer(listener)
        except OSError as error:
            log.exception("Could not go live.")
            self._say({"live": False, "why": str(error)})
        else:
            log.info("Live on %s port %s.", *listener.getsockname()[:2])
            self._say({"live": True})

    def _offer(self, listener: socket.socket) -> None:
        """Hand the listener to whoever can open the socket in this process's folder: its owner."""
        offer = socket.socket(socket.AF_UNIX)
        offer.bind(LISTENER_PATH)
        offer.listen()

        def hand_over() -> None:
            connection, _ = offer.accept()
            with connection:
                socket.send_fds(connection, [b"listener"], [listener.fileno()])

        asyncio.get_running_loop().add_reader(offer, hand_over)

    def _end_unless_kept(self) -> None:
        if not self.kept:
            log.info("Whoever deployed this is gone and never said to keep it: ending.")
            self.leave()

    def _say(self, message: dict) -> None:
        self.channel.sendall(json.dumps(message).encode() + b"\n")


def _taken_over(path: str | None) -> int:
    if path is None:
        raise OSError("told to go live without a listener")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(path)
        _, descriptors, _, _ = socket.recv_fds(connection, 64, 1)
    return descriptors[0]


def main() -> None:
    """Serve the model of a deployment folder until told otherwise."""
    parser = argparse.ArgumentParser(prog="python -m lib.serving.server")
    parser.add_argument("folder", type=Path, help="holds the folder `model`")
    parser.add_argument("--keys", type=Path, required=True, help="the file with the two keys")
    parser.add_argument("--name", required=True, help="of the model, said in answers")
    parser.add_argument("--version", required=True, help="of the model, said in answers")
    parser.add_argument("--sha256", help="what the digest of the model must be")
    parser.add_argument("--channel", type=int, required=True, help="descriptor of the socket to whoever deploys")
    given = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    channel = socket.socket(fileno=given.channel)
    channel.set_inheritable(False)  # else what the model may start would hold it open
    try:
        scorer = Scorer(load(given.folder / "model", given.name, given.version, given.sha256))
        scorer.warm_up()
    except ModelRefused as refused:
        sys.exit(str(refused))
    app = build(scorer, KeyFile(given.keys))
    private = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=75,
        timeout_notify=2,
        timeout_graceful_shutdown=30,
    )
    server = DeploymentServer(config, app.state.service, channel)
    config.callback_notify = server.end_without_folder
    server.run([private])


if __name__ == "__main__":
    main()
