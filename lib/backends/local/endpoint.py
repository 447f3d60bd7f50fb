"""The endpoint of a use case on this machine, as `lib.backends.base` defines endpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lib.errors import EndpointError
from lib.scoring.model import read_model
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
        Parameters of the use case whose names begin with ``endpoint_`` and ``request_log``.
    """

    def __init__(self, folder: Path, name: str, parameters: Parameters):
        self._endpoint = LocalEndpoint(folder, name)
        self._parameters = parameters

    def exists(self) -> bool:
        """Return whether a version was ever deployed here."""
        return self._endpoint.exists()

    def deploy(
        self, model_folder: Path, version: str, sha256: str, check: Callable[..., object], about: Mapping[str, str]
    ) -> EndpointStatus:
        """Start a model version, check it, and only then route traffic to it. The live version answers until then."""
        parameters = self._parameters
        return self._endpoint.deploy(
            model_folder,
            version,
            host=parameters.endpoint_host,
            port=parameters.endpoint_port,
            check=check,
            timeout_seconds=parameters.endpoint_timeout_seconds,
            sha256=sha256,
            workers=parameters.endpoint_workers,
            rollout=Rollout(
                percent=parameters.endpoint_traffic_percent,
                mirror=parameters.endpoint_mirror_percent,
                max_error_rate=parameters.endpoint_max_error_rate,
                p95_latency_ms=parameters.endpoint_p95_latency_ms,
                watch_minutes=parameters.endpoint_watch_minutes,
            ),
            request_log=RequestLogSettings(
                parameters.request_log, list_logged_columns(model_folder, parameters), parameters.request_log_megabytes
            ),
            allowed_hosts=parameters.endpoint_allowed_hosts,
            about=about,
        )

    def shift_traffic(self, percent: float, mirror_percent: float) -> EndpointStatus:
        """Set the traffic percentages of the version that is being rolled out."""
        return self._endpoint.shift(percent, mirror_percent)

    def roll_back(self) -> EndpointStatus:
        """Route all traffic to the previous version."""
        return self._endpoint.roll_back()

    def renew_key(self, name: str) -> str:
        """Replace the ``"primary"`` or ``"secondary"`` key, and return the new key, which is valid at once."""
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
        """Return the last lines of the endpoint's log."""
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
            raise EndpointError(f"{name} was never deployed here, so there is no key. Run the deploy stage first.")
        return keys["primary"]


def list_logged_columns(model_folder: Path, parameters: Parameters) -> tuple[str, ...]:
    """Return the columns that the request log may contain; empty for all columns."""
    private = parameters.get("private_columns") or []
    if parameters.request_log_columns or not private:
        return tuple(parameters.request_log_columns)
    return tuple(column.name for column in read_model(model_folder).columns if column.name not in private)
