"""Stores and compute of a workspace on Azure Machine Learning."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.backends.azureml import cancellation, environment
from lib.backends.azureml.automl import Search
from lib.backends.azureml.compute import Clusters
from lib.backends.azureml.connection import Connection
from lib.backends.azureml.cost import Meter, estimated
from lib.backends.azureml.datasets import Tables
from lib.backends.azureml.datastore import DataStore
from lib.backends.azureml.endpoint import ManagedEndpoint, names_of
from lib.backends.azureml.error_translation import translate_errors
from lib.backends.azureml.job_executor import ClusterExecutor
from lib.backends.azureml.registry import downloaded
from lib.backends.azureml.remote_model import ScoringJobs
from lib.backends.azureml.tracking import WorkspaceTracking
from lib.backends.base import Check, Endpoint, Estimate, NotebookExecutor
from lib.backends.models import ModelRegistry
from lib.backends.tracking import Tracking

if TYPE_CHECKING:
    import pandas as pd

    from lib.parameters import Parameters


class AzureBackend:
    """One workspace: MLflow and registry in it, a datastore, clusters and online endpoints.

    Parameters
    ----------
    parameters : Parameters
        Those of the section Azure Machine Learning, and what the endpoint needs.
    """

    name = "azureml"

    def __init__(self, parameters: Parameters):
        self._parameters = parameters
        self._meter = Meter(parameters.get("max_cost"))

    @functools.cached_property
    def connection(self) -> Connection:
        """Login and workspace, when they are first asked for."""
        return Connection(self._parameters)

    @functools.cached_property
    def _store(self) -> DataStore:
        return DataStore(self.connection, self._parameters)

    @functools.cached_property
    def _tables(self) -> Tables:
        return Tables(self.connection, self._store, self._parameters.name)

    @functools.cached_property
    def _clusters(self) -> Clusters:
        return Clusters(self.connection, self._parameters)

    @functools.cached_property
    def tracking(self) -> Tracking:
        """MLflow on the workspace."""
        # The addresses that MLflow prints are those of an API; the studio has pages of its own.
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        with translate_errors("reach MLflow on the workspace"):
            download = functools.partial(downloaded, self.connection.workspace)
            return WorkspaceTracking(self.connection.tracking_uri, download, self._scoring_jobs)

    def prepare(self) -> list[Check]:
        """Workspace, stores, clusters and environment; what is missing of them is made."""
        workspace = self.connection.workspace
        with translate_errors("reach MLflow on the workspace"):
            experiments = len(self.tracking.client.search_experiments())
            models = len(self.tracking.client.search_registered_models())
        store = self._store.datastore
        self._store.container.get_container_properties()
        made = environment.get_or_register(workspace)
        checks = [
            Check("login", self.connection.login.how),
            Check("workspace", f"{workspace.name}, {workspace.location}, resource group {workspace.resource_group}"),
            Check("tracking store", f"MLflow on the workspace, {experiments} experiments"),
            Check("model registry", f"in the workspace, {models} models"),
            Check("data store", f"{store.name}: {store.account_name}/{store.container_name}, {self._store.state}"),
            Check("environment", f"{made.name}, version {made.version}"),
        ]
        return checks + [self._clusters.check(name, self._store.keyless) for name in self._clusters.names()]

    def describe_table(self, uri: str, encoding: str = "") -> str:
        """Dataset and size of a table; one on this machine is uploaded and registered now."""
        return self._tables.find(uri, encoding)

    def read_table(
        self, uri: str, without: Collection[str] = (), arrow_texts: bool = False, encoding: str = ""
    ) -> pd.DataFrame:
        """Read a table: ``azureml:<dataset>:<version>``, a file of the datastore, or one of this machine.

        Datasets come with texts as pandas has them, so that `arrow_texts` changes nothing.
        """
        return self._tables.read(uri, without, encoding)

    def write_table(self, frame: pd.DataFrame, path: str) -> str:
        """Write a table to the datastore as Parquet, and register it as a dataset."""
        return self._tables.write(frame, path)

    def read_json(self, uri: str) -> Any:
        """Read JSON from the datastore."""
        return self._store.read_json(uri)

    def write_json(self, value: Any, path: str) -> str:
        """Write JSON to the datastore."""
        return self._store.upload(json.dumps(value, indent=1).encode(), path)

    def local_copy(self, uri: str) -> Path:
        """Copy, below the folder ``workspace``, of a file in the datastore."""
        return self._store.local_copy(uri)

    def search(self) -> Search:
        """AutoML on the cluster that trains, for the parameters of this notebook."""
        return Search(self.connection, self._tables, self._clusters, self._meter, self._parameters)

    def models(self, name: str) -> ModelRegistry:
        """Versions of a use case's model; Azure's registry has no aliases, so the tag alone says which is which."""
        return ModelRegistry(self.tracking.client, name, aliases=False, lock=lambda: self._store.alone(name))

    def endpoint(self, name: str) -> Endpoint:
        """Managed online endpoint of a use case."""
        return ManagedEndpoint(self.connection, name, self._parameters, lambda: self._store.alone(f"{name}-endpoint"))

    def endpoints(self) -> list[str]:
        """Names of the use cases that have an endpoint in this workspace."""
        return names_of(self.connection)

    def executor(self, stage: str) -> NotebookExecutor | None:
        """Cluster that executes a stage's notebooks; None for a stage that is not in ``cluster_stages``."""
        return self._on_cluster(stage) if stage in self._parameters.cluster_stages else None

    def _on_cluster(self, stage: str) -> ClusterExecutor:
        return ClusterExecutor(self.connection, self._tables, self._clusters, self._meter, self._parameters, stage)

    def _scoring_jobs(self) -> ScoringJobs:
        return ScoringJobs(self.connection, self._on_cluster("train"), self._parameters)

    def teardown(self, everything: bool) -> list[str]:
        """Delete endpoints and cancel jobs, which cost while they are there; with `everything`, the clusters too."""
        names = self.endpoints() if everything else [self._parameters.name]
        ended = [
            line for name in names for line in cancellation.cancel_jobs(self.connection, self.tracking.client, name)
        ]
        for name in names:
            endpoint = self.endpoint(name)
            if endpoint.exists():
                ended.append(f"endpoint {name}: {endpoint.stop().state}")
        return ended + (self._clusters.delete_made() if everything else [])

    def estimate(self, stages: Sequence[str], timeout_minutes: float) -> Estimate | None:
        """Cost of the notebooks that a cluster executes, and of a day of the endpoint."""
        return estimated(stages, timeout_minutes, self._clusters.machine_for, self._parameters)
