"""Which router is to have a new version: the one that runs, or one that is started for it."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from lib.errors import EndpointError
from lib.paths import ROOT
from lib.serving import process
from lib.serving.deploying import status
from lib.serving.deploying.control_client import ControlClient, listen

LOG = "endpoint.log"
LOG_LINES = 15


@contextlib.contextmanager
def line_to(
    folder: Path,
    name: str,
    record: Mapping[str, Any],
    router: psutil.Process | None,
    listener: socket.socket | None,
    said: Mapping[str, Any],
) -> Iterator[ControlClient]:
    """Line to the router that is to have a new version.

    A router of older code gives way to one of today's, which takes over its versions and its port; so does one whose
    port is no longer wanted.

    Parameters
    ----------
    folder, name
        Of the endpoint.
    record : mapping
        What stands in ``endpoint.json``.
    router : psutil.Process or None
        The one that runs.
    listener : socket.socket or None
        The public socket, where it is not that router's.
    said : mapping
        What will be said of the new version.
    """
    patience = said["timeout_seconds"] + 30
    if router is not None and listener is None and record["code"] == process.code_digest():
        with ControlClient(record["control"], patience) as line:
            yield line
        return
    with contextlib.ExitStack() as stack:
        before = stack.enter_context(ControlClient(record["control"], 30)) if router is not None else None
        if listener is None:
            listener = stack.enter_context(before.take_listener())
        line = stack.enter_context(ControlClient(_start(folder, name, listener), patience))
        if before is not None:
            leading = status.leading(record)
            line.say("start", **{**said, **{key: leading[key] for key in status.IDENTITY}})
            line.say("shift", percent=100)
            before.say("leave")
        yield line


def bring_up(line: ControlClient, said: Mapping[str, Any], log: Path) -> str:
    """URL of a version that was started, without traffic yet.

    Raises
    ------
    EndpointError
        With what its process wrote into the log.
    """
    beginning = log.stat().st_size if log.exists() else 0
    try:
        return line.say("start", **said)["url"]
    except EndpointError as error:
        with log.open("rb") as file:
            file.seek(beginning)
            tail = file.read().decode("utf-8", "replace").strip().splitlines()[-LOG_LINES:]
        why = f"Version {said['version']} did not start: {error}. The end of {log}:"
        raise EndpointError("\n  ".join([why, *tail])) from None


def _start(folder: Path, name: str, listener: socket.socket) -> str:
    """Path of the control socket of a router that was started."""
    with listen() as control:
        numbers = [control.fileno(), listener.fileno()]
        command = [sys.executable, "-m", "lib.serving.server.router", str(folder), "--name", name]
        command += ["--control", str(numbers[0]), "--listener", str(numbers[1])]
        variables = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        process.start(command, folder, folder / LOG, variables, numbers)
        return control.getsockname()
