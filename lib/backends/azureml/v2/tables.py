"""Tables in SDK version 2: data assets of the type ``uri_file``, read by Millrace's own reader."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lib.backends.azureml.error_translation import is_not_found
from lib.backends.azureml.seams import TableVersion
from lib.backends.azureml.v2.workspace import Workspace
from lib.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from azure.ai.ml.entities import Data

    from lib.backends.azureml.datastore import DataStore

_FILE = "uri_file"
_MAX_ATTEMPTS = 5
_ALREADY_EXISTS = re.compile(r"already exists|exists already", re.IGNORECASE)


def get(workspace: Workspace, name: str, version: int | None = None) -> TableVersion:
    """Return a version of a table, by default the newest."""
    if version is None:
        return _newest(workspace, name)
    return _to_version(workspace.client.data.get(name, version=str(version)))


def get_address(workspace: Workspace, address: str) -> TableVersion:
    """Return the table at an address ``azureml:<name>:<version>``."""
    _, name, version = address.split(":")
    return get(workspace, name, int(version))


def _newest(workspace: Workspace, name: str) -> TableVersion:
    """Return the version with the highest number.

    Raises
    ------
    ResourceNotFoundError
        If there is no data asset of this name.
    """
    from azure.core.exceptions import ResourceNotFoundError

    # A user may have registered versions with names that are no numbers.
    versions = [_to_version(asset) for asset in workspace.client.data.list(name) if asset.version.isdigit()]
    if not versions:
        raise ResourceNotFoundError(f"The data asset {name} does not exist.")
    return max(versions, key=lambda version: version.version)


def _to_version(asset: Data) -> TableVersion:
    """Convert the SDK's object of a data asset."""
    return TableVersion(asset.name, int(asset.version), asset.tags or {}, asset.path, asset.type)


def read(workspace: Workspace, table: TableVersion, datastore: DataStore) -> pd.DataFrame:
    """Download the file of a table and read it.

    Raises
    ------
    DataError
        If the data asset is no single file.
    """
    import pyarrow.parquet as pq

    from lib.tables import frames
    from lib.tables.files import pandas_conversion

    if table.kind != _FILE:
        raise DataError(
            f"The data asset {table.name}, version {table.version}, is of the type {table.kind}, but azure_sdk: v2 "
            f"reads assets of the type {_FILE}. Register the file itself as an asset of that type, or set data to the "
            "file's address azureml://datastores/<datastore>/paths/<path>."
        )
    content = datastore.download(short_address(table.path))
    if table.path.endswith(".parquet"):
        return pandas_conversion.arrow_to_pandas(pq.read_table(io.BytesIO(content)))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / table.path.rpartition("/")[2]
        file.write_bytes(content)
        return frames.read(file)


def short_address(address: str) -> str:
    """Return a file's address without the workspace: ``azureml://datastores/<datastore>/paths/<path>``."""
    return re.sub(r"^azureml://subscriptions/.+?/datastores/", "azureml://datastores/", address)


def register(
    workspace: Workspace,
    store: str,
    path: str,
    schema: pa.Schema,
    name: str,
    description: str,
    tags: Mapping[str, str],
) -> str:
    """Register a Parquet file of a datastore as a new version of a table, and return the version's address.

    If another run registers the same version at the same moment, Azure rejects the call, and the next version is taken.
    """
    from azure.ai.ml.entities import Data

    address = f"azureml://datastores/{store}/paths/{path}"
    for attempt in range(1, _MAX_ATTEMPTS + 1):
        version = str(_next_version(workspace, name))
        asset = Data(name=name, version=version, type=_FILE, path=address, description=description, tags=dict(tags))
        try:
            workspace.client.data.create_or_update(asset)
        except Exception as error:
            if attempt == _MAX_ATTEMPTS or not _ALREADY_EXISTS.search(str(error)):
                raise
        else:
            break
    return f"azureml:{name}:{version}"


def _next_version(workspace: Workspace, name: str) -> int:
    """Return the number of a new version: 1 if there is no data asset of this name."""
    try:
        return _newest(workspace, name).version + 1
    except Exception as error:
        if is_not_found(error):
            return 1
        raise
