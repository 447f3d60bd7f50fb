"""Datastores in SDK version 2."""

from __future__ import annotations

from typing import Any

from lib.backends.azureml.error_translation import is_not_found
from lib.backends.azureml.seams import StoreDetails
from lib.backends.azureml.v2.workspace import Workspace


def find(workspace: Workspace, name: str) -> StoreDetails | None:
    """Return the datastore of this name; None if it is not registered."""
    try:
        return _details(workspace.client.datastores.get(name, include_secrets=True))
    except Exception as error:
        if is_not_found(error):
            return None
        raise


def register(workspace: Workspace, name: str, account: str, container: str) -> StoreDetails:
    """Register a blob container as a datastore without a key."""
    from azure.ai.ml.entities import AzureBlobDatastore

    store = AzureBlobDatastore(name=name, account_name=account, container_name=container)
    return _details(workspace.client.datastores.create_or_update(store))


def _details(native: Any) -> StoreDetails:
    # A datastore that was registered by hand may have a key or a signature.
    credentials = native.credentials
    credential = getattr(credentials, "account_key", None) or getattr(credentials, "sas_token", None) or ""
    return StoreDetails(
        native.name,
        native.account_name,
        native.container_name,
        native.endpoint or "core.windows.net",
        native.protocol or "https",
        credential,
    )
