"""An online endpoint and its deployments as Azure resources: reading, writing and deleting them.

The module `endpoint` decides which of these operations a deployment needs, and in which order.
"""

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
    from azure.ai.ml.entities import EndpointAuthKeys, ManagedOnlineDeployment, ManagedOnlineEndpoint

    from lib.backends.azureml.connection import Connection
    from lib.parameters import Parameters

# Tags of endpoints and deployments.
USE_CASE_TAG, VERSION_TAG, SHA256_TAG, CREATED_TAG = "millrace", "version", "sha256", "since"
_SCORING_SCRIPT = "lib/scoring/score.py"
_LOG_LINES_IN_MESSAGE = 40
_LOG_LINES_IN_RUN = 1000


class EndpointResources:
    """The resources of one online endpoint.

    Parameters
    ----------
    connection : Connection
    name : str
        Name of the endpoint on Azure.
    use_case : str
        The use case whose model the endpoint serves.
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

    def endpoint(self) -> ManagedOnlineEndpoint | None:
        """Return the endpoint, or None if it does not exist."""

        def get() -> Any:
            try:
                return self._endpoints.get(self.name)
            except Exception as error:
                if is_not_found(error):
                    return None
                raise

        return retry(get, f"get the endpoint {self.name}")

    def existing_endpoint(self) -> ManagedOnlineEndpoint:
        """Return the endpoint.

        Raises
        ------
        EndpointError
            If the endpoint does not exist.
        """
        endpoint = self.endpoint()
        if endpoint is None:
            raise EndpointError(f"The endpoint {self.name} does not exist. Run the deploy stage, which creates it.")
        return endpoint

    def create_endpoint(self) -> ManagedOnlineEndpoint:
        """Create the endpoint without a deployment."""
        from azure.ai.ml.entities import ManagedOnlineEndpoint

        definition = ManagedOnlineEndpoint(name=self.name, auth_mode="key", tags={USE_CASE_TAG: self._use_case})
        self._start_and_wait(
            lambda: self._endpoints.begin_create_or_update(definition), f"create the endpoint {self.name}"
        )
        return self.existing_endpoint()

    def delete_endpoint(self) -> None:
        """Delete the endpoint with all its deployments."""
        self._start_and_wait(lambda: self._endpoints.begin_delete(self.name), f"delete the endpoint {self.name}")

    def set_traffic(self, traffic: Mapping[str, int], mirrored: Mapping[str, int] | None = None) -> None:
        """Set the traffic percentages of all deployments; an omitted deployment would keep its percentage.

        Parameters
        ----------
        traffic : mapping of str to int
            Percentage of the requests that each deployment answers.
        mirrored : mapping of str to int, optional
            Percentage of the requests that are copied to a deployment.
        """
        endpoint = self.existing_endpoint()
        endpoint.traffic, endpoint.mirror_traffic = dict(traffic), dict(mirrored or {})
        action = f"set the traffic of {self.name} to {dict(traffic)}"
        self._start_and_wait(lambda: self._endpoints.begin_create_or_update(endpoint), action)

    def keys(self) -> EndpointAuthKeys:
        """Return the keys, with the attributes ``primary_key`` and ``secondary_key``."""
        return retry(lambda: self._endpoints.get_keys(self.name), f"get the keys of {self.name}")

    def renew_key(self, name: str) -> None:
        """Replace the ``"primary"`` or ``"secondary"`` key."""
        action = f"renew the {name} key of {self.name}"
        self._start_and_wait(lambda: self._endpoints.begin_regenerate_keys(self.name, key_type=name), action)

    def deployments(self) -> list[ManagedOnlineDeployment]:
        """Return all deployments."""
        return retry(lambda: list(self._deployments.list(self.name)), f"list the deployments of {self.name}")

    def deployment_names(self) -> list[str]:
        """Return the names of all deployments."""
        return [deployment.name for deployment in self.deployments()]

    def deployment(self, name: str) -> ManagedOnlineDeployment:
        """Return the deployment of this name."""
        return retry(lambda: self._deployments.get(name, self.name), f"get the deployment {name} of {self.name}")

    def create_deployment(self, name: str, model_folder: Path, version: str, sha256: str) -> None:
        """Deploy a registered model version without traffic, and wait until it is ready."""
        from azure.ai.ml.entities import CodeConfiguration, ManagedOnlineDeployment

        model_environment = self._environment(model_folder)
        with tempfile.TemporaryDirectory(prefix="scoring-") as code_folder:
            pack_serving(Path(code_folder), model_folder)
            definition = ManagedOnlineDeployment(
                name=name,
                endpoint_name=self.name,
                model=f"azureml:{self._use_case}:{version}",
                environment=f"azureml:{model_environment.name}:{model_environment.version}",
                code_configuration=CodeConfiguration(code=code_folder, scoring_script=_SCORING_SCRIPT),
                instance_type=self._parameters.endpoint_instance_type,
                instance_count=1,
                environment_variables={"MILLRACE_MODEL_SHA256": sha256},
                tags={
                    VERSION_TAG: version,
                    SHA256_TAG: sha256,
                    CREATED_TAG: datetime.datetime.now(datetime.UTC).isoformat(),
                },
            )
            action = f"deploy version {version} to {self.name}"
            self._start_and_wait(lambda: self._deployments.begin_create_or_update(definition), action)

    def _environment(self, model_folder: Path) -> Any:
        """Return the environment to load a model in: that of the model's folder, or else the project's."""
        if is_remote(model_folder):
            return environment.for_model(self._connection, model_folder)
        return environment.get_or_register(self._connection)

    def delete_deployment(self, name: str) -> None:
        """Remove a deployment from the traffic percentages, as Azure requires, and then delete it."""
        traffic = self.existing_endpoint().traffic or {}
        if name in traffic:
            self.set_traffic({other: share for other, share in traffic.items() if other != name})
        action = f"delete the deployment {name} of {self.name}"
        self._start_and_wait(lambda: self._deployments.begin_delete(name=name, endpoint_name=self.name), action)

    def logs(self, deployment: str, lines: int) -> str:
        """Return the last lines of a deployment's log."""
        with translate_errors(f"read the log of {deployment} of {self.name}"):
            return self._deployments.get_logs(name=deployment, endpoint_name=self.name, lines=lines)

    def save_log(self, deployment: str) -> str:
        """Save a failed deployment's log to the active MLflow run, and return its end for the error message."""
        import mlflow

        try:
            text = self.logs(deployment, _LOG_LINES_IN_RUN)
            if mlflow.active_run() is not None:
                with translate_errors(f"save the log of {deployment} to the MLflow run"):
                    mlflow.log_text(text, f"logs/{self.name}-{deployment}.log")
        except MillraceError as error:
            return f"The log of the deployment is not available: {error}"
        # Health probes write the same line again and again.
        lines = [line for line, _ in itertools.groupby(text.strip().splitlines())]
        return "\n  ".join(["The end of the deployment's log:", *(lines[-_LOG_LINES_IN_MESSAGE:] or ["(empty)"])])

    def _start_and_wait(self, begin: Callable[[], Any], action: str) -> None:
        """Start a long-running operation, and wait for at most ``endpoint_timeout_seconds`` until it ends.

        `begin` starts the operation and returns the SDK's poller. The operation is started again after a failure that
        may pass: an endpoint that another operation is changing, or a region without a free machine.
        """
        seconds = self._parameters.endpoint_timeout_seconds

        def run() -> None:
            poller = begin()
            poller.wait(seconds)
            if not poller.done():
                raise EndpointError(
                    f"Azure ML: could not {action}: the operation has not finished after {seconds:g} seconds. Raise "
                    "endpoint_timeout_seconds. The first build of an environment's image takes about 15 minutes."
                )
            poller.result()

        # The SDK prints a dot for each poll, and messages about existing endpoints.
        with contextlib.redirect_stdout(io.StringIO()):
            retry(run, action)
