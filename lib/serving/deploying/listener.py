"""The public port of an endpoint, bound before anything is started, so that a port in use is noticed first."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Mapping
from typing import Any

from lib.errors import EndpointError
from lib.invocation import command
from lib.serving.process import port_owner

RELEASE_SECONDS = 2


def open_listener(
    host: str, port: int, running_router: Mapping[str, Any], latest_router: Mapping[str, Any]
) -> socket.socket | None:
    """Return a bound socket for a deployment, or None if it uses the socket of the running router.

    The socket does not listen yet: until a version is live, clients are refused instead of kept waiting.

    Parameters
    ----------
    host, port : str, int
        The requested address. With port 0, the latest port is used if it is free, and else any free one.
    running_router : mapping
        ``host`` and ``port`` of the running router; empty if none runs.
    latest_router : mapping
        Host and port of the latest router, even if it has stopped.

    Raises
    ------
    EndpointError
        If the port cannot be bound; the message names the program that uses it.
    """
    if running_router and port in (0, running_router["port"]):
        if host != running_router["host"]:
            raise EndpointError(
                f"The endpoint answers on {running_router['host']} port {running_router['port']}. To move it to "
                f"{host}, stop it first: {command('endpoint', 'stop')}"
            )
        return None
    if not running_router and latest_router.get("host") == host and port in (0, latest_router["port"]):
        listener = _bind_when_released(host, latest_router["port"])
        if listener is not None:
            return listener
    try:
        return _bind(host, port)
    except (OSError, OverflowError) as error:
        reason = _explain(error, port)
        raise EndpointError(f"The endpoint cannot listen on {host} port {port}: {reason}.") from None


def _explain(error: OSError | OverflowError, port: int) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return f"it is in use by {port_owner(port)}. Stop that program, or use any free port: -p endpoint_port=0"
    if number == errno.EACCES:
        return "this user may not use ports below 1024. Use a higher one, or any free port: -p endpoint_port=0"
    return f"{error}. Check endpoint_host and endpoint_port"


def _bind_when_released(host: str, port: int) -> socket.socket | None:
    """Bind a port that a process which has just ended may still be releasing; None if the port stays in use."""
    deadline = time.monotonic() + RELEASE_SECONDS
    while True:
        try:
            return _bind(host, port)
        except OSError:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.05)


def _bind(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        # Otherwise the closed connections of a predecessor would block the port for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener
