"""The datastore: a blob container in which tables, baselines and locks are, by identity and without a key."""

from __future__ import annotations

import functools
import json
import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.error_translation import is_not_found, retry, translate_errors
from lib.backends.azureml.lease import lease
from lib.errors import DataError
from lib.paths import resolve, resolve_existing

if TYPE_CHECKING:
    from lib.backends.azureml.connection import Connection
    from lib.parameters import Parameters

FILE = re.compile(r"azureml://(?:subscriptions/.+/)?datastores/(?P<datastore>\w+)/paths/(?P<path>.+)")
_LEASE_SECONDS = 60
_UPLOAD_TIMEOUT_SECONDS = 600


class DataStore:
    """The datastore that the parameters name.

    Parameters
    ----------
    connection : Connection
    parameters : Parameters
        ``datastore``, ``storage_account``, ``container`` and ``workspace``, a folder for copies.
    """

    def __init__(self, connection: Connection, parameters: Parameters):
        self._connection = connection
        self._parameters = parameters
        self._copies = resolve(parameters.workspace) / "azureml"

    @functools.cached_property
    def found(self) -> Any:
        """Datastore, None where there is none of that name."""
        return retry(self._looked_for, f"find the datastore {self._parameters.datastore}")

    def _looked_for(self) -> Any:
        from azureml.core import Datastore

        try:
            return Datastore.get(self._connection.workspace, self._parameters.datastore)
        except Exception as error:
            if is_not_found(error):
                return None
            raise

    @functools.cached_property
    def datastore(self) -> Any:
        """Datastore, registered where it is not there: by identity, with no key in it."""
        return self.found or self._registered()

    @property
    def state(self) -> str:
        """Whether it was there."""
        return "found" if self.found else "made"

    @property
    def keyless(self) -> bool:
        """Whether identities alone open it, as they do one that is still to be made."""
        return not (self.found and (self.found.account_key or self.found.sas_token))

    @functools.cached_property
    def container(self) -> Any:
        """Client of the blob container, which is made where it is not there."""
        from azure.core.exceptions import ResourceExistsError

        client = self.client(self.datastore)
        with translate_errors(f"reach the container {client.container_name} of {client.account_name}"):
            if not client.exists():
                try:
                    client.create_container()
                except ResourceExistsError:
                    pass  # another run made it meanwhile
        return client

    def client(self, store: Any) -> Any:
        """Client of a datastore's blob container, whether that is there or not."""
        from azure.storage.blob import ContainerClient

        return ContainerClient(
            f"{store.protocol}://{store.account_name}.blob.{store.endpoint}",
            store.container_name,
            # A datastore that somebody registered with a key or a signature is used as it is.
            credential=store.account_key or store.sas_token or self._connection.credential,
            retry_total=5,
        )

    def _registered(self) -> Any:
        from azureml.core import Datastore

        workspace, name = self._connection.workspace, self._parameters.datastore
        account = self._parameters.storage_account or _last(workspace.get_details()["storageAccount"])

        def register() -> Any:
            # Another run may register it at this moment: refused then, the next attempt finds it.
            return self._looked_for() or Datastore.register_azure_blob_container(
                workspace,
                datastore_name=name,
                container_name=self._parameters.container,
                account_name=account,
                skip_validation=True,
            )

        return retry(register, f"register the datastore {name}")

    # Files

    def uri(self, path: str) -> str:
        """Address of a file in the store."""
        return f"azureml://datastores/{self._parameters.datastore}/paths/{path}"

    def upload(self, content: bytes, path: str) -> str:
        """Write a file, whole or not at all; its address."""
        blob = self.container.get_blob_client(path)

        def put() -> None:
            blob.upload_blob(content, overwrite=True, max_concurrency=2, timeout=_UPLOAD_TIMEOUT_SECONDS)

        retry(put, f"upload {path}")
        return self.uri(path)

    def download(self, uri: str) -> bytes:
        """Content of a file in the store.

        Raises
        ------
        DataError
            Where it is not there, or its address is none of this datastore's.
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
            raise DataError(f"{uri} is not there. Was it deleted, or is it in another container?")
        return content

    def read_json(self, uri: str) -> Any:
        """JSON in a file of the store, or of this machine."""
        content = self.download(uri) if FILE.fullmatch(uri) else resolve_existing(uri).read_bytes()
        return json.loads(content)

    def local_copy(self, uri: str) -> Path:
        """Copy on this machine of a file in the store; a file that is here stays where it is."""
        if not FILE.fullmatch(uri):
            return resolve_existing(uri)
        file = self._copies / self._path(uri)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.download(uri))
        return file

    def alone(self, name: str) -> AbstractContextManager:
        """Lease on a blob of that name: of several runs one has it, the others wait; it ends with its holder."""
        return lease(self.container.get_blob_client(f"locks/{name}"), _LEASE_SECONDS)

    def _path(self, uri: str) -> str:
        found = FILE.fullmatch(uri)
        if found is None:
            raise DataError(
                f"{uri}: expected a path, azureml:<dataset>:<version> or azureml://datastores/<datastore>/paths/<path>."
            )
        if found["datastore"] != self._parameters.datastore:
            raise DataError(
                f"{uri} is in the datastore {found['datastore']}, and this run uses {self._parameters.datastore}. Set "
                "datastore, or register the file as a dataset and name that: azureml:<dataset>:<version>."
            )
        return found["path"]


def _last(resource_id: str) -> str:
    return resource_id.rpartition("/")[2]
