"""The endpoint of a use case on this machine, as `backends.base` knows endpoints."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lib.backends.base import EndpointStatus
from lib.errors import EndpointError
from lib.paths import display_path
from lib.serving.deploying import endpoint as serving
from lib.serving.deploying.status import EndpointStatus as ServingStatus
from lib.serving.rollout import Rollout

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
        Those of the endpoint, for deploying.
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
            workers=self._parameters.endpoint_workers,
            rollout=Rollout(
                percent=self._parameters.endpoint_traffic,
                mirror=self._parameters.endpoint_mirror,
                most_errors=self._parameters.endpoint_max_error_rate,
                most_latency_ms=self._parameters.endpoint_p95_latency_ms,
                watch_minutes=self._parameters.endpoint_watch_minutes,
            ),
            keeping=serving.Keeping(
                self._parameters.request_log,
                tuple(self._parameters.request_log_columns),
                self._parameters.request_log_megabytes,
            ),
        )
        return _as_known(deployed)

    def shift_traffic(self, percent: float, mirror: float) -> EndpointStatus:
        """Change the share of the version that is on its way in."""
        return _as_known(self._served.shift(percent, mirror))

    def roll_back(self) -> EndpointStatus:
        """Give all traffic back to the version before."""
        return _as_known(self._served.roll_back())

    def renew_key(self, name: str) -> str:
        """Replace one of the two keys; the endpoint takes the new one at once."""
        self.key()
        return self._served.renew_key(name)

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


def _as_known(status: ServingStatus) -> EndpointStatus:
    since = f"{datetime.datetime.fromtimestamp(status.started):%Y-%m-%d %H:%M:%S}" if status.started else ""
    detail = ""
    if status.state == _RUNNING:
        told = [
            status.beside,
            status.form or "",
            f"process {status.pid}",
            f"since {since}",
            f"log {display_path(status.log)}",
        ]
        detail = ", ".join(filter(None, told))
    url = status.url if status.state == _RUNNING else ""
    return EndpointStatus(status.name, status.state, url or "", status.version or "", status.sha256 or "", detail)
