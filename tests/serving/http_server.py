"""An endpoint's web server in a thread of this process, whose traffic answers at once, and raw connections to it."""

import asyncio
import contextlib
import json
import socket
import threading
from pathlib import Path
from types import SimpleNamespace

from uvicorn import Config
from uvicorn.server import ServerState

from lib.scoring.requests import Limits
from lib.scoring.wire_protocol import Answer
from lib.serving import keys
from lib.serving.keys import KeyFile
from lib.serving.server.allowed_hosts import AllowedHosts
from lib.serving.server.app import Service
from lib.serving.server.connection_limit import ConnectionLimit
from lib.serving.server.http_protocol import LimitedProtocol
from lib.serving.server.traffic import TimedAnswer

POOL = SimpleNamespace(name="model", version="1", folder=Path("1-abc"), model=None)


class EchoTraffic:
    """Answers each request with the size of its body."""

    leading = POOL

    def __init__(self):
        self.bodies = []

    def find_leading(self):
        return POOL, POOL.model

    async def score(self, body, deployment=None):
        self.bodies.append(len(body))
        return TimedAnswer(Answer(200, False, json.dumps({"bytes": len(body)}).encode()), POOL, 0.0)


class HttpServer:
    """A running server.

    Attributes
    ----------
    port : int
    key : str
    limit : ConnectionLimit
    traffic : EchoTraffic
    service : Service
    """

    def __init__(self, folder, max_connections=100):
        self.key = keys.create(folder / "keys.json")["primary"]
        self.limit, self.traffic = ConnectionLimit(max_connections), EchoTraffic()
        self.service = Service(
            self.traffic, KeyFile(folder / "keys.json"), Limits(), lambda *_: None, AllowedHosts(), self.limit
        )
        self.port = 0
        self._loop = asyncio.new_event_loop()

    @contextlib.contextmanager
    def running(self):
        """Serve in a thread, and check the time limits every 50 ms."""
        config = Config(self.service, log_config=None, lifespan="off", ws="none", proxy_headers=False)
        config.load()
        state = ServerState()
        ready = threading.Event()

        def make_protocol():
            return LimitedProtocol(self.limit, config=config, server_state=state, app_state={}, _loop=self._loop)

        async def serve():
            server = await self._loop.create_server(make_protocol, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            while not stopped.is_set():
                self.limit.close_expired()
                await asyncio.sleep(0.05)
            server.close()
            for connection in list(state.connections):
                connection.abort()

        stopped = threading.Event()
        thread = threading.Thread(target=self._loop.run_until_complete, args=[serve()])
        thread.start()
        try:
            assert ready.wait(10)
            yield self
        finally:
            stopped.set()
            thread.join()
            self._loop.close()

    def connect(self):
        """Return a raw connection."""
        return RawConnection(self.port)

    def head(self, *headers, method="POST", path="/score", key=True):
        """Return the head of a request."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", "Content-Type: application/json"]
        if key:
            lines.append(f"Authorization: Bearer {self.key}")
        return ("\r\n".join([*lines, *headers]) + "\r\n\r\n").encode()


class RawConnection:
    """A socket to the server that sends bytes and parses answers."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()
        self.socket.close()

    def send(self, data):
        """Send bytes; a server that has closed the connection is not an error."""
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(data)
        return self

    def answer(self):
        """Return status, headers and content of the next answer; None if the connection was closed."""
        try:
            line = self._file.readline()
            if not line:
                return None
            headers = {}
            while (header := self._file.readline().strip()) != b"":
                name, _, value = header.decode().partition(":")
                headers[name.lower()] = value.strip()
            content = self._file.read(int(headers.get("content-length", 0)))
        except ConnectionError:
            return None
        return int(line.split()[1]), headers, json.loads(content)

    @property
    def is_closed(self):
        """Whether the server closes the connection without a further answer."""
        try:
            return self._file.read(1) == b""
        except ConnectionError:
            return True
