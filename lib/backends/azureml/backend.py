"""The backend on an Azure Machine Learning workspace."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.backends.azureml import environment, key_vault
from lib.backends.azureml.automl import AutoMLSearch
from lib.backends.azureml.cancellation import cancel_jobs
from lib.backends.azureml.compute import Clusters
from lib.backends.azureml.connection import Connection
from lib.backends.azureml.cost import Meter, estimate_cost
from lib.backends.azureml.datasets import Datasets
from lib.backends.azureml.datastore import DataStore, check_automl_access
from lib.backends.azureml.endpoint import ManagedEndpoint
from lib.backends.azureml.endpoint_names import deployed_use_cases
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

    from lib.evidence.signing import Signer
    from lib.parameters import Parameters
    from lib.tables.schema_source import SchemaSource


class AzureBackend:
    """A workspace with its MLflow server, model registry, datastore, clusters and online endpoints.

    Parameters
    ----------
    parameters : Parameters
        The parameters of the sections on Azure Machine Learning and on the endpoint.
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
        # MLflow would print the URLs of its API, which are not those of a run's page in the studio.
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        with translate_errors("connect to MLflow on the workspace"):
            download = functools.partial(download_model, self.connection)
            return WorkspaceTracking(self.connection.tracking_uri, download, self._scoring_jobs)

    def prepare(self) -> list[Check]:
        """Find or create the stores, clusters and environment, and return one check for each."""
        workspace = self.connection.workspace
        with translate_errors("connect to MLflow on the workspace"):
            experiment_count = len(self.tracking.client.search_experiments())
            model_count = len(self.tracking.client.search_registered_models())
        store = self._datastore.azure_datastore
        location = f"{store.name}: {store.account_name}/{store.container_name}"
        self._datastore.container.get_container_properties()
        job_environment = environment.get_or_register(self.connection)
        checks = [
            Check("login", self.connection.login.description),
            Check("workspace", f"{workspace.name}, {workspace.location}, resource group {workspace.resource_group}"),
            Check("tracking store", f"MLflow on the workspace, {format_count(experiment_count, 'experiment')}"),
            Check("model registry", f"in the workspace, {format_count(model_count, 'model')}"),
            Check(
                "data store",
                f"{location}, {self._datastore.state}",
            ),
            Check("environment", f"{job_environment.name}, version {job_environment.version}"),
        ]
        if self._parameters.automl and self.connection.sdk_version == "v1":
            checks.append(check_automl_access(self._datastore, store.name))
        return checks + [self._clusters.check(name, self._datastore.is_keyless) for name in self._clusters.names()]

    def describe_table(self, uri: str, encoding: str = "") -> str:
        """Return the dataset and the number of rows of a table, as text. A local table is uploaded and registered."""
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
        """Write a table to the datastore as Parquet, register it as a dataset, and return the dataset's address."""
        return self._datasets.write(frame, path)

    def read_json(self, uri: str) -> Any:
        """Read a JSON file from the datastore."""
        return self._datastore.read_json(uri)

    def write_json(self, value: Any, path: str) -> str:
        """Write a JSON file to the datastore, and return the file's URI."""
        return self._datastore.upload(json.dumps(value, indent=1).encode(), path)

    def read_secret(self, name: str) -> str:
        """Return a secret of the workspace's key vault."""
        return key_vault.read_secret(self.connection.workspace, name)

    def signer(self, name: str) -> Signer:
        """Return a signer with a key of the workspace's key vault; the key never leaves the vault."""
        return key_vault.VaultSigner(self.connection.workspace, self.connection.login.credential, name)

    def local_copy(self, uri: str) -> Path:
        """Download a file of the datastore below the folder in ``workspace``, and return the path of the copy."""
        return self._datastore.local_copy(uri)

    def search(self) -> AutoMLSearch:
        """Return the AutoML search of this use case, which runs on the training cluster."""
        return AutoMLSearch(
            self.connection, self._datastore, self._datasets, self._clusters, self._meter, self._parameters
        )

    def models(self, name: str) -> ModelRegistry:
        """Return the model registry of a use case. Azure's registry has no aliases."""
        return ModelRegistry(self.tracking.client, name, has_aliases=False, lock=lambda: self._datastore.lock(name))

    def endpoint(self, name: str) -> Endpoint:
        """Return the managed online endpoint of a use case."""
        return ManagedEndpoint(
            self.connection, name, self._parameters, lambda: self._datastore.lock(f"{name}-endpoint")
        )

    def request_log(self, name: str) -> None:
        """Return None: the endpoint's requests are not stored."""

    def endpoints(self) -> list[str]:
        """Return the names of all use cases that have an endpoint in this workspace."""
        return deployed_use_cases(self.connection)

    def executor(self, stage: str) -> ClusterExecutor:
        """Return the executor that runs a stage's notebooks on its cluster."""
        return ClusterExecutor(self.connection, self._datasets, self._clusters, self._meter, self._parameters, stage)

    def _scoring_jobs(self) -> ScoringJobs:
        """Return the jobs that score rows, which run on the cluster of the train stage."""
        return ScoringJobs(self.connection, self.executor("train"), self._parameters)

    def teardown(self, everything: bool) -> list[str]:
        """Delete the endpoint and cancel the jobs of this use case, because they cost money.

        Parameters
        ----------
        everything : bool
            Whether to do so for all use cases of the workspace, and also delete the clusters that runs created.

        Returns
        -------
        list of str
            One line for each deleted resource and each cancelled job.
        """
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
