"""The public port of an endpoint. It is bound before anything is started, so that a port in use is noticed first."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Mapping
from typing import Any

from lib.errors import EndpointError
from lib.invocation import endpoint_command, port_option
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
        The requested address. Port 0 means the port of the latest router; any free port if there never was a router.
    running_router : mapping
        ``host`` and ``port`` of the running router; empty if no router runs.
    latest_router : mapping
        ``host`` and ``port`` of the latest router, even if it has stopped; empty if there never was one.

    Raises
    ------
    EndpointError
        If the port cannot be bound; the message names the program that uses it. The port of the latest router is not
        replaced by another one, since clients use it.
    """
    if running_router and port in (0, running_router["port"]):
        if host != running_router["host"]:
            address = f"{running_router['host']} port {running_router['port']}"
            raise EndpointError(
                f"The endpoint answers on {address}. To move it to {host}, stop it first: {endpoint_command('stop')}"
            )
        return None
    is_latest_port = latest_router and port in (0, latest_router["port"])
    if not running_router and is_latest_port:
        return _bind_latest(host, latest_router["port"])
    try:
        return _bind(host, port)
    except (OSError, OverflowError) as error:
        reason = _explain_bind_error(error, port)
        raise EndpointError(f"The endpoint cannot listen on {host} port {port}: {reason}.") from None


def _bind_latest(host: str, port: int) -> socket.socket:
    """Bind the port of the latest router, which clients use and which therefore never changes by itself."""
    deadline = time.monotonic() + RELEASE_SECONDS
    while True:
        try:
            return _bind(host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
                time.sleep(0.05)  # the latest router may be about to release it
                continue
            if error.errno != errno.EADDRINUSE:
                reason = _explain_bind_error(error, port)
                raise EndpointError(f"The endpoint cannot listen on {host} port {port}: {reason}.") from None
            with _bind(host, 0) as free:
                free_port = free.getsockname()[1]
            raise EndpointError(
                f"The endpoint's port {port}, which its clients know, is in use by {port_owner(port)}. Stop that "
                f"program, or move the endpoint to another port: {port_option(free_port)}"
            ) from None


def _explain_bind_error(error: OSError | OverflowError, port: int) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return f"it is in use by {port_owner(port)}. Stop that program, or use any free port: {port_option(0)}"
    if number == errno.EACCES:
        return f"this user may not use ports below 1024. Use a higher one, or any free port: {port_option(0)}"
    return f"{error}. Check endpoint_host and endpoint_port"


def _bind(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        # Without this option, closed connections of an earlier router would block the port for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener
