"""The backend on an Azure Machine Learning workspace."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.backends.azureml import environment
from lib.backends.azureml.automl import AutoMLSearch
from lib.backends.azureml.cancellation import cancel_jobs
from lib.backends.azureml.compute import Clusters
from lib.backends.azureml.connection import Connection
from lib.backends.azureml.cost import Meter, estimate_cost
from lib.backends.azureml.datasets import Datasets
from lib.backends.azureml.datastore import DataStore
from lib.backends.azureml.endpoint import ManagedEndpoint, deployed_use_cases
from lib.backends.azureml.error_translation import translate_errors
from lib.backends.azureml.job_executor import ClusterExecutor
from lib.backends.azureml.registry import download_model
from lib.backends.azureml.remote_model import ScoringJobs
from lib.backends.azureml.tracking import WorkspaceTracking
from lib.backends.base import Check, Endpoint, Estimate
from lib.backends.models import ModelRegistry
from lib.backends.tracking import Tracking
from lib.errors import format_count

if TYPE_CHECKING:
    import pandas as pd

    from lib.parameters import Parameters
    from lib.tables.schema_source import SchemaSource


class AzureBackend:
    """A workspace with its MLflow server, model registry, datastore, clusters and online endpoints.

    Parameters
    ----------
    parameters : Parameters
        The parameters of the Azure Machine Learning section and of the endpoint.
    """

    name = "azureml"

    def __init__(self, parameters: Parameters):
        self._parameters = parameters
        self._meter = Meter(parameters.get("max_cost_usd"))

    @functools.cached_property
    def connection(self) -> Connection:
        """The login and the workspace, connected on first use."""
        return Connection(self._parameters)

    @functools.cached_property
    def _datastore(self) -> DataStore:
        return DataStore(self.connection, self._parameters)

    @functools.cached_property
    def _datasets(self) -> Datasets:
        return Datasets(self.connection, self._datastore, self._parameters.name)

    @functools.cached_property
    def _clusters(self) -> Clusters:
        return Clusters(self.connection, self._parameters)

    @functools.cached_property
    def tracking(self) -> Tracking:
        """MLflow tracking on the workspace."""
        # MLflow would print URLs of its API. The studio has other pages for runs.
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        with translate_errors("connect to MLflow on the workspace"):
            download = functools.partial(download_model, self.connection.workspace)
            return WorkspaceTracking(self.connection.tracking_uri, download, self._scoring_jobs)

    def prepare(self) -> list[Check]:
        """Find or create the stores, clusters and environment, and return one check for each."""
        workspace = self.connection.workspace
        with translate_errors("connect to MLflow on the workspace"):
            experiments = len(self.tracking.client.search_experiments())
            models = len(self.tracking.client.search_registered_models())
        store = self._datastore.datastore
        self._datastore.container.get_container_properties()
        job_environment = environment.get_or_register(workspace)
        checks = [
            Check("login", self.connection.login.description),
            Check("workspace", f"{workspace.name}, {workspace.location}, resource group {workspace.resource_group}"),
            Check("tracking store", f"MLflow on the workspace, {format_count(experiments, 'experiment')}"),
            Check("model registry", f"in the workspace, {format_count(models, 'model')}"),
            Check("data store", f"{store.name}: {store.account_name}/{store.container_name}, {self._datastore.state}"),
            Check("environment", f"{job_environment.name}, version {job_environment.version}"),
        ]
        return checks + [self._clusters.check(name, self._datastore.is_keyless) for name in self._clusters.names()]

    def describe_table(self, uri: str, encoding: str = "") -> str:
        """Return the dataset and size of a table. A local table is uploaded and registered."""
        return self._datasets.describe(uri, encoding)

    def read_table(
        self,
        uri: str,
        exclude: Collection[str] = (),
        arrow_strings: bool = False,
        encoding: str = "",
        schema_source: SchemaSource | None = None,
    ) -> pd.DataFrame:
        """Read a table: ``azureml:<dataset>:<version>``, a file of the datastore, or a local file.

        `arrow_strings` has no effect, because datasets are always read with pandas strings.
        """
        return self._datasets.read(uri, exclude, encoding, schema_source)

    def write_table(self, frame: pd.DataFrame, path: str) -> str:
        """Write a table to the datastore as Parquet and register it as a dataset."""
        return self._datasets.write(frame, path)

    def read_json(self, uri: str) -> Any:
        """Read a JSON file from the datastore."""
        return self._datastore.read_json(uri)

    def write_json(self, value: Any, path: str) -> str:
        """Write a JSON file to the datastore."""
        return self._datastore.upload(json.dumps(value, indent=1).encode(), path)

    def local_copy(self, uri: str) -> Path:
        """Download a file of the datastore into the folder that ``workspace`` names."""
        return self._datastore.local_copy(uri)

    def search(self) -> AutoMLSearch:
        """Return the AutoML search of this use case, which runs on the training cluster."""
        return AutoMLSearch(self.connection, self._datasets, self._clusters, self._meter, self._parameters)

    def models(self, name: str) -> ModelRegistry:
        """Return the model registry of a use case. Azure's registry has no aliases."""
        return ModelRegistry(self.tracking.client, name, aliases=False, lock=lambda: self._datastore.lock(name))

    def endpoint(self, name: str) -> Endpoint:
        """Return the managed online endpoint of a use case."""
        return ManagedEndpoint(
            self.connection, name, self._parameters, lambda: self._datastore.lock(f"{name}-endpoint")
        )

    def endpoints(self) -> list[str]:
        """Return the names of all use cases that have an endpoint in this workspace."""
        return deployed_use_cases(self.connection)

    def executor(self, stage: str) -> ClusterExecutor:
        """Return the executor that runs a stage's notebooks on its cluster."""
        return ClusterExecutor(self.connection, self._datasets, self._clusters, self._meter, self._parameters, stage)

    def _scoring_jobs(self) -> ScoringJobs:
        return ScoringJobs(self.connection, self.executor("train"), self._parameters)

    def teardown(self, everything: bool) -> list[str]:
        """Delete endpoints and cancel jobs, which cost money; with `everything`, also delete the created clusters."""
        use_cases = self.endpoints() if everything else [self._parameters.name]
        lines: list[str] = []
        for name in use_cases:
            lines += cancel_jobs(self.connection, self.tracking.client, name)
        for name in use_cases:
            endpoint = self.endpoint(name)
            if endpoint.exists():
                lines.append(f"endpoint {name}: {endpoint.stop().state}")
        return lines + (self._clusters.delete_created() if everything else [])

    def estimate(self, stages: Sequence[str], timeout_minutes: float) -> Estimate:
        """Estimate the cost of the notebooks on clusters; see `cost.estimate_cost`."""
        return estimate_cost(stages, timeout_minutes, self._clusters.machine_for, self._parameters)
