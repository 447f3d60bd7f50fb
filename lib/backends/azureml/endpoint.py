"""Managed online endpoints: blue and green, asked before they get traffic, rolled back where they then fail.

An endpoint has at most two deployments, ``blue`` and ``green``, and the map of its traffic is always written whole. A
new version comes up beside the one that serves, with no traffic, and is asked by the header that names it; it may be
shown a share of the requests (mirrored, unanswered) first; then it gets its share of the traffic. With all of it, it is
asked once more through the front door, and only then is the old one deleted, since Azure bills both. With less, both
stay, until the share is raised to all or rolled back. Whatever fails before leaves the old one serving.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.error_translation import retry, translate_error
from lib.backends.azureml.resources import OF, SHA256, SINCE, VERSION, EndpointResources
from lib.backends.base import EndpointStatus
from lib.errors import EndpointError, MillraceError

if TYPE_CHECKING:
    from lib.backends.azureml.connection import Connection
    from lib.parameters import Parameters

BLUE, GREEN = "blue", "green"
DEPLOYMENT_HEADER = "azureml-model-deployment"
NOT_DEPLOYED, RUNNING = "not deployed", "running"
_LONGEST_NAME = 32
_MIRROR_SECONDS = 60
_SETTLE_SECONDS = 60
_PAUSE_SECONDS = 5


def name_of(name: str, workspace: Mapping[str, str]) -> str:
    """Name of a use case's endpoint: unique in the region, as Azure asks, by a hash of the workspace's own names."""
    suffix = hashlib.sha256("/".join(workspace.values()).lower().encode()).hexdigest()[:6]
    return f"{name[: _LONGEST_NAME - 1 - len(suffix)].rstrip('-')}-{suffix}"


def names_of(connection: Connection) -> list[str]:
    """Names of the use cases that have an endpoint in the workspace."""
    found = retry(lambda: list(connection.client.online_endpoints.list()), "list the endpoints")
    return sorted(one.tags[OF] for one in found if OF in (one.tags or {}))


class ManagedEndpoint:
    """The endpoint of a use case.

    Parameters
    ----------
    connection : Connection
    name : str
        Of the use case.
    parameters : Parameters
        ``endpoint_instance_type``, ``endpoint_timeout_seconds`` and ``endpoint_mirror``, for deploying.
    alone : callable
        Gives a context in which no other run deploys here.
    """

    def __init__(
        self,
        connection: Connection,
        name: str,
        parameters: Parameters,
        alone: Callable[[], AbstractContextManager],
    ):
        self._use_case, self._parameters, self._alone = name, parameters, alone
        self.name = name_of(name, connection.names)
        self._there = EndpointResources(connection, self.name, name, parameters)

    def deploy(self, model_folder: Path, version: str, sha256: str, check: Callable[..., object]) -> EndpointStatus:
        """Bring a registered version up beside the one that serves, check it there, and only then give it the traffic.

        Raises
        ------
        EndpointError
            With the end of its log, where it does not come up or answer; then what served before serves on.
        """
        doing, share = f"deploy version {version} to {self.name}", round(self._parameters.endpoint_traffic)
        with self._alone():
            endpoint = self._there.endpoint() or self._there.make()
            live = self._alone_live(endpoint)
            new = GREEN if live == BLUE else BLUE
            with self._taken_back(live, new, doing):
                self._there.create(new, model_folder, version, sha256)
                key = self.key()
                check(endpoint.scoring_uri, key, {DEPLOYMENT_HEADER: new})
                if live and self._parameters.endpoint_mirror:
                    self._mirror(live, new)
                    check(endpoint.scoring_uri, key, {DEPLOYMENT_HEADER: new})
                self._there.set_traffic({new: share, live: 100 - share} if live else {new: 100})
                if live is None or share == 100:
                    self._settled(lambda: check(endpoint.scoring_uri, key))
            if live and share == 100:
                self._there.delete(live)
        return self.status()

    def status(self) -> EndpointStatus:
        """How it is now."""
        endpoint = self._there.endpoint()
        live = _live(endpoint) if endpoint else None
        if live is None:
            return EndpointStatus(self._use_case, NOT_DEPLOYED)
        deployment = self._there.deployment(live)
        succeeded = deployment.provisioning_state == "Succeeded"
        state = RUNNING if succeeded else str(deployment.provisioning_state).lower()
        machines = f"{deployment.instance_count} x {deployment.instance_type}"
        shares = ", ".join(f"{name} {share} %" for name, share in sorted(endpoint.traffic.items()))
        return EndpointStatus(
            self._use_case,
            state,
            endpoint.scoring_uri if succeeded else "",
            (deployment.tags or {}).get(VERSION, ""),
            (deployment.tags or {}).get(SHA256, ""),
            f"endpoint {self.name}, deployment {live} of {shares}, {machines} each",
        )

    def shift_traffic(self, percent: float, mirror: float) -> EndpointStatus:
        """Change the share of the version that is on its way in; with all of it, the one before is deleted.

        Azure takes whole percents, and mirrors only to a version that gets none.

        Raises
        ------
        EndpointError
            Where no other version is deployed, or where both are asked for.
        """
        share, shown = round(percent), round(mirror)
        if share and shown:
            raise EndpointError(
                f"Azure mirrors requests only to a version without traffic: --percent {share} or --mirror {shown}."
            )
        with self._alone():
            before, new = self._both()
            self._there.set_traffic({before: 100 - share, new: share}, {new: shown} if shown else {})
            if share == 100:
                self._there.delete(before)
        return self.status()

    def roll_back(self) -> EndpointStatus:
        """Give all traffic back to the version before; the other stays for its log, until the next deployment."""
        with self._alone():
            before, new = self._both()
            self._there.set_traffic({before: 100, new: 0})
        return self.status()

    def renew_key(self, name: str) -> str:
        """Replace the key of that name, primary or secondary, and return the new one."""
        self.key()  # says so where there is no endpoint
        self._there.renew_key(name)
        return getattr(self._there.keys(), f"{name}_key")

    def stop(self) -> EndpointStatus:
        """Delete it, since Azure bills what is there; its next deployment has a new key."""
        if self.exists():
            self._there.remove()
        return self.status()

    def exists(self) -> bool:
        """Whether there is anything that costs."""
        return self._there.endpoint() is not None

    def logs(self, lines: int) -> str:
        """The last lines that the deployment with the traffic logged, or the only one there is."""
        endpoint = self._there.endpoint()
        names = self._there.names() if endpoint else []
        if not names:
            raise EndpointError(f"{self._use_case} has no deployment in this workspace, so there is no log.")
        return self._there.logs(_live(endpoint) or names[0], lines)

    def key(self) -> str:
        """The key that its clients send; EndpointError where it was never deployed."""
        if not self.exists():
            raise EndpointError(f"{self._use_case} has no endpoint in this workspace, so no key. Run the chain first.")
        return self._there.keys().primary_key

    # The parts of a deployment

    def _alone_live(self, endpoint: Any) -> str | None:
        """Deployment that serves, with all the traffic; what an earlier deployment left beside it is deleted."""
        live = _live(endpoint)
        left = [one for one in self._there.names() if one != live]
        if live and any((endpoint.traffic or {}).get(one) for one in left):
            self._there.set_traffic({live: 100, **dict.fromkeys(left, 0)})
        for one in left:
            self._there.delete(one)
        return live

    def _both(self) -> tuple[str, str]:
        """Deployment that was there before, and the one on its way in."""
        there = self._there.deployments() if self.exists() else []
        known = {one.name: (one.tags or {}).get(SINCE, "") for one in there}
        if len(known) < 2:
            raise EndpointError(
                f"{self._use_case} has no second version deployed at {self.name}, so its traffic cannot be moved. Set "
                "endpoint_traffic below 100, promote another version and run the deploy stage: both then stay. Without "
                "a second one, give the tag production back to the version before, and run the deploy stage."
            )
        before, new = sorted(known, key=known.get)
        return before, new

    def _mirror(self, live: str, new: str) -> None:
        """Show the new one a share of the requests for a while; its answers go nowhere, its failures show."""
        self._there.set_traffic({live: 100, new: 0}, {new: round(self._parameters.endpoint_mirror)})
        threading.Event().wait(_MIRROR_SECONDS)

    def _settled(self, check: Callable[[], object]) -> None:
        """The front door may send some requests the old way for a moment."""
        deadline, pause = time.monotonic() + _SETTLE_SECONDS, threading.Event()
        while True:
            try:
                check()
                return
            except EndpointError:
                if time.monotonic() > deadline:
                    raise
                pause.wait(_PAUSE_SECONDS)

    @contextlib.contextmanager
    def _taken_back(self, live: str | None, new: str, doing: str) -> Iterator[None]:
        """Take a deployment back where the body fails; the end of its log, which goes with it, is in the message."""
        try:
            yield
        except Exception as error:
            told = error if isinstance(error, MillraceError) else translate_error(error, doing)
            came_up = f"Azure ML: could not {doing}: it came up, and did not answer as it should. {told}"
            said = [str(told) if str(told).startswith("Azure ML") else came_up]
            try:
                if new in self._there.names():
                    said.append(self._there.log_for_the_record(new))
                self._roll_back(live, new)
                left = f"{live} serves on as before" if live else "nothing is left running"
                said.append(f"The deployment {new} is taken back; {left}.")
            except MillraceError as second:
                said.append(f"It could not be taken back: see to the endpoint {self.name} in the studio. {second}")
            raise EndpointError("\n".join(said)) from error
        except BaseException:
            self._roll_back(live, new)
            raise

    def _roll_back(self, live: str | None, new: str) -> None:
        """Give all traffic back to what served before, and delete what failed; nothing is left running."""
        if live is None:
            self._there.remove()
            return
        endpoint = self._there.endpoint()
        failed = [new] if new in self._there.names() else []
        if (endpoint.traffic or {}).get(live) != 100 or endpoint.mirror_traffic:
            self._there.set_traffic({live: 100, **dict.fromkeys(failed, 0)})
        for one in failed:
            self._there.delete(one)


def _live(endpoint: Any) -> str | None:
    """Deployment that has the traffic."""
    traffic = endpoint.traffic or {}
    return max(traffic, key=traffic.get) if any(traffic.values()) else None
