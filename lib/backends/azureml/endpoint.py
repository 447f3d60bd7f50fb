"""Managed online endpoints: blue and green, asked before they get traffic, rolled back where they then fail.

An endpoint has at most two deployments, ``blue`` and ``green``, and the map of its traffic is always written whole. A
new version comes up beside the one that serves, with no traffic, and is asked by the header that names it; it may be
shown a share of the requests (mirrored, unanswered) first; then it gets all traffic, is asked once more through the
front door, and only then is the old one deleted. Whatever fails before leaves the old one serving.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.backends.azureml import environment
from lib.backends.azureml.explain import explained, explaining, is_absent, patiently
from lib.backends.base import EndpointStatus
from lib.errors import EndpointError, MillraceError
from lib.paths import ROOT

if TYPE_CHECKING:
    from lib.backends.azureml.connection import Connection
    from lib.parameters import Parameters

BLUE, GREEN = "blue", "green"
CHOOSES = "azureml-model-deployment"
ABSENT, RUNNING = "not deployed", "running"
_OF, _VERSION, _SHA256 = "millrace", "version", "sha256"
_LONGEST_NAME = 32
_LOG_LINES = 40
_MIRROR_SECONDS = 60
_SETTLE_SECONDS = 60
_PAUSE_SECONDS = 5
_ENTRY = "lib/serving/score.py"
_NOT_CODE = shutil.ignore_patterns("__pycache__")


def name_of(name: str, workspace: Mapping[str, str]) -> str:
    """Name of a use case's endpoint: unique in the region, as Azure asks, by a hash of the workspace's own names."""
    suffix = hashlib.sha256("/".join(workspace.values()).lower().encode()).hexdigest()[:6]
    return f"{name[: _LONGEST_NAME - 1 - len(suffix)].rstrip('-')}-{suffix}"


def names_of(connection: Connection) -> list[str]:
    """Names of the use cases that have an endpoint in the workspace."""
    found = patiently(lambda: list(connection.client.online_endpoints.list()), "list the endpoints")
    return sorted(one.tags[_OF] for one in found if _OF in (one.tags or {}))


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
        self._connection, self._use_case, self._parameters, self._alone = connection, name, parameters, alone
        self.name = name_of(name, connection.names)

    @property
    def _endpoints(self) -> Any:
        return self._connection.client.online_endpoints

    @property
    def _deployments(self) -> Any:
        return self._connection.client.online_deployments

    def deploy(self, model_folder: Path, version: str, sha256: str, check: Callable[..., object]) -> EndpointStatus:
        """Bring a registered version up beside the one that serves, check it there, and only then give it the traffic.

        Raises
        ------
        EndpointError
            With the end of its log, where it does not come up or answer; then what served before serves on.
        """
        with self._alone():
            endpoint = self._endpoint() or self._make()
            live = _live(endpoint)
            new = GREEN if live == BLUE else BLUE
            for left in self._names_of_deployments():
                if left != live:  # what an earlier deployment left behind; it has no traffic
                    self._delete(left)
            try:
                self._create(new, version, sha256)
                key = self.key()
                check(endpoint.scoring_uri, key, {CHOOSES: new})
                if live and self._parameters.endpoint_mirror:
                    self._mirror(live, new)
                    check(endpoint.scoring_uri, key, {CHOOSES: new})
                self._set_traffic({new: 100, **({live: 0} if live else {})})
                self._settled(lambda: check(endpoint.scoring_uri, key))
            except BaseException as error:
                self._roll_back(live, new)
                if isinstance(error, Exception) and not isinstance(error, MillraceError):
                    raise explained(error, f"deploy version {version} to {self.name}") from error
                raise
            if live:
                self._delete(live)
        return self.status()

    def status(self) -> EndpointStatus:
        """How it is now."""
        endpoint = self._endpoint()
        live = _live(endpoint) if endpoint else None
        if live is None:
            return EndpointStatus(self._use_case, ABSENT)
        with explaining(f"look at the deployment {live} of {self.name}"):
            deployment = self._deployments.get(live, self.name)
        succeeded = deployment.provisioning_state == "Succeeded"
        state = RUNNING if succeeded else str(deployment.provisioning_state).lower()
        return EndpointStatus(
            self._use_case,
            state,
            endpoint.scoring_uri if succeeded else "",
            (deployment.tags or {}).get(_VERSION, ""),
            (deployment.tags or {}).get(_SHA256, ""),
            f"endpoint {self.name}, deployment {live}, {deployment.instance_count} x {deployment.instance_type}",
        )

    def shift_traffic(self, percent: float, mirror: float) -> EndpointStatus:
        """Change the share of a version that stands beside the one with the traffic; Azure takes whole percents.

        Raises
        ------
        EndpointError
            Where no other version is deployed: `deploy` deletes the old one once the new one has all traffic.
        """
        with self._alone():
            live, other = self._both()
            shown = {other: round(mirror)} if mirror else {}
            self._set_traffic({live: 100 - round(percent), other: round(percent)}, shown)
        return self.status()

    def roll_back(self) -> EndpointStatus:
        """Give all traffic to the other version that is deployed; EndpointError where there is none."""
        with self._alone():
            live, other = self._both()
            self._set_traffic({live: 0, other: 100})
        return self.status()

    def renew_key(self, name: str) -> str:
        """Replace the key of that name, primary or secondary, and return the new one."""
        self.key()  # says so where there is no endpoint
        doing = f"renew the {name} key of {self.name}"
        self._wait(lambda: self._endpoints.begin_regenerate_keys(self.name, key_type=name), doing)
        keys = patiently(lambda: self._endpoints.get_keys(self.name), f"get the keys of {self.name}")
        return getattr(keys, f"{name}_key")

    def stop(self) -> EndpointStatus:
        """Delete it, since Azure bills what is there; its next deployment has a new key."""
        if self._endpoint() is not None:
            self._wait(lambda: self._endpoints.begin_delete(self.name), f"delete the endpoint {self.name}")
        return self.status()

    def exists(self) -> bool:
        """Whether there is anything that costs."""
        return self._endpoint() is not None

    def logs(self, lines: int) -> str:
        """The last lines that the deployment with the traffic logged, or the only one there is."""
        endpoint = self._endpoint()
        names = self._names_of_deployments() if endpoint else []
        if not names:
            raise EndpointError(f"{self._use_case} has no deployment in this workspace, so there is no log.")
        return self._logs_of(_live(endpoint) or names[0], lines)

    def key(self) -> str:
        """The key that its clients send; EndpointError where it was never deployed."""
        if self._endpoint() is None:
            raise EndpointError(f"{self._use_case} has no endpoint in this workspace, so no key. Run the chain first.")
        return patiently(lambda: self._endpoints.get_keys(self.name).primary_key, f"get the key of {self.name}")

    # The parts of a deployment

    def _endpoint(self) -> Any:
        def get() -> Any:
            try:
                return self._endpoints.get(self.name)
            except Exception as error:
                if is_absent(error):
                    return None
                raise

        return patiently(get, f"look at the endpoint {self.name}")

    def _both(self) -> tuple[str, str]:
        """Deployment with the traffic, and the other one."""
        endpoint = self._endpoint()
        live = _live(endpoint) if endpoint else None
        others = [one for one in self._names_of_deployments() if one != live] if live else []
        if not others:
            raise EndpointError(
                f"{self._use_case} has no second version deployed at {self.name}, so its traffic cannot be moved. "
                "Promote another version and run the deploy stage."
            )
        return live, others[0]

    def _make(self) -> Any:
        from azure.ai.ml.entities import ManagedOnlineEndpoint

        asked = ManagedOnlineEndpoint(name=self.name, auth_mode="key", tags={_OF: self._use_case})
        self._wait(lambda: self._endpoints.begin_create_or_update(asked), f"make the endpoint {self.name}")
        return self._endpoint()

    def _create(self, deployment: str, version: str, sha256: str) -> None:
        from azure.ai.ml.entities import CodeConfiguration, ManagedOnlineDeployment

        surroundings = environment.registered(self._connection.workspace)
        with tempfile.TemporaryDirectory(prefix="scoring-") as folder:
            shutil.copytree(ROOT / "lib" / "serving", Path(folder) / "lib" / "serving", ignore=_NOT_CODE)
            for file in ("__init__.py", "errors.py"):
                shutil.copy(ROOT / "lib" / file, Path(folder) / "lib" / file)
            asked = ManagedOnlineDeployment(
                name=deployment,
                endpoint_name=self.name,
                model=f"azureml:{self._use_case}:{version}",
                environment=f"azureml:{surroundings.name}:{surroundings.version}",
                code_configuration=CodeConfiguration(code=folder, scoring_script=_ENTRY),
                instance_type=self._parameters.endpoint_instance_type,
                instance_count=1,
                environment_variables={"MILLRACE_MODEL_SHA256": sha256},
                tags={_VERSION: version, _SHA256: sha256},
            )
            doing = f"deploy version {version} to {self.name}"
            try:
                self._wait(lambda: self._deployments.begin_create_or_update(asked), doing)
            except MillraceError as error:
                raise EndpointError(f"{error}\n{self._log_for_the_record(deployment)}") from error

    def _mirror(self, live: str, new: str) -> None:
        """Show the new one a share of the requests for a while; its answers go nowhere, its failures show."""
        self._set_traffic({live: 100, new: 0}, {new: round(self._parameters.endpoint_mirror)})
        threading.Event().wait(_MIRROR_SECONDS)

    def _set_traffic(self, traffic: Mapping[str, int], mirrored: Mapping[str, int] | None = None) -> None:
        """Write the whole map: a deployment that it leaves out keeps what it had."""
        endpoint = self._endpoint()
        endpoint.traffic, endpoint.mirror_traffic = dict(traffic), dict(mirrored or {})
        self._wait(lambda: self._endpoints.begin_create_or_update(endpoint), f"give {self.name} the traffic {traffic}")

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

    def _roll_back(self, live: str | None, new: str) -> None:
        """Give all traffic back to what served before, and delete what failed; nothing is left running."""
        endpoint = self._endpoint()
        if live and endpoint and (endpoint.traffic or {}).get(live) != 100:
            self._set_traffic({live: 100, **({new: 0} if new in self._names_of_deployments() else {})})
        if not live:
            self._wait(lambda: self._endpoints.begin_delete(self.name), f"delete the endpoint {self.name}")
        elif new in self._names_of_deployments():
            if (endpoint.mirror_traffic or {}).get(new):
                self._set_traffic({live: 100, new: 0})
            self._delete(new)

    def _delete(self, deployment: str) -> None:
        doing = f"delete the deployment {deployment} of {self.name}"
        endpoint = self._endpoint()
        if deployment in (endpoint.traffic or {}):  # Azure refuses to delete what its map still names
            self._set_traffic({name: share for name, share in endpoint.traffic.items() if name != deployment})
        self._wait(lambda: self._deployments.begin_delete(name=deployment, endpoint_name=self.name), doing)

    def _names_of_deployments(self) -> list[str]:
        found = patiently(lambda: list(self._deployments.list(self.name)), f"list the deployments of {self.name}")
        return [one.name for one in found]

    def _logs_of(self, deployment: str, lines: int) -> str:
        with explaining(f"read the log of {deployment} of {self.name}"):
            return self._deployments.get_logs(name=deployment, endpoint_name=self.name, lines=lines)

    def _log_for_the_record(self, deployment: str) -> str:
        """The end of a failed deployment's log, for the message; the whole of it goes to the active MLflow run."""
        import mlflow

        try:
            text = self._logs_of(deployment, 1000)
        except MillraceError as error:
            return f"Its log could not be read: {error}"
        if mlflow.active_run() is not None:
            mlflow.log_text(text, f"logs/{self.name}-{deployment}.log")
        lines = [line for line, _ in itertools.groupby(text.strip().splitlines())]  # a probe says the same for minutes
        return "\n  ".join(["The end of its log:", *(lines[-_LOG_LINES:] or ["(empty)"])])

    def _wait(self, begin: Callable[[], Any], doing: str) -> None:
        """Begin a long operation, and wait for its end as long as the parameters allow."""
        seconds = self._parameters.endpoint_timeout_seconds
        # The SDK prints a point for each look, and that the endpoint exists.
        with explaining(doing), contextlib.redirect_stdout(io.StringIO()):
            poller = patiently(begin, doing)
            poller.wait(seconds)
            if not poller.done():
                raise EndpointError(
                    f"Azure ML: could not {doing}: it was not ready after {seconds:g} seconds. Raise "
                    "endpoint_timeout_seconds; the first image of an environment takes a quarter of an hour."
                )
            poller.result()


def _live(endpoint: Any) -> str | None:
    """Deployment that has the traffic."""
    traffic = endpoint.traffic or {}
    return max(traffic, key=traffic.get) if any(traffic.values()) else None
