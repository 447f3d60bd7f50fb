"""Managed online endpoints with blue-green deployments.

An endpoint has at most two deployments, ``blue`` and ``green``. A new model version is deployed next to the current one
without traffic, and is checked through the header that selects a deployment. Optionally, a share of the requests is
mirrored to the new version for a while. Then the new version receives its share of the traffic.

- If the share is 100 percent, the version is checked again without the header. Then the old deployment is deleted,
  since Azure charges for both.
- Otherwise, both deployments stay until the share is raised to 100 percent or the version is rolled back.

If any step fails, the old deployment keeps serving.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.endpoint_names import endpoint_name
from lib.backends.azureml.error_translation import translate_error
from lib.backends.azureml.resources import CREATED_TAG, SHA256_TAG, VERSION_TAG, EndpointResources
from lib.backends.base import EndpointStatus
from lib.errors import EndpointError, MillraceError
from lib.invocation import command

if TYPE_CHECKING:
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    from lib.backends.azureml.connection import Connection
    from lib.parameters import Parameters

BLUE, GREEN = "blue", "green"
DEPLOYMENT_HEADER = "azureml-model-deployment"
NOT_DEPLOYED, RUNNING = "not deployed", "running"
_MIRROR_SECONDS = 60
_PROPAGATION_SECONDS = 60
_POLL_SECONDS = 5


class ManagedEndpoint:
    """The managed online endpoint of a use case.

    Parameters
    ----------
    connection : Connection
    use_case : str
    parameters : Parameters
        ``endpoint_instance_type``, ``endpoint_timeout_seconds``, ``endpoint_traffic_percent``
        and ``endpoint_mirror_percent``.
    lock : callable
        Returns a context manager that keeps other runs from changing this endpoint.
    """

    def __init__(
        self,
        connection: Connection,
        use_case: str,
        parameters: Parameters,
        lock: Callable[[], AbstractContextManager],
    ):
        self._use_case, self._parameters, self._lock = use_case, parameters, lock
        self.name = endpoint_name(use_case, connection.workspace_names)
        self._resources = EndpointResources(connection, self.name, use_case, parameters)

    def deploy(
        self, model_folder: Path, version: str, sha256: str, check: Callable[..., object], about: Mapping[str, str]
    ) -> EndpointStatus:
        """Deploy a registered model version, check it, and then route traffic to it. It has no page for ``about``.

        Raises
        ------
        EndpointError
            If the version does not start or fails the check. The previous version keeps serving.
        """
        percent = round(self._parameters.endpoint_traffic_percent)
        with self._lock():
            endpoint = self._resources.endpoint() or self._resources.create_endpoint()
            live = self._keep_only_live_deployment(endpoint)
            new = GREEN if live == BLUE else BLUE
            with self._undo_on_failure(live, new, f"deploy version {version} to {self.name}"):
                self._resources.create_deployment(new, model_folder, version, sha256)
                key = self.key()
                check(endpoint.scoring_uri, key, {DEPLOYMENT_HEADER: new})
                if live and self._parameters.endpoint_mirror_percent:
                    self._mirror_requests(live, new)
                    check(endpoint.scoring_uri, key, {DEPLOYMENT_HEADER: new})
                self._resources.set_traffic({new: percent, live: 100 - percent} if live else {new: 100})
                if live is None or percent == 100:
                    self._check_until_propagated(lambda: check(endpoint.scoring_uri, key))
            if live and percent == 100:
                self._resources.delete_deployment(live)
        return self.status()

    def status(self) -> EndpointStatus:
        """Return the current state."""
        endpoint = self._resources.endpoint()
        live = _live_deployment(endpoint) if endpoint else None
        if endpoint is None or live is None:
            return EndpointStatus(self._use_case, NOT_DEPLOYED)
        deployment = self._resources.deployment(live)
        is_running = deployment.provisioning_state == "Succeeded"
        tags = deployment.tags or {}
        shares = ", ".join(f"{name} {share} %" for name, share in sorted(endpoint.traffic.items()))
        return EndpointStatus(
            name=self._use_case,
            state=RUNNING if is_running else str(deployment.provisioning_state).lower(),
            url=endpoint.scoring_uri if is_running else "",
            version=tags.get(VERSION_TAG, ""),
            sha256=tags.get(SHA256_TAG, ""),
            detail=f"endpoint {self.name}, deployment {live} (traffic: {shares}), "
            f"{deployment.instance_count} x {deployment.instance_type}",
        )

    def shift_traffic(self, percent: float, mirror_percent: float) -> EndpointStatus:
        """Set the new version's share of the traffic; at 100 percent, delete the previous version.

        Azure accepts whole percentages only, and mirrors requests only to a version without traffic.

        Raises
        ------
        EndpointError
            If there is no second version, or if both `percent` and `mirror_percent` are positive.
        """
        percent, mirror_percent = round(percent), round(mirror_percent)
        if percent and mirror_percent:
            raise EndpointError(
                "Azure mirrors requests only to a version without traffic. Set either --percent "
                f"{percent} or --mirror {mirror_percent}."
            )
        with self._lock():
            previous, new = self._previous_and_new()
            self._resources.set_traffic(
                {previous: 100 - percent, new: percent}, {new: mirror_percent} if mirror_percent else {}
            )
            if percent == 100:
                self._resources.delete_deployment(previous)
        return self.status()

    def roll_back(self) -> EndpointStatus:
        """Route all traffic to the previous version. The new version and its log stay until the next deployment."""
        with self._lock():
            previous, new = self._previous_and_new()
            self._resources.set_traffic({previous: 100, new: 0})
        return self.status()

    def renew_key(self, name: str) -> str:
        """Replace the ``"primary"`` or ``"secondary"`` key and return the new one."""
        self.key()  # raises an error if there is no endpoint
        self._resources.renew_key(name)
        return getattr(self._resources.keys(), f"{name}_key")

    def start(self) -> EndpointStatus:
        """Return the status of a running endpoint: Azure starts it by itself, and a deleted one has to be deployed.

        Raises
        ------
        EndpointError
            If there is no endpoint.
        """
        status = self.status()
        if status.state == NOT_DEPLOYED:
            raise EndpointError(f"{self._use_case} has no endpoint on Azure. Deploy one: {command('--from', 'deploy')}")
        return status

    def enable(self) -> str:
        """Return that there is nothing to do."""
        return f"{self._use_case}: Azure keeps the endpoint running. There is nothing to enable."

    def stop(self) -> EndpointStatus:
        """Delete the endpoint, because Azure charges for a running one. The next deployment gets a new key."""
        if self.exists():
            self._resources.delete_endpoint()
        return self.status()

    def exists(self) -> bool:
        """Return whether the endpoint exists, even without a deployment."""
        return self._resources.endpoint() is not None

    def logs(self, lines: int) -> str:
        """Return the last log lines of the deployment with the most traffic, or of the only one."""
        endpoint = self._resources.endpoint()
        names = self._resources.deployment_names() if endpoint else []
        if endpoint is None or not names:
            raise EndpointError(
                f"{self._use_case} has no deployment in this workspace, so there is no log. Run the deploy stage first."
            )
        return self._resources.logs(_live_deployment(endpoint) or names[0], lines)

    def key(self) -> str:
        """Return the primary key.

        Raises
        ------
        EndpointError
            If the endpoint does not exist.
        """
        if not self.exists():
            raise EndpointError(
                f"{self._use_case} has no endpoint in this workspace, so there is no key. Run the deploy stage first."
            )
        return self._resources.keys().primary_key

    def _keep_only_live_deployment(self, endpoint: ManagedOnlineEndpoint) -> str | None:
        """Route all traffic to the live deployment, delete all other deployments, and return the live one's name.

        The result is None if no deployment gets traffic; all deployments are deleted then.
        """
        live = _live_deployment(endpoint)
        others = [name for name in self._resources.deployment_names() if name != live]
        if live and any((endpoint.traffic or {}).get(name) for name in others):
            self._resources.set_traffic({live: 100, **dict.fromkeys(others, 0)})
        for name in others:
            self._resources.delete_deployment(name)
        return live

    def _previous_and_new(self) -> tuple[str, str]:
        """Return the names of the older and of the newer deployment.

        Raises
        ------
        EndpointError
            If there are fewer than two deployments.
        """
        deployments = self._resources.deployments() if self.exists() else []
        created = {deployment.name: (deployment.tags or {}).get(CREATED_TAG, "") for deployment in deployments}
        if len(created) < 2:
            raise EndpointError(
                f"{self._use_case} has no second version deployed at {self.name}, so its traffic cannot be moved. Set "
                "endpoint_traffic_percent below 100, promote another version and run the deploy stage: both versions "
                "then stay deployed. With a single deployment, tag the earlier version as production again and run "
                "the deploy stage."
            )
        previous, new = sorted(created, key=lambda name: created[name])
        return previous, new

    def _mirror_requests(self, live: str, new: str) -> None:
        """Mirror a share of the requests to the new deployment for a while, to reveal failures."""
        self._resources.set_traffic({live: 100, new: 0}, {new: round(self._parameters.endpoint_mirror_percent)})
        threading.Event().wait(_MIRROR_SECONDS)

    def _check_until_propagated(self, check: Callable[[], object]) -> None:
        """Repeat a failing check for a while, because some requests still reach the old deployment at first."""
        deadline, pause = time.monotonic() + _PROPAGATION_SECONDS, threading.Event()
        while True:
            try:
                check()
                return
            except EndpointError:
                if time.monotonic() > deadline:
                    raise
                pause.wait(_POLL_SECONDS)

    @contextlib.contextmanager
    def _undo_on_failure(self, live: str | None, new: str, action: str) -> Iterator[None]:
        """Remove the new deployment if the ``with`` block fails, and add the end of its log to the error."""
        try:
            yield
        except Exception as error:
            lines = [_failure_message(error, action)]
            try:
                if new in self._resources.deployment_names():
                    lines.append(self._resources.save_log(new))
                self._undo(live, new)
                outcome = f"{live} keeps serving" if live else "nothing is left running"
                lines.append(f"The deployment {new} was removed; {outcome}.")
            except MillraceError as removal_error:
                lines.append(
                    f"The deployment {new} could not be removed. Delete it from the endpoint {self.name} in the "
                    f"studio. {removal_error}"
                )
            raise EndpointError("\n".join(lines)) from error
        except BaseException:
            self._undo(live, new)
            raise

    def _undo(self, live: str | None, new: str) -> None:
        """Route all traffic to the live deployment and delete the new one; delete the endpoint if none is live."""
        if live is None:
            self._resources.delete_endpoint()
            return
        endpoint = self._resources.existing_endpoint()
        failed = [new] if new in self._resources.deployment_names() else []
        if (endpoint.traffic or {}).get(live) != 100 or endpoint.mirror_traffic:
            self._resources.set_traffic({live: 100, **dict.fromkeys(failed, 0)})
        for name in failed:
            self._resources.delete_deployment(name)


def _failure_message(error: Exception, action: str) -> str:
    """Return the message for a failed deployment, or for one that started but failed the check."""
    message = str(error if isinstance(error, MillraceError) else translate_error(error, action))
    if message.startswith("Azure ML"):
        return message
    return f"Azure ML: could not {action}: the new version started, but failed its check. {message}"


def _live_deployment(endpoint: Any) -> str | None:
    """Return the name of the deployment with the most traffic; None if no deployment gets traffic."""
    traffic: dict[str, int] = endpoint.traffic or {}
    return max(traffic, key=lambda name: traffic[name]) if any(traffic.values()) else None
