"""The endpoint of a use case on this machine, as `backends.base` knows endpoints."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lib.backends.base import EndpointStatus
from lib.errors import EndpointError
from lib.paths import shown
from lib.serving import endpoint as serving

if TYPE_CHECKING:
    from lib.parameters import Parameters

_RUNNING = "running"


class LocalBackendEndpoint:
    """A process on this machine, with its state in a folder.

    Parameters
    ----------
    folder : Path
        Below the workspace.
    name : str
        Of the use case.
    parameters : Parameters
        ``endpoint_host``, ``endpoint_port`` and ``endpoint_timeout_seconds``, for deploying.
    """

    def __init__(self, folder: Path, name: str, parameters: Parameters):
        self._served = serving.LocalEndpoint(folder, name)
        self._parameters = parameters

    def deploy(self, model_folder: Path, version: str, sha256: str, check: Callable[..., object]) -> EndpointStatus:
        """Bring a version up beside the one that serves, check it there, and only then give it the traffic."""
        deployed = self._served.deploy(
            model_folder,
            version,
            host=self._parameters.endpoint_host,
            port=self._parameters.endpoint_port,
            check=check,
            timeout_seconds=self._parameters.endpoint_timeout_seconds,
            sha256=sha256,
        )
        return _as_known(deployed)

    def status(self) -> EndpointStatus:
        """How it is now."""
        return _as_known(self._served.status())

    def stop(self) -> EndpointStatus:
        """Stop it; what was not running stays so."""
        return _as_known(self._served.stop())

    def logs(self, lines: int) -> str:
        """The last lines it logged."""
        return self._served.logs(lines)

    def key(self) -> str:
        """The key that its clients send; EndpointError where it was never deployed."""
        keys = self._served.keys()
        if "primary" not in keys:
            raise EndpointError(f"{self._served.name} was never deployed here, so it has no key. Run the chain first.")
        return keys["primary"]


def _as_known(status: serving.EndpointStatus) -> EndpointStatus:
    since = f"{datetime.datetime.fromtimestamp(status.started):%Y-%m-%d %H:%M:%S}" if status.started else ""
    detail = f"process {status.pid}, since {since}, log {shown(status.log)}" if status.state == _RUNNING else ""
    url = status.url if status.state == _RUNNING else ""
    return EndpointStatus(status.name, status.state, url or "", status.version or "", status.sha256 or "", detail)
