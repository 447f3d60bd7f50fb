"""The endpoint of a use case on this machine, as `lib.backends.base` defines endpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lib.errors import EndpointError
from lib.serving.deploying import systemd_unit
from lib.serving.deploying.endpoint import LocalEndpoint, RequestLogSettings
from lib.serving.rollout import Rollout

if TYPE_CHECKING:
    from lib.backends.base import EndpointStatus
    from lib.parameters import Parameters


class LocalBackendEndpoint:
    """A `LocalEndpoint` with the settings of a use case.

    Parameters
    ----------
    folder : Path
        The endpoint's folder, below the workspace.
    name : str
        Name of the use case.
    parameters : Parameters
        Those whose names begin with ``endpoint_`` and ``keep_``.
    """

    def __init__(self, folder: Path, name: str, parameters: Parameters):
        self._endpoint = LocalEndpoint(folder, name)
        self._parameters = parameters

    def exists(self) -> bool:
        """Return whether a version was ever deployed here."""
        return self._endpoint.exists()

    def deploy(self, model_folder: Path, version: str, sha256: str, check: Callable[..., object]) -> EndpointStatus:
        """Start a version beside the live one, check it, and only then give it traffic."""
        given = self._parameters
        return self._endpoint.deploy(
            model_folder,
            version,
            host=given.endpoint_host,
            port=given.endpoint_port,
            check=check,
            timeout_seconds=given.endpoint_timeout_seconds,
            sha256=sha256,
            workers=given.endpoint_workers,
            rollout=Rollout(
                percent=given.endpoint_traffic_percent,
                mirror=given.endpoint_mirror_percent,
                max_error_rate=given.endpoint_max_error_rate,
                p95_latency_ms=given.endpoint_p95_latency_ms,
                watch_minutes=given.endpoint_watch_minutes,
            ),
            request_log=RequestLogSettings(
                given.request_log, tuple(given.request_log_columns), given.request_log_megabytes
            ),
            allowed_hosts=given.endpoint_allowed_hosts,
        )

    def shift_traffic(self, percent: float, mirror: float) -> EndpointStatus:
        """Change the traffic of the version that is being rolled out."""
        return self._endpoint.shift(percent, mirror)

    def roll_back(self) -> EndpointStatus:
        """Give all traffic back to the previous version."""
        return self._endpoint.roll_back()

    def renew_key(self, name: str) -> str:
        """Replace one of the two keys; the endpoint accepts the new one at once."""
        self.key()  # raises an error if the endpoint was never deployed
        return self._endpoint.renew_key(name)

    def status(self) -> EndpointStatus:
        """Return the current status."""
        return self._endpoint.status()

    def stop(self) -> EndpointStatus:
        """Stop the endpoint, if it is running."""
        return self._endpoint.stop()

    def start(self) -> EndpointStatus:
        """Start the endpoint again after a stop or a restart of the machine, on its port and with its keys."""
        return self._endpoint.start()

    def enable(self) -> str:
        """Write and enable a systemd user unit that starts the endpoint with the machine."""
        unit = systemd_unit.enable(self._endpoint.folder, self._endpoint.name)
        return (
            f"{self._endpoint.name}: {unit} starts the endpoint when you log in. To have it started with the machine, "
            "run once: loginctl enable-linger"
        )

    def logs(self, lines: int) -> str:
        """Return the last lines of its log."""
        return self._endpoint.logs(lines)

    def key(self) -> str:
        """Return the key that clients send.

        Raises
        ------
        EndpointError
            If the endpoint was never deployed.
        """
        keys = self._endpoint.keys()
        if "primary" not in keys:
            name = self._endpoint.name
            raise EndpointError(f"{name} was never deployed here, so it has no key. Run the chain first.")
        return keys["primary"]
