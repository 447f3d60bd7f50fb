"""Tables in SDK version 1: registered Tabular datasets."""

from __future__ import annotations

import contextlib
import io
import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.seams import TableVersion
from lib.backends.azureml.v1.stores import native_store
from lib.backends.azureml.v1.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from lib.backends.azureml.datastore import DataStore

_ADDRESS = re.compile(r"azureml:(?P<name>[A-Za-z0-9][\w.-]*):(?P<version>\d+)")
_NO_PATH_MESSAGE = "path can't be empty"
# Azure rejects a definition that an earlier version has, and names that version. The service writes a sentence;
# azureml-core writes a line of Python that gets the version.
_IDENTICAL_DATASET = re.compile(
    r'(?:has been registered as |name=")(?P<name>[\w.-]+)(?:", version=|:)(?P<version>\d+)(?: \(name:version\)|\))'
)

# The native dataset engine must not be started by two threads at once.
_engine_lock = threading.Lock()


def get(workspace: Workspace, name: str, version: int | None = None) -> TableVersion:
    """Return a version of a table, by default the newest."""
    with _engine_lock:
        dataset = _get_dataset(workspace, name, version)
    return TableVersion(dataset.name, dataset.version, dataset.tags)


def read(workspace: Workspace, table: TableVersion, datastore: DataStore) -> pd.DataFrame:
    """Read a table with the native dataset engine. `datastore` is not used: the engine finds the file by itself."""
    # The engine prints telemetry messages and the identity that it uses.
    with _engine_lock, contextlib.redirect_stdout(io.StringIO()):
        return _get_dataset(workspace, table.name, table.version).to_pandas_dataframe()


def register(
    workspace: Workspace,
    store: str,
    path: str,
    schema: pa.Schema,
    name: str,
    description: str,
    tags: Mapping[str, str],
) -> str:
    """Register a Parquet file of a datastore as a new version of a table, and return the version's address."""
    from azureml.core import Dataset

    with _engine_lock:
        dataset = Dataset.Tabular.from_parquet_files(
            (native_store(workspace, store), path), validate=False, set_column_types=column_types(schema)
        )
        try:
            version = dataset.register(
                workspace.native, name, description=description, tags=dict(tags), create_new_version=True
            )
        except Exception as error:
            # Azure keeps one version per definition, and an earlier version has the same one. Return that version.
            identical = _IDENTICAL_DATASET.search(str(error))
            if identical is None:
                raise
            return f"azureml:{identical['name']}:{identical['version']}"
    return f"azureml:{version.name}:{version.version}"


def native_dataset(workspace: Workspace, address: str) -> Any:
    """Return azureml-core's dataset at an address ``azureml:<name>:<version>``."""
    match = _ADDRESS.fullmatch(address)
    assert match is not None, address
    with _engine_lock:
        return _get_dataset(workspace, match["name"], int(match["version"]))


def _get_dataset(workspace: Workspace, name: str, version: int | None) -> Any:
    """Return a version of a dataset, by default the newest.

    The SDK asks the first version of Azure's API, and then the second version if the first does not know the
    dataset. If another run registers the dataset in between, the second version answers without a path. The SDK
    raises an error for this answer, so the SDK is called again.
    """
    from azureml.core import Dataset

    if version is not None:
        return Dataset.get_by_name(workspace.native, name, version)
    try:
        return Dataset.get_by_name(workspace.native, name)
    except Exception as error:
        if _NO_PATH_MESSAGE not in str(error):
            raise
        return Dataset.get_by_name(workspace.native, name)


def column_types(schema: pa.Schema) -> dict[str, Any]:
    """Return the dataset type of each column. Without them, the engine would take 0 and 1 for booleans.

    Columns without an exactly matching dataset type, such as times and small integers, are omitted: the engine uses
    their type in the Parquet file. The nearest dataset type would lose digits or the time zone.
    """
    import pyarrow as pa
    from azureml.data import DataType

    counterparts = {
        pa.bool_(): DataType.to_bool,
        pa.int64(): DataType.to_long,
        pa.float64(): DataType.to_float,
        pa.string(): DataType.to_string,
    }
    return {field.name: counterparts[field.type]() for field in schema if field.type in counterparts}
