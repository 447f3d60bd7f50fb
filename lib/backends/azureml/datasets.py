"""Tables as registered, versioned Tabular datasets.

A table has one of three kinds of address: ``azureml:<dataset>:<version>`` for a registered dataset,
``azureml://datastores/<datastore>/paths/<path>`` for a file in the datastore, or a local path. Tables of the last two
kinds are registered on first use.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import tempfile
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.datastore import DATASTORE_URI
from lib.backends.azureml.error_translation import is_not_found, retry, translate_errors
from lib.errors import DataError
from lib.paths import resolve_existing
from lib.tables import cleaning, frames
from lib.tables.detect.schema_inference import infer_schema
from lib.tables.files import pandas_conversion

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from lib.backends.azureml.connection import Connection
    from lib.backends.azureml.datastore import DataStore
    from lib.tables.schema_source import SchemaSource

DATASET_URI = re.compile(r"azureml:(?P<name>[A-Za-z0-9][\w.-]*):(?P<version>\d+)")
_NO_PATH_MESSAGE = "path can't be empty"
_SHA256_TAG = "sha256"
# URI of the schema of the file that a dataset was made from.
_SCHEMA_TAG = "schema"
# Azure rejects a definition that an earlier version has, and names that version. The service writes a sentence;
# azureml-core writes a line of Python that gets the version.
_IDENTICAL_DATASET = re.compile(
    r'(?:has been registered as |name=")(?P<name>[\w.-]+)(?:", version=|:)(?P<version>\d+)(?: \(name:version\)|\))'
)

# The native dataset engine must not be started by two threads at once.
_engine_lock = threading.Lock()


class Datasets:
    """The tables of a use case.

    Parameters
    ----------
    connection : Connection
    datastore : DataStore
        Store of the tables' files.
    use_case : str
        Prefix of the dataset names.
    """

    def __init__(self, connection: Connection, datastore: DataStore, use_case: str):
        self._connection, self._datastore, self._use_case = connection, datastore, use_case

    def describe(self, uri: str, encoding: str = "") -> str:
        """Return the dataset and row count of a table, as text. A table that is no dataset yet is registered."""
        dataset = self._get(self.ensure_registered(uri, encoding))
        row_count = f", {int(dataset.tags['rows']):,} rows" if "rows" in dataset.tags else ""
        return f"dataset {dataset.name}, version {dataset.version}{row_count}"

    def ensure_registered(self, uri: str, encoding: str = "", schema_source: SchemaSource | None = None) -> str:
        """Return a table's address as a dataset, ``azureml:<dataset>:<version>``; register it if necessary.

        Parameters
        ----------
        uri : str
            Address of any kind.
        encoding : str
            Encoding of a text file; empty to detect it.
        schema_source : SchemaSource, optional
            How the table is read; see `lib.tables.frames.read`.
        """
        if DATASET_URI.fullmatch(uri):
            return uri
        stem = re.sub(r"[^\w-]", "-", Path(uri).name.split(".")[0])
        content, suffix = self._read_file(uri)
        # The same bytes are another table if they are read in another encoding or by another schema.
        schema_text = repr(schema_source) if schema_source else ""
        sha256 = hashlib.sha256(content + encoding.encode() + schema_text.encode()).hexdigest()
        name = f"{self._use_case}-{stem}"
        registered = self._newest_version(name, sha256)
        if registered is not None:
            return registered
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{stem}{suffix}"
            file.write_bytes(content)
            frame = frames.read(file, encoding=encoding, schema_source=schema_source)
        path = f"{self._use_case}/tables/{sha256[:16]}/{stem}.parquet"
        schema = json.dumps(frame.attrs[frames.SCHEMA]).encode()
        tags = {_SCHEMA_TAG: self._datastore.upload(schema, f"{self._use_case}/tables/{sha256[:16]}/schema.json")}
        return self._register(frame, name, path, sha256, description=f"{uri}, {len(frame):,} rows", tags=tags)

    def _read_file(self, uri: str) -> tuple[bytes, str]:
        """Return the content of a file and the suffixes of its name, at most two, e.g. ``.csv.gz``."""
        if DATASTORE_URI.fullmatch(uri):
            return self._datastore.download(uri), "".join(Path(uri).suffixes[-2:])
        file = resolve_existing(uri)
        return file.read_bytes(), "".join(file.suffixes[-2:])

    def write(self, frame: pd.DataFrame, path: str) -> str:
        """Write a table as Parquet, register it as a dataset, and return the dataset's address."""
        folder, stem = Path(path).parts[0], Path(path).stem
        return self._register(frame, f"{folder}-{stem}", path, "", description=path)

    def read(
        self,
        uri: str,
        exclude: Collection[str] = (),
        encoding: str = "",
        schema_source: SchemaSource | None = None,
    ) -> pd.DataFrame:
        """Read a table by an address of any kind; see `lib.tables.frames.read`."""
        dataset = self._get(self.ensure_registered(uri, encoding, schema_source))
        # The engine prints telemetry messages and the identity that it uses.
        silence = contextlib.redirect_stdout(io.StringIO())
        with _engine_lock, silence, translate_errors(f"read the dataset {dataset.name}, version {dataset.version}"):
            frame = dataset.to_pandas_dataframe()
        if frame.empty:
            raise DataError(
                f"The dataset {dataset.name}, version {dataset.version}, has no rows. Register a version with rows, "
                "and set the parameter data to that version."
            )
        frame.columns = [str(name).strip() for name in frame.columns]
        remaining = cleaning.drop_columns(frame, list(exclude), where=uri)
        schema = self._stored_schema(dataset) or infer_schema(pandas_conversion.pandas_to_arrow(remaining)).to_dict()
        frames.set_attrs(remaining, [], exclude, schema)
        return remaining

    def _stored_schema(self, dataset: Any) -> dict[str, Any] | None:
        """Return the schema of the file that a dataset was made from; None if it was not made from a file."""
        uri = dataset.tags.get(_SCHEMA_TAG)
        return self._datastore.read_json(uri) if uri else None

    def get(self, uri: str) -> Any:
        """Return the Tabular dataset for an address of any kind, to be used as a job's input."""
        return self._get(self.ensure_registered(uri))

    def _get(self, uri: str) -> Any:
        """Return the Tabular dataset at an address ``azureml:<dataset>:<version>``."""
        from azureml.core import Dataset

        match = DATASET_URI.fullmatch(uri)
        assert match is not None, uri
        name, version = match["name"], int(match["version"])
        with _engine_lock, translate_errors(f"find the dataset {name}, version {version}"):
            return Dataset.get_by_name(self._connection.workspace, name, version)

    def _newest_version(self, name: str, sha256: str) -> str | None:
        """Return the address of a dataset's newest version if its content has the given hash; otherwise None."""
        with _engine_lock, translate_errors(f"find the dataset {name}"):
            try:
                newest = self._get_newest(name)
            except Exception as error:
                if is_not_found(error):
                    return None
                raise
        return f"azureml:{name}:{newest.version}" if newest.tags.get(_SHA256_TAG) == sha256 else None

    def _get_newest(self, name: str) -> Any:
        """Return the newest version of a dataset.

        The SDK asks the first version of Azure's API, and then the second version if the first does not know the
        dataset. If another run registers the dataset in between, the second version answers without a path. The SDK
        raises an error for this answer, so the SDK is called again.
        """
        from azureml.core import Dataset

        try:
            return Dataset.get_by_name(self._connection.workspace, name)
        except Exception as error:
            if _NO_PATH_MESSAGE not in str(error):
                raise
            return Dataset.get_by_name(self._connection.workspace, name)

    def _register(
        self,
        frame: pd.DataFrame,
        name: str,
        path: str,
        sha256: str,
        description: str,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Upload a table and register it as a dataset, unless its newest version has the same content.

        Parameters
        ----------
        frame : DataFrame
        name : str
            Name of the dataset.
        path : str
            Path of the Parquet file in the datastore.
        sha256 : str
            Hash that identifies the content; empty to use the hash of the Parquet file.
        description : str
        tags : mapping of str to str, optional
            Tags of the dataset besides its hash and its number of rows.
        """
        import pyarrow.parquet as pq

        arrow = to_dataset_types(pandas_conversion.pandas_to_arrow(frame))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "table.parquet"
            pq.write_table(arrow, file)
            content = file.read_bytes()
        sha256 = sha256 or hashlib.sha256(content).hexdigest()
        registered = self._newest_version(name, sha256)
        if registered is not None:
            return registered
        self._datastore.upload(content, path)
        all_tags = {**(tags or {}), _SHA256_TAG: sha256, "rows": str(len(frame))}
        with _engine_lock:
            return retry(
                lambda: self._register_file(path, arrow.schema, name, description, all_tags),
                f"register the dataset {name}",
            )

    def _register_file(self, path: str, schema: pa.Schema, name: str, description: str, tags: dict[str, str]) -> str:
        """Register a Parquet file of the datastore as a new version of a dataset, and return the version's address."""
        from azureml.core import Dataset

        dataset = Dataset.Tabular.from_parquet_files(
            (self._datastore.azure_datastore, path), validate=False, set_column_types=column_types(schema)
        )
        try:
            version = dataset.register(
                self._connection.workspace, name, description=description, tags=tags, create_new_version=True
            )
        except Exception as error:
            # Azure keeps one version per definition, and an earlier version has the same one. Return that version.
            identical = _IDENTICAL_DATASET.search(str(error))
            if identical is None:
                raise
            return f"azureml:{identical['name']}:{identical['version']}"
        return f"azureml:{version.name}:{version.version}"


def to_dataset_types(table: pa.Table) -> pa.Table:
    """Convert a table to the column types that the dataset engine supports.

    The engine does not support categories, dates, decimals, times, binary values and columns without any value.
    """
    import pyarrow as pa

    columns = zip(table.column_names, table.columns, strict=True)
    return pa.table({name: _to_supported_type(column) for name, column in columns})


def _to_supported_type(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Convert a column to the nearest type that the dataset engine supports."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_null(column.type) or types.is_large_string(column.type):
        return column.cast(pa.string())
    if types.is_date(column.type):
        return column.cast(pa.timestamp("us"))
    if types.is_decimal(column.type) or types.is_float16(column.type):
        return column.cast(pa.float64())
    if types.is_time(column.type) or types.is_binary(column.type) or types.is_duration(column.type):
        texts = [None if value is None else str(value) for value in column.to_pylist()]
        return pa.array(texts, type=pa.string())
    return column


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
