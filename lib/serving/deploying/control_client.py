"""The client of a router's control socket; `lib.serving.server.control_server` documents the commands."""

from __future__ import annotations

import json
import socket
import tempfile
from pathlib import Path
from typing import Any

from lib.errors import EndpointError
from lib.serving import process

MAX_LINE_BYTES = 2**20


class ControlClient:
    """A connection to a router.

    Parameters
    ----------
    path : str
        Path of the router's control socket.
    timeout_seconds : float
        Time limit of a command.
    pid : int, optional
        Process id of the router, if this process started it. Errors then say how it ended.
    """

    def __init__(self, path: str, timeout_seconds: float = 60, pid: int | None = None):
        self._pid = pid
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.settimeout(timeout_seconds)
        try:
            self._connection.connect(path)
        except OSError as error:
            self._connection.close()
            raise EndpointError(f"the endpoint's process cannot be reached: {error}") from None
        self._file = self._connection.makefile("rb")

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._connection.close()

    def command(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Send a command and return its reply.

        Raises
        ------
        EndpointError
            If the command failed or timed out, or the router ended.
        """
        try:
            self._connection.sendall(json.dumps({"do": name, **arguments}).encode() + b"\n")
            line = self._file.readline()
        except TimeoutError:
            raise EndpointError(f"did not answer within {self._connection.gettimeout():g} seconds") from None
        except ConnectionError:
            line = b""
        reply = json.loads(line) if line else {"error": self._describe_end()}
        if "error" in reply:
            raise EndpointError(reply["error"])
        return reply

    def _describe_end(self) -> str:
        how = process.describe_end(self._pid)
        return f"the endpoint's process ended ({how})" if how else "the connection to the endpoint's process was lost"

    def take_listener(self) -> socket.socket:
        """Return the router's public socket, which it continues to use itself."""
        self._connection.sendall(b'{"do": "hand_over"}\n')
        data, descriptors, _, _ = socket.recv_fds(self._connection, MAX_LINE_BYTES, 1)
        if not descriptors:
            raise EndpointError(f"the router did not hand over its listener: {data[:200]!r}")
        if data.count(b"\n") < 2:
            self._file.readline()
        return socket.socket(fileno=descriptors[0])


def make_control_socket() -> socket.socket:
    """Return a listening Unix socket for a new router, in a folder that only this user can enter.

    It is not in the endpoint's folder, because the path of a Unix socket may have at most 104 bytes.
    """
    path = Path(tempfile.mkdtemp(prefix="millrace-")) / "control"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener
