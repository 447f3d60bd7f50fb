"""The local backend: MLflow on SQLite, artifacts and data in folders, and an endpoint on this machine."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lib import automl
from lib.backends.base import Check
from lib.errors import InputError
from lib.paths import resolve
from lib.tables import sources

if TYPE_CHECKING:
    from lib.backends.base import NotebookExecutor
    from lib.backends.local.backend import LocalBackend
    from lib.parameters import Parameters


def faults(parameters: Parameters) -> list[str]:
    """Return one sentence for each fault that can be detected before a kernel starts."""
    sentences = []
    try:
        sources.describe(parameters.data)
    except InputError as error:
        sentences.append(f"data: {error}")
    if parameters.automl:
        sentences += automl.faults(parameters)
    return sentences + _port_faults(parameters)


def _port_faults(parameters: Parameters) -> list[str]:
    """Return one sentence if another program uses the port in ``endpoint_port``; otherwise an empty list.

    Without this check, only the deployment would notice, after the promotion of the model.
    """
    host, port = parameters.endpoint_host, parameters.endpoint_port
    if port == 0:
        return []
    record = resolve(parameters.workspace) / "endpoints" / parameters.name / "endpoint.json"
    if record.is_file() and json.loads(record.read_text(encoding="utf-8")).get("port") == port:
        return []  # the running endpoint has this port, and the next deployment takes it over
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return []
    except OSError as error:
        from lib.serving.process import port_owner

        return [
            f"endpoint_port: cannot listen on {host} port {port} ({error.strerror}); the port is used by "
            f"{port_owner(port)}. Choose another port, or 0 for any free one."
        ]


def remote_executors(parameters: Parameters, stages: Sequence[str]) -> dict[str, NotebookExecutor]:
    """Return no executors, because the chain executes every notebook on this machine."""
    return {}


def estimate(parameters: Parameters, stages: Sequence[str]) -> None:
    """Return None, because a run on this machine costs nothing."""


def diagnose(parameters: Parameters) -> list[Check]:
    """Check the stores, the table, the disk space and the parameters."""
    checks = connect(parameters).prepare()
    return checks + [Check("parameters", fault, ok=False) for fault in faults(parameters)]


def connect(parameters: Parameters) -> LocalBackend:
    """Return the backend on this machine."""
    from lib.backends.local.backend import LocalBackend

    return LocalBackend(parameters)
