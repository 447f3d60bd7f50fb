"""The laptop: MLflow on SQLite, artifacts and data in folders, an endpoint on 127.0.0.1; nothing else is needed."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lib import automl
from lib.backends.base import Check
from lib.data import sources
from lib.errors import InputError
from lib.paths import resolve

if TYPE_CHECKING:
    from lib.backends.base import NotebookExecutor
    from lib.backends.local.backend import LocalBackend
    from lib.parameters import Parameters


def faults(parameters: Parameters) -> list[str]:
    """What can be seen to be wrong before anything is started: a sentence each."""
    found = []
    try:
        sources.describe(parameters.data)
    except InputError as error:
        found.append(f"data: {error}")
    return found + (automl.faults(parameters) if parameters.automl else []) + _port_faults(parameters)


def _port_faults(parameters: Parameters) -> list[str]:
    """A port that another program holds: seen now, not when a model has been promoted already."""
    host, port = parameters.endpoint_host, parameters.endpoint_port
    if port == 0:
        return []
    own = resolve(parameters.workspace) / "endpoints" / parameters.name / "endpoint.json"
    if own.is_file() and json.loads(own.read_text(encoding="utf-8")).get("port") == port:
        return []  # this endpoint's own; the next deployment takes it over
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return []
    except OSError as error:
        from lib.serving.process import port_owner

        holder = port_owner(port)
        by = f" by {holder}" if holder else ""
        return [
            f"endpoint_port: {host} port {port} cannot be had ({error.strerror}){by}. Use another, or 0 for a free one."
        ]


def executors(parameters: Parameters, stages: Sequence[str]) -> dict[str, NotebookExecutor]:
    """None: the chain itself executes every notebook."""
    return {}


def estimate(parameters: Parameters, stages: Sequence[str]) -> None:
    """None: this machine is there anyway."""


def diagnose(parameters: Parameters) -> list[Check]:
    """Stores, table and space on this machine."""
    found = connect(parameters).prepare()
    return found + [Check("parameters", fault, ok=False) for fault in faults(parameters)]


def connect(parameters: Parameters) -> LocalBackend:
    """Backend on this machine."""
    from lib.backends.local.backend import LocalBackend

    return LocalBackend(parameters)
