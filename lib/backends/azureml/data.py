"""Data: a blob container as datastore, tables as registered Tabular datasets, everything else as blobs.

Three kinds of address: ``azureml:<dataset>:<version>``, a table that is registered; ``azureml://datastores/<datastore>/
paths/<path>``, a file in the store; and a path on this machine, which is uploaded and registered once.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import re
import tempfile
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.explain import explaining, is_absent, patiently
from lib.data import tables
from lib.errors import DataError
from lib.paths import existing, resolve

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from lib.backends.azureml.connection import Connection
    from lib.parameters import Parameters

DATASET = re.compile(r"azureml:(?P<name>[A-Za-z0-9][\w.-]*):(?P<version>\d+)")
FILE = re.compile(r"azureml://(?:subscriptions/.+/)?datastores/(?P<datastore>\w+)/paths/(?P<path>.+)")
_TAG = "sha256"
_LEASE_SECONDS = 60
_UPLOAD_TIMEOUT_SECONDS = 600

# Several notebooks of one process read tables; the native engine that does is started by one of them at a time.
_engine = threading.Lock()


class DataStore:
    """The datastore that the parameters name, and its tables.

    Parameters
    ----------
    connection : Connection
    parameters : Parameters
        ``datastore``, ``storage_account``, ``container``, ``name`` and ``workspace``, a folder for copies.
    """

    def __init__(self, connection: Connection, parameters: Parameters):
        self._connection = connection
        self._parameters = parameters
        self._copies = resolve(parameters.workspace) / "azureml"
        self.made = False

    @functools.cached_property
    def datastore(self) -> Any:
        """Datastore, registered where it is not there: by identity, with no key in it."""
        from azureml.core import Datastore

        name, workspace = self._parameters.datastore, self._connection.workspace
        with explaining(f"find the datastore {name}"):
            try:
                return Datastore.get(workspace, name)
            except Exception as error:
                if not is_absent(error):
                    raise
        account = self._parameters.storage_account or _last(workspace.get_details()["storageAccount"])

        def register() -> Any:
            return Datastore.register_azure_blob_container(
                workspace,
                datastore_name=name,
                container_name=self._parameters.container,
                account_name=account,
                skip_validation=True,
            )

        made = patiently(register, f"register the datastore {name}")
        self.made = True
        return made

    @property
    def state(self) -> str:
        """Whether it was there."""
        return "made" if self.made else "found"

    @functools.cached_property
    def container(self) -> Any:
        """Client of the blob container, which is made where it is not there."""
        from azure.core.exceptions import ResourceExistsError
        from azure.storage.blob import ContainerClient

        store = self.datastore
        client = ContainerClient(
            f"{store.protocol}://{store.account_name}.blob.{store.endpoint}",
            store.container_name,
            # A datastore that somebody registered with a key or a signature is used as it is.
            credential=store.account_key or store.sas_token or self._connection.credential,
            retry_total=5,
        )
        with explaining(f"reach the container {store.container_name} of {store.account_name}"):
            if not client.exists():
                try:
                    client.create_container()
                except ResourceExistsError:
                    pass  # another run made it meanwhile
        return client

    # Files

    def uri(self, path: str) -> str:
        """Address of a file in the store."""
        return f"azureml://datastores/{self._parameters.datastore}/paths/{path}"

    def upload(self, content: bytes, path: str) -> str:
        """Write a file, whole or not at all; its address."""
        blob = self.container.get_blob_client(path)

        def put() -> None:
            blob.upload_blob(content, overwrite=True, max_concurrency=2, timeout=_UPLOAD_TIMEOUT_SECONDS)

        patiently(put, f"upload {path}")
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
                if is_absent(error):
                    return None
                raise

        content = patiently(get, f"read {uri}")
        if content is None:
            raise DataError(f"{uri} is not there. Was it deleted, or is it in another container?")
        return content

    def read_json(self, uri: str) -> Any:
        """JSON in a file of the store, or of this machine."""
        content = self.download(uri) if FILE.fullmatch(uri) else existing(uri).read_bytes()
        return json.loads(content)

    def local_copy(self, uri: str) -> Path:
        """Copy on this machine of a file in the store; a file that is here stays where it is."""
        if not FILE.fullmatch(uri):
            return existing(uri)
        file = self._copies / self._path(uri)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.download(uri))
        return file

    def alone(self, name: str) -> AbstractContextManager:
        """Lease on a blob of that name: of several runs one has it, the others wait; it ends with its holder."""
        from lib.backends.azureml.lease import lease

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

    # Tables

    def find(self, uri: str) -> str:
        """Where a table is, for people; one on this machine is uploaded and registered now."""
        dataset = self._dataset(self.registered(uri))
        rows = f", {int(dataset.tags['rows']):,} rows" if "rows" in dataset.tags else ""
        return f"dataset {dataset.name}, version {dataset.version}{rows}"

    def registered(self, uri: str) -> str:
        """Address ``azureml:<dataset>:<version>`` of a table, which is registered where it is not yet."""
        if DATASET.fullmatch(uri):
            return uri
        stem = re.sub(r"[^\w-]", "-", Path(uri).name.split(".")[0])
        if FILE.fullmatch(uri):
            content, suffix = self.download(uri), "".join(Path(uri).suffixes[-2:])
        else:
            file = existing(uri)
            content, suffix = file.read_bytes(), "".join(file.suffixes[-2:])
        sha256, name = hashlib.sha256(content).hexdigest(), f"{self._parameters.name}-{stem}"
        known = self._version_of(name, sha256)
        if known is not None:
            return known
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch) / f"{stem}{suffix}"
            copy.write_bytes(content)
            frame = tables.read(copy)
        path = f"{self._parameters.name}/tables/{sha256[:16]}/{stem}.parquet"
        return self._register(frame, name, path, sha256, described=f"{uri}, {len(frame):,} rows")

    def write(self, frame: pd.DataFrame, path: str) -> str:
        """Write a table as Parquet, register it, and return its address."""
        folder, stem = Path(path).parts[0], Path(path).stem
        return self._register(frame, f"{folder}-{stem}", path, "", described=path)

    def read(self, uri: str) -> pd.DataFrame:
        """Table of an address of any kind."""
        dataset = self._dataset(self.registered(uri))
        # It prints its telemetry, and which identity it uses.
        silence = contextlib.redirect_stdout(io.StringIO())
        with _engine, silence, explaining(f"read the dataset {dataset.name}, version {dataset.version}"):
            frame = dataset.to_pandas_dataframe()
        if frame.empty:
            raise DataError(
                f"The dataset {dataset.name}, version {dataset.version}, has no row. Register one with rows."
            )
        frame.columns = [str(name).strip() for name in frame.columns]
        return frame

    def dataset(self, uri: str) -> Any:
        """Tabular dataset of an address of any kind, for jobs to name as their input."""
        return self._dataset(self.registered(uri))

    def _dataset(self, uri: str) -> Any:
        from azureml.core import Dataset

        found = DATASET.fullmatch(uri)
        name, version = found["name"], int(found["version"])
        with _engine, explaining(f"find the dataset {name}, version {version}"):
            return Dataset.get_by_name(self._connection.workspace, name, version)

    def _version_of(self, name: str, sha256: str) -> str | None:
        """Address of the newest version, where it is the one with that content."""
        from azureml.core import Dataset

        with _engine, explaining(f"find the dataset {name}"):
            try:
                newest = Dataset.get_by_name(self._connection.workspace, name)
            except Exception as error:
                if is_absent(error):
                    return None
                raise
        return f"azureml:{name}:{newest.version}" if newest.tags.get(_TAG) == sha256 else None

    def _register(self, frame: pd.DataFrame, name: str, path: str, sha256: str, described: str) -> str:
        import pyarrow.parquet as pq
        from azureml.core import Dataset

        arrow = plain(tables.as_arrow(frame))
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "table.parquet"
            pq.write_table(arrow, file)
            content = file.read_bytes()
        sha256 = sha256 or hashlib.sha256(content).hexdigest()
        known = self._version_of(name, sha256)
        if known is not None:
            return known
        self.upload(content, path)

        def register() -> Any:
            dataset = Dataset.Tabular.from_parquet_files(
                (self.datastore, path), validate=False, set_column_types=column_types(arrow.schema)
            )
            tags = {_TAG: sha256, "rows": str(len(frame))}
            return dataset.register(
                self._connection.workspace, name, description=described, tags=tags, create_new_version=True
            )

        with _engine:
            made = patiently(register, f"register the dataset {name}")
        return f"azureml:{made.name}:{made.version}"


def plain(table: pa.Table) -> pa.Table:
    """Table in the types that the engine which reads datasets knows: it has no categories, dates or empty columns."""
    import pyarrow as pa

    def known(column: Any) -> Any:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_null(column.type) or pa.types.is_large_string(column.type):
            return column.cast(pa.string())
        if pa.types.is_date(column.type):
            return column.cast(pa.timestamp("us"))
        if pa.types.is_decimal(column.type) or pa.types.is_float16(column.type):
            return column.cast(pa.float64())
        if pa.types.is_time(column.type) or pa.types.is_binary(column.type) or pa.types.is_duration(column.type):
            return pa.array([None if one is None else str(one) for one in column.to_pylist()], type=pa.string())
        return column

    return pa.table({name: known(column) for name, column in zip(table.column_names, table.columns, strict=True)})


def column_types(schema: pa.Schema) -> dict[str, Any]:
    """Type of each column, as datasets state them: inferred ones turn 0 and 1 into false and true.

    A type that datasets have no name for (a time, a small integer) is left to the Parquet file, from which it is read
    as it is; stated as the nearest one, it would lose digits, or its zone.
    """
    import pyarrow as pa
    from azureml.data import DataType

    stated = {
        pa.bool_(): DataType.to_bool,
        pa.int64(): DataType.to_long,
        pa.float64(): DataType.to_float,
        pa.string(): DataType.to_string,
    }
    return {field.name: stated[field.type]() for field in schema if field.type in stated}


def _last(resource_id: str) -> str:
    return resource_id.rpartition("/")[2]
