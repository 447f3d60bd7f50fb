"""The datastore: a blob container for tables, baselines and locks, accessed by identity instead of a key."""

from __future__ import annotations

import functools
import json
import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.backends.azureml import KEYLESS_AUTOML_FAULT
from lib.backends.azureml.error_translation import is_not_found, retry, translate_errors
from lib.backends.azureml.lease import lease
from lib.backends.azureml.seams import StoreDetails
from lib.backends.base import Check
from lib.errors import DataError
from lib.paths import resolve, resolve_existing

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

    from lib.backends.azureml.connection import Connection
    from lib.parameters import Parameters

DATASTORE_URI = re.compile(r"azureml://(?:subscriptions/.+/)?datastores/(?P<datastore>\w+)/paths/(?P<path>.+)")
_LEASE_SECONDS = 60
_UPLOAD_TIMEOUT_SECONDS = 600


class DataStore:
    """The datastore that the parameters name.

    Parameters
    ----------
    connection : Connection
    parameters : Parameters
        ``datastore``, ``storage_account``, ``container``, and ``workspace``, the folder for local copies.
    """

    def __init__(self, connection: Connection, parameters: Parameters):
        self._connection = connection
        self._parameters = parameters
        self._local_folder = resolve(parameters.workspace) / "azureml"

    @functools.cached_property
    def existing(self) -> StoreDetails | None:
        """The datastore with the configured name, or None if it was not registered before this run."""
        return retry(self._find, f"find the datastore {self._parameters.datastore}")

    def _find(self) -> StoreDetails | None:
        """Return the datastore; None if it is not registered."""
        return self._connection.sdk("stores").find(self._connection.workspace, self._parameters.datastore)

    @functools.cached_property
    def azure_datastore(self) -> StoreDetails:
        """The datastore, which is registered without a key if it does not exist."""
        return self.existing or self._register()

    @property
    def state(self) -> str:
        """``"found"`` if the datastore existed before this run, otherwise ``"created"``."""
        return "found" if self.existing else "created"

    @property
    def is_keyless(self) -> bool:
        """Whether the datastore has no key, so that only identities can access it. A new datastore has none."""
        return not (self.existing and self.existing.credential)

    @functools.cached_property
    def container(self) -> ContainerClient:
        """Client of the blob container, which is created if it does not exist."""
        from azure.core.exceptions import ResourceExistsError

        client = self.container_client(self.azure_datastore)
        with translate_errors(f"access the container {client.container_name} of {client.account_name}"):
            if not client.exists():
                try:
                    client.create_container()
                except ResourceExistsError:
                    pass  # another run has just created it
        return client

    def container_client(self, datastore: StoreDetails) -> ContainerClient:
        """Return the client of a datastore's blob container, which need not exist."""
        from azure.storage.blob import ContainerClient

        return ContainerClient(
            f"{datastore.protocol}://{datastore.account_name}.blob.{datastore.endpoint}",
            datastore.container_name,
            # A datastore that was registered by hand may have a key or a signature.
            credential=datastore.credential or self._connection.credential,
            retry_total=5,
        )

    def _register(self) -> StoreDetails:
        """Register the blob container as a datastore without a key."""
        workspace, name = self._connection.workspace, self._parameters.datastore
        account = self._parameters.storage_account or _last_segment(workspace.storage_account_id)

        def find_or_register() -> StoreDetails:
            # If another run registers the datastore at the same time, Azure rejects this call; the retry finds it.
            stores = self._connection.sdk("stores")
            return self._find() or stores.register(workspace, name, account, self._parameters.container)

        return retry(find_or_register, f"register the datastore {name}")

    def uri(self, path: str) -> str:
        """Return the URI of a file in the datastore."""
        return f"azureml://datastores/{self._parameters.datastore}/paths/{path}"

    def upload(self, content: bytes, path: str) -> str:
        """Write a file of the datastore atomically, and return the file's URI."""
        blob = self.container.get_blob_client(path)

        def put() -> None:
            blob.upload_blob(content, overwrite=True, max_concurrency=2, timeout=_UPLOAD_TIMEOUT_SECONDS)

        retry(put, f"upload {path}")
        return self.uri(path)

    def download(self, uri: str) -> bytes:
        """Return the content of a file in the datastore.

        Raises
        ------
        DataError
            If the file does not exist, or the URI belongs to another datastore.
        """
        blob = self.container.get_blob_client(self._path(uri))

        def get() -> bytes | None:
            try:
                return blob.download_blob().readall()
            except Exception as error:
                if is_not_found(error):
                    return None
                raise

        content = retry(get, f"read {uri}")
        if content is None:
            raise DataError(
                f"{uri} does not exist in the container {self.container.container_name}. Correct the path, or run the "
                "stage that writes it."
            )
        return content

    def read_json(self, uri: str) -> Any:
        """Read a JSON file from the datastore or from a local path."""
        content = self.download(uri) if DATASTORE_URI.fullmatch(uri) else resolve_existing(uri).read_bytes()
        return json.loads(content)

    def local_copy(self, uri: str) -> Path:
        """Download a file of the datastore, and return the path of the copy; a local path is returned unchanged."""
        if not DATASTORE_URI.fullmatch(uri):
            return resolve_existing(uri)
        file = self._local_folder / self._path(uri)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.download(uri))
        return file

    def lock(self, name: str) -> AbstractContextManager:
        """Return a lock that all runs of the workspace share; see `lease`."""
        return lease(self.container.get_blob_client(f"locks/{name}"), _LEASE_SECONDS)

    def _path(self, uri: str) -> str:
        """Return the path within the datastore from a file's URI."""
        match = DATASTORE_URI.fullmatch(uri)
        if match is None:
            raise DataError(
                f"{uri} is not an address of a table or file. Expected a path, azureml:<dataset>:<version> or "
                "azureml://datastores/<datastore>/paths/<path>."
            )
        if match["datastore"] != self._parameters.datastore:
            raise DataError(
                f"{uri} is in the datastore {match['datastore']}, but this run uses {self._parameters.datastore}. Set "
                f"datastore: {match['datastore']}, or register the file as a dataset and set data to "
                "azureml:<dataset>:<version>."
            )
        return match["path"]


def check_automl_access(datastore: DataStore, name: str) -> Check:
    """Check that a datastore has a key, without which AutoML of SDK version 1 cannot read its tables."""
    if datastore.is_keyless:
        return Check("AutoML", f"{name}: has no key. {KEYLESS_AUTOML_FAULT}", ok=False)
    return Check("AutoML", f"{name}: has a key, as AutoML of SDK version 1 needs")


def _last_segment(resource_id: str) -> str:
    """Return the name of a resource from its id, such as ``/subscriptions/.../storageAccounts/<name>``."""
    return resource_id.rpartition("/")[2]
