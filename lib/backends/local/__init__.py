"""The local backend: MLflow on SQLite, artifacts and data in folders, and an endpoint on this machine."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from pathlib import Path
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

    Otherwise it would be noticed only by the deployment, after the model's promotion. A running endpoint keeps its
    port, and a stopped one gets the port back that it had.
    """
    host, port = parameters.endpoint_host, parameters.endpoint_port
    folder = resolve(parameters.workspace) / "endpoints" / parameters.name
    record = json.loads((folder / "endpoint.json").read_text("utf-8")) if (folder / "endpoint.json").is_file() else {}
    latest_port = record.get("port", 0)
    if port in (0, latest_port):
        port = latest_port
        if port == 0 or _is_running(record.get("pid"), folder):
            return []
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return []
    except OSError as error:
        from lib.serving import process

        advice = "Choose another port, or 0 for any free one."
        if port == latest_port:
            advice = "Clients of the endpoint use this port. Stop the other program, or choose another port."
        return [
            f"endpoint_port: cannot listen on {host} port {port} ({error.strerror}); it is used by "
            f"{process.port_owner(port)}. {advice}"
        ]


def _is_running(pid: int | None, folder: Path) -> bool:
    """Return whether the router of an endpoint's folder runs."""
    from lib.serving import process

    return process.find(pid, str(folder)) is not None


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


def redact_tracking(parameters: Parameters, run_name: str) -> list[tuple[str, str]]:
    """Redact secrets in the MLflow runs of a run; see `backends.redact_tracking`."""
    from lib.backends.local import secret_search

    return secret_search.redact(resolve(parameters.workspace), run_name)
