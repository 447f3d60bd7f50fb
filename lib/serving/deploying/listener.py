"""The public port of an endpoint: taken before anything is started, so that a busy one costs nothing."""

from __future__ import annotations

import errno
import socket
import time
from typing import Any

from lib.errors import EndpointError
from lib.serving.process import port_holder

PATIENCE_SECONDS = 2


def open_listener(host: str, port: int, live: dict[str, Any], before: dict[str, Any]) -> socket.socket | None:
    """Bound socket for a deployment, or None where it takes the live one's.

    It does not listen yet: until a deployment does, clients are turned away instead of kept waiting.

    Parameters
    ----------
    host, port : str, int
        What was asked for; port 0 leaves it to the endpoint.
    live : dict
        ``host`` and ``port`` of the live deployment; empty where none lives.
    before : dict
        The same of the latest deployment, whether it lives or not.

    Raises
    ------
    EndpointError
        Where the port cannot be had, with who holds it.
    """
    if live and port in (0, live["port"]):
        if host != live["host"]:
            raise EndpointError(
                f"The endpoint answers on {live['host']} port {live['port']}. To move it to {host}, stop it first: "
                "run_all.py endpoint stop."
            )
        return None
    if not live and before.get("host") == host and port in (0, before["port"]):
        held = _bind_patiently(host, before["port"])
        if held is not None:
            return held  # else somebody took it meanwhile
    try:
        return _bind(host, port)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            why = (
                f"it is in use by {port_holder(port)}. Stop that program, or let the system choose: -p endpoint_port=0"
            )
        elif number == errno.EACCES:
            why = "ports below 1024 need rights this user has not. Choose a higher one, or -p endpoint_port=0"
        else:
            why = f"{error}. Check endpoint_host and endpoint_port"
        raise EndpointError(f"The endpoint cannot listen on {host} port {port}: {why}.") from None


def _bind_patiently(host: str, port: int) -> socket.socket | None:
    """Socket on the port of a process that may have died this moment and be still giving it up."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return _bind(host, port)
        except OSError:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.05)


def _bind(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        # Else the connections of a predecessor that has just ended would hold the port for a minute.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except (OSError, OverflowError):
        bound.close()
        raise
    return bound
