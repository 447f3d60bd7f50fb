"""Datastores in SDK version 1."""

from __future__ import annotations

from typing import Any

from lib.backends.azureml.error_translation import is_not_found
from lib.backends.azureml.seams import StoreDetails
from lib.backends.azureml.v1.workspace import Workspace


def find(workspace: Workspace, name: str) -> StoreDetails | None:
    """Return the datastore of this name; None if it is not registered."""
    native = native_store(workspace, name)
    return None if native is None else _details(native)


def register(workspace: Workspace, name: str, account: str, container: str) -> StoreDetails:
    """Register a blob container as a datastore without a key."""
    from azureml.core import Datastore

    return _details(
        Datastore.register_azure_blob_container(
            workspace.native,
            datastore_name=name,
            container_name=container,
            account_name=account,
            skip_validation=True,
        )
    )


def native_store(workspace: Workspace, name: str) -> Any:
    """Return azureml-core's object of a datastore; None if it is not registered."""
    from azureml.core import Datastore

    try:
        return Datastore.get(workspace.native, name)
    except Exception as error:
        if is_not_found(error):
            return None
        raise


def _details(native: Any) -> StoreDetails:
    # A datastore that was registered by hand may have a key or a signature.
    credential = native.account_key or native.sas_token or ""
    return StoreDetails(
        native.name, native.account_name, native.container_name, native.endpoint, native.protocol, credential
    )
