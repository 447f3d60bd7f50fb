"""The Azure resources of an endpoint and its deployments: read, written and deleted; `endpoint` decides when."""

from __future__ import annotations

import contextlib
import datetime
import io
import itertools
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.backends.azureml import environment
from lib.backends.azureml.error_translation import is_not_found, retry, translate_errors
from lib.backends.azureml.remote_model import is_remote
from lib.backends.azureml.snapshot import pack_serving
from lib.errors import EndpointError, MillraceError

if TYPE_CHECKING:
    from lib.backends.azureml.connection import Connection
    from lib.parameters import Parameters

OF, VERSION, SHA256, SINCE = "millrace", "version", "sha256", "since"
_LOG_LINES = 40
_ENTRY = "lib/scoring/score.py"


class EndpointResources:
    """The resources of one endpoint.

    Parameters
    ----------
    connection : Connection
        Connection to the workspace.
    name : str
        Name of the endpoint on Azure.
    use_case : str
        Name of the use case, and so of its model.
    parameters : Parameters
        ``endpoint_instance_type`` and ``endpoint_timeout_seconds``.
    """

    def __init__(self, connection: Connection, name: str, use_case: str, parameters: Parameters):
        self._connection, self.name, self._use_case, self._parameters = connection, name, use_case, parameters

    @property
    def _endpoints(self) -> Any:
        return self._connection.client.online_endpoints

    @property
    def _deployments(self) -> Any:
        return self._connection.client.online_deployments

    # The endpoint

    def endpoint(self) -> Any:
        """Return the endpoint; None if it does not exist."""

        def get() -> Any:
            try:
                return self._endpoints.get(self.name)
            except Exception as error:
                if is_not_found(error):
                    return None
                raise

        return retry(get, f"read the endpoint {self.name}")

    def make(self) -> Any:
        """Create the endpoint, without a deployment."""
        from azure.ai.ml.entities import ManagedOnlineEndpoint

        request = ManagedOnlineEndpoint(name=self.name, auth_mode="key", tags={OF: self._use_case})
        self._wait(lambda: self._endpoints.begin_create_or_update(request), f"create the endpoint {self.name}")
        return self.endpoint()

    def remove(self) -> None:
        """Delete the endpoint with all its deployments."""
        self._wait(lambda: self._endpoints.begin_delete(self.name), f"delete the endpoint {self.name}")

    def set_traffic(self, traffic: Mapping[str, int], mirrored: Mapping[str, int] | None = None) -> None:
        """Set the traffic of all deployments: one that the map leaves out would keep its share."""
        endpoint = self.endpoint()
        endpoint.traffic, endpoint.mirror_traffic = dict(traffic), dict(mirrored or {})
        self._wait(lambda: self._endpoints.begin_create_or_update(endpoint), f"give {self.name} the traffic {traffic}")

    def keys(self) -> Any:
        """Return the keys, with attributes ``primary_key`` and ``secondary_key``."""
        return retry(lambda: self._endpoints.get_keys(self.name), f"get the keys of {self.name}")

    def renew_key(self, name: str) -> None:
        """Replace a key, ``"primary"`` or ``"secondary"``."""
        doing = f"renew the {name} key of {self.name}"
        self._wait(lambda: self._endpoints.begin_regenerate_keys(self.name, key_type=name), doing)

    # The deployments

    def deployments(self) -> list[Any]:
        """Return the deployments."""
        return retry(lambda: list(self._deployments.list(self.name)), f"list the deployments of {self.name}")

    def names(self) -> list[str]:
        """Return the names of the deployments."""
        return [deployment.name for deployment in self.deployments()]

    def deployment(self, name: str) -> Any:
        """Return a deployment."""
        return retry(lambda: self._deployments.get(name, self.name), f"read the deployment {name} of {self.name}")

    def create(self, deployment: str, model_folder: Path, version: str, sha256: str) -> None:
        """Deploy a registered version without traffic, on the code saved with it, and wait until it is ready."""
        from azure.ai.ml.entities import CodeConfiguration, ManagedOnlineDeployment

        workspace = self._connection.workspace
        if is_remote(model_folder):
            model_environment = environment.for_model(workspace, model_folder)
        else:
            model_environment = environment.get_or_register(workspace)
        now = datetime.datetime.now(datetime.UTC)
        with tempfile.TemporaryDirectory(prefix="scoring-") as folder:
            pack_serving(Path(folder), model_folder)
            request = ManagedOnlineDeployment(
                name=deployment,
                endpoint_name=self.name,
                model=f"azureml:{self._use_case}:{version}",
                environment=f"azureml:{model_environment.name}:{model_environment.version}",
                code_configuration=CodeConfiguration(code=folder, scoring_script=_ENTRY),
                instance_type=self._parameters.endpoint_instance_type,
                instance_count=1,
                environment_variables={"MILLRACE_MODEL_SHA256": sha256},
                tags={VERSION: version, SHA256: sha256, SINCE: now.isoformat()},
            )
            doing = f"deploy version {version} to {self.name}"
            self._wait(lambda: self._deployments.begin_create_or_update(request), doing)

    def delete(self, deployment: str) -> None:
        """Delete a deployment and its share of the traffic."""
        endpoint = self.endpoint()
        if deployment in (endpoint.traffic or {}):  # Azure refuses to delete a deployment in the traffic map
            self.set_traffic({name: share for name, share in endpoint.traffic.items() if name != deployment})
        doing = f"delete the deployment {deployment} of {self.name}"
        self._wait(lambda: self._deployments.begin_delete(name=deployment, endpoint_name=self.name), doing)

    def logs(self, deployment: str, lines: int) -> str:
        """Return the last lines of a deployment's log."""
        with translate_errors(f"read the log of {deployment} of {self.name}"):
            return self._deployments.get_logs(name=deployment, endpoint_name=self.name, lines=lines)

    def log_for_the_record(self, deployment: str) -> str:
        """Return the end of a failed deployment's log for the message, and log all of it to the active MLflow run."""
        import mlflow

        try:
            text = self.logs(deployment, 1000)
            if mlflow.active_run() is not None:
                with translate_errors(f"keep the log of {deployment} in the MLflow run"):
                    mlflow.log_text(text, f"logs/{self.name}-{deployment}.log")
        except MillraceError as error:
            return f"Its log could not be read: {error}"
        lines = [
            line for line, _ in itertools.groupby(text.strip().splitlines())
        ]  # a probe repeats its line for minutes
        return "\n  ".join(["The end of its log:", *(lines[-_LOG_LINES:] or ["(empty)"])])

    def _wait(self, begin: Callable[[], Any], doing: str) -> None:
        """Start a long operation, and wait for its end, at most as long as the parameters allow."""
        seconds = self._parameters.endpoint_timeout_seconds
        # The SDK prints a dot each time it polls, and that the endpoint exists.
        with translate_errors(doing), contextlib.redirect_stdout(io.StringIO()):
            poller = retry(begin, doing)
            poller.wait(seconds)
            if not poller.done():
                raise EndpointError(
                    f"Azure ML: could not {doing}: it was not ready after {seconds:g} seconds. Raise "
                    "endpoint_timeout_seconds; building the first image of an environment takes 15 minutes."
                )
            poller.result()
