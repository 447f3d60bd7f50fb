"""The line of whoever deploys to an endpoint's router; `control` says what is said on it."""

from __future__ import annotations

import json
import socket
import tempfile
from pathlib import Path
from typing import Any

from lib.errors import EndpointError

LONGEST_LINE = 2**20


class ControlClient:
    """The side of whoever deploys: a connection to a router.

    Parameters
    ----------
    path : str
        Of the router's socket.
    timeout_seconds : float
        How long one answer may take.
    """

    def __init__(self, path: str, timeout_seconds: float = 60):
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

    def say(self, do: str, **more: Any) -> dict[str, Any]:
        """Say something, and hear the answer.

        Raises
        ------
        EndpointError
            It cannot be done, the router ended, or it took too long.
        """
        try:
            self._connection.sendall(json.dumps({"do": do, **more}).encode() + b"\n")
            answer = self._file.readline()
        except TimeoutError:
            raise EndpointError(f"did not answer within {self._connection.gettimeout():g} seconds") from None
        except ConnectionError:
            answer = b""
        said = json.loads(answer) if answer else {"error": "the endpoint's process ended"}
        if "error" in said:
            raise EndpointError(said["error"])
        return said

    def take_listener(self) -> socket.socket:
        """The public socket, which this router goes on to use."""
        self._connection.sendall(b'{"do": "hand_over"}\n')
        data, descriptors, _, _ = socket.recv_fds(self._connection, LONGEST_LINE, 1)
        if not descriptors:
            raise EndpointError(f"the router did not hand its listener over: {data[:200]!r}")
        if data.count(b"\n") < 2:
            self._file.readline()
        return socket.socket(fileno=descriptors[0])


def listen() -> socket.socket:
    """Unix socket for a new router, in a folder that only this user can enter.

    Not in the endpoint's folder: a path of more than 104 bytes cannot be bound.
    """
    path = Path(tempfile.mkdtemp(prefix="millrace-")) / "control"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    return listening
