"""The interface of both SDKs: the types that the packages ``v1`` and ``v2`` share, and the choice between them.

The packages have modules of the same names with the same public functions; a test compares them. The rest of this
backend calls them through `Connection.sdk`, and imports neither azureml-core nor a job or data asset of azure-ai-ml.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Protocol

VERSIONS = ("v1", "v2")
# The name of a cluster that is none: machines of Azure ML itself, which SDK version 2 offers.
SERVERLESS = "serverless"
MODULES = ("automl", "clusters", "environments", "jobs", "stores", "tables", "workspace")


def load_module(version: str, module: str) -> ModuleType:
    """Return a module of an SDK's package.

    Parameters
    ----------
    version : {"v1", "v2"}
        Version of the SDK: the parameter ``azure_sdk``.
    module : str
        A name in `MODULES`.

    Examples
    --------
    >>> load_module("v2", "tables").__name__
    'lib.backends.azureml.v2.tables'
    """
    return importlib.import_module(f"lib.backends.azureml.{version}.{module}")


class Workspace(Protocol):
    """An Azure Machine Learning workspace."""

    @property
    def name(self) -> str:
        """Name of the workspace."""

    @property
    def location(self) -> str:
        """Region of the workspace."""

    @property
    def resource_group(self) -> str:
        """Resource group of the workspace."""

    @property
    def storage_account_id(self) -> str:
        """Resource id of the workspace's storage account."""

    @property
    def key_vault_id(self) -> str:
        """Resource id of the workspace's key vault."""

    @property
    def tracking_uri(self) -> str:
        """MLflow tracking URI. Reading it makes azureml-mlflow use the login of this workspace."""

    @property
    def is_public(self) -> bool:
        """Whether the workspace is reachable from the internet."""

    def read_secret(self, name: str) -> str | None:
        """Return a secret of the workspace's key vault; None if no secret has this name."""


@dataclass(frozen=True)
class StoreDetails:
    """A datastore: a blob container. `credential` is a key or signature; empty if identities access it."""

    name: str
    account_name: str
    container_name: str
    endpoint: str
    protocol: str
    credential: str = ""


@dataclass(frozen=True)
class TableVersion:
    """A version of a registered table.

    Attributes
    ----------
    name : str
    version : int
    tags : mapping of str to str
    path : str
        Address of the table's file; empty if the SDK finds the file by itself.
    kind : str
        Azure's type of the asset.
    """

    name: str
    version: int
    tags: Mapping[str, str]
    path: str = ""
    kind: str = "uri_file"

    @property
    def address(self) -> str:
        """Address of this version: ``azureml:<name>:<version>``."""
        return f"azureml:{self.name}:{self.version}"


@dataclass(frozen=True)
class ClusterDetails:
    """A compute cluster.

    Attributes
    ----------
    name, vm_size : str
    is_spot : bool
        Whether Azure may take the machines away.
    max_nodes : int
        Maximum number of machines.
    has_identity : bool
        Whether the machines have a managed identity.
    state, errors : str
        State and error messages of the cluster's creation.
    tags : mapping of str to str
    """

    name: str
    vm_size: str
    is_spot: bool
    max_nodes: int
    has_identity: bool
    state: str = "Succeeded"
    errors: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EnvironmentReference:
    """A registered environment."""

    name: str
    version: str
