"""The workspace in SDK version 2, and calls of services that the SDK has no public methods for."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import requests

from lib.backends.azureml.login import JOB_TOKEN, Login
from lib.backends.azureml.v2.client import make_client

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

_TIMEOUT_SECONDS = 60
_ARTIFACT_STORE = "workspaceartifactstore"
_WORKSPACE_SCOPE = "https://ml.azure.com/.default"
_MANAGEMENT_SCOPE = "https://management.azure.com/.default"
_MANAGEMENT_URL = "https://management.azure.com"
_VAULT_SCOPE, _VAULT_API_VERSION = "https://vault.azure.net/.default", "7.4"


class Workspace:
    """A workspace; see `seams.Workspace`.

    Parameters
    ----------
    names : mapping of str to str
        Subscription, resource group and workspace, as `connection.workspace_names` returns them.
    login : Login
    """

    def __init__(self, names: Mapping[str, str], login: Login):
        self._names, self._login = names, login
        self.client = make_client(names, login)
        self._native = self.client.workspaces.get(names["workspace_name"])

    @property
    def name(self) -> str:
        """Name of the workspace."""
        return self._native.name

    @property
    def location(self) -> str:
        """Region of the workspace."""
        return self._native.location

    @property
    def resource_group(self) -> str:
        """Resource group of the workspace."""
        return self._names["resource_group"]

    @property
    def storage_account_id(self) -> str:
        """Resource id of the workspace's storage account."""
        return self._native.storage_account

    @property
    def key_vault_id(self) -> str:
        """Resource id of the workspace's key vault."""
        return self._native.key_vault

    @property
    def is_public(self) -> bool:
        """Whether the workspace is reachable from the internet."""
        return self._native.public_network_access != "Disabled"

    @functools.cached_property
    def tracking_uri(self) -> str:
        """MLflow tracking URI. Reading it makes azureml-mlflow use this login."""
        if JOB_TOKEN in os.environ:
            return os.environ["MLFLOW_TRACKING_URI"]
        from azureml.mlflow import get_mlflow_tracking_uri_v2

        service = {
            "subscription_id": self._names["subscription_id"],
            "resource_group_name": self._names["resource_group"],
            "workspace_name": self._names["workspace_name"],
            "auth": self._login.credential,
            "host_url": self._api_url,
        }
        return get_mlflow_tracking_uri_v2(_TrackingAddress(self._native.mlflow_tracking_uri), service)

    def read_secret(self, name: str) -> str | None:
        """Return a secret of the workspace's key vault; None if no secret has this name.

        https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret
        """
        vault = self.key_vault_id.rpartition("/")[2]
        address = f"https://{vault}.vault.azure.net/secrets/{name}?api-version={_VAULT_API_VERSION}"
        response = self._get(address, _VAULT_SCOPE)
        if response.status_code == 404:
            return None
        response.raise_for_status()
        return response.json()["value"]

    def run_history(self, path: str) -> dict[str, Any]:
        """Return the reply of the run history to a GET, such as ``runs/<id>/details``.

        The SDK reads the same address when it streams a log: `azure.ai.ml.operations.JobOperations.stream`.
        """
        response = self._get(f"{self._api_url}/history/v1.0{self._id}/{path}", _WORKSPACE_SCOPE)
        response.raise_for_status()
        return response.json()

    def management(self, path: str, api_version: str) -> dict[str, Any]:
        """Return the reply of Azure Resource Manager to a GET below the workspace, such as ``computes/<name>``."""
        address = f"{_MANAGEMENT_URL}{self._id}/{path}?api-version={api_version}"
        response = self._get(address, _MANAGEMENT_SCOPE)
        response.raise_for_status()
        return response.json()

    @functools.cached_property
    def artifacts(self) -> ContainerClient:
        """The blob container with the files of all runs, where the SDK's own download of a job reads them.

        The paths are ``ExperimentRun/dcid.<job>/<file>``.
        """
        from azure.storage.blob import ContainerClient

        store = self.client.datastores.get(_ARTIFACT_STORE, include_secrets=True)
        credential = getattr(store.credentials, "account_key", None) or getattr(store.credentials, "sas_token", None)
        return ContainerClient(
            f"{store.protocol}://{store.account_name}.blob.{store.endpoint}",
            store.container_name,
            credential=credential or self._login.credential,
            retry_total=5,
        )

    def studio_url(self, path: str) -> str:
        """Return the address of a page in Azure ML studio, such as ``runs/<id>``."""
        return f"https://ml.azure.com/{path}?wsid={self._id}"

    @property
    def _id(self) -> str:
        """Resource id of the workspace."""
        names = self._names
        return (
            f"/subscriptions/{names['subscription_id']}/resourceGroups/{names['resource_group']}/providers/"
            f"Microsoft.MachineLearningServices/workspaces/{names['workspace_name']}"
        )

    @functools.cached_property
    def _api_url(self) -> str:
        """URL of the workspace's services, which its discovery URL states."""
        response = requests.get(self._native.discovery_url, timeout=_TIMEOUT_SECONDS)
        response.raise_for_status()
        return response.json()["api"].rstrip("/")

    def _get(self, address: str, scope: str) -> requests.Response:
        token = self._login.credential.get_token(scope).token
        return requests.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT_SECONDS)


class _TrackingAddress:
    """The attribute of a workspace that azureml-mlflow reads."""

    def __init__(self, address: str):
        self.ml_flow_tracking_uri = address


def open_workspace(names: Mapping[str, str], login: Login) -> Workspace:
    """Return the workspace."""
    return Workspace(names, login)
