"""Connecting to the router of an endpoint, or starting a new one that replaces it."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from lib.errors import EndpointError
from lib.paths import ROOT
from lib.scoring.model_folder import ModelError, find_code_folder
from lib.serving import process
from lib.serving.deploying.control_client import ControlClient, make_control_socket
from lib.serving.deploying.status import describe_restart, leading_version

LOG = "endpoint.log"
_LOG_LINES = 15


@dataclass(frozen=True)
class Routers:
    """Connections to the routers of a deployment.

    Attributes
    ----------
    current : ControlClient
        The router that starts the new version.
    outdated : ControlClient or None
        A router of older code, which has to leave when the new version is live; None if there is no such router, or if
        it has left already because the current router serves its version.
    """

    current: ControlClient
    outdated: ControlClient | None = None


@contextlib.contextmanager
def connect(
    folder: Path,
    name: str,
    record: Mapping[str, Any],
    router: psutil.Process | None,
    listener: socket.socket | None,
    request: Mapping[str, Any],
) -> Iterator[Routers]:
    """Connect to the router that is to start a new version.

    A router that runs older code, or uses another port than requested, is replaced by a new router, which takes over
    the port and the leading version.

    Parameters
    ----------
    folder, name : Path, str
        Folder and name of the endpoint.
    record : mapping
        Content of ``endpoint.json``.
    router : psutil.Process or None
        The process of the running router, if any.
    listener : socket.socket or None
        The public socket; None to use the running router's.
    request : mapping
        Arguments of the command that starts the new version.
    """
    timeout_seconds = request["timeout_seconds"] + 30
    if router is not None and listener is None and record["code"] == process.code_digest():
        with ControlClient(record["control"], timeout_seconds) as current:
            yield Routers(current)
        return
    with contextlib.ExitStack() as stack:
        outdated = stack.enter_context(ControlClient(record["control"], 30)) if router is not None else None
        if listener is None:
            assert outdated is not None, "without a listener, a router is running"
            listener = stack.enter_context(outdated.take_listener())
        control, pid = _start_router(folder, name, listener)
        current = stack.enter_context(ControlClient(control, timeout_seconds, pid))
        if outdated is not None and _can_take_over(folder, record):
            current.command("start", **{**request, **describe_restart(leading_version(record))})
            current.command("shift", percent=100)
            outdated.command("leave")
            outdated = None
        yield Routers(current, outdated)


def start_version(router: ControlClient, request: Mapping[str, Any], log: Path) -> str:
    """Start a version without traffic, and return the URL at which only this version answers.

    Raises
    ------
    EndpointError
        If the version does not start. The message includes the end of its log.
    """
    log_start = log.stat().st_size if log.exists() else 0
    try:
        return router.command("start", **request)["url"]
    except EndpointError as error:
        with log.open("rb") as file:
            file.seek(log_start)
            tail = file.read().decode("utf-8", "replace").strip().splitlines()[-_LOG_LINES:]
        message = f"Version {request['version']} did not start: {error}. The end of {log}:"
        raise EndpointError("\n  ".join([message, *tail])) from None


def _can_take_over(folder: Path, record: Mapping[str, Any]) -> bool:
    """Return whether this release can serve the leading version, which a release may have saved without its code."""
    try:
        find_code_folder(folder / "deployments" / leading_version(record)["deployment"] / "model")
    except ModelError:
        return False
    return True


def _start_router(folder: Path, name: str, listener: socket.socket) -> tuple[str, int]:
    """Start a router, and return the path of its control socket and its process id."""
    with make_control_socket() as control:
        descriptors = [control.fileno(), listener.fileno()]
        command = [sys.executable, "-m", "lib.serving.server.router", str(folder), "--name", name]
        command += ["--control", str(descriptors[0]), "--listener", str(descriptors[1])]
        variables = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        pid = process.start(command, folder, folder / LOG, variables, descriptors)
        return control.getsockname(), pid
