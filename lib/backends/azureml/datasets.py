"""Tables as registered, versioned datasets: Tabular datasets of SDK version 1, or data assets of version 2.

A table has one of three kinds of address: ``azureml:<dataset>:<version>`` for a registered dataset,
``azureml://datastores/<datastore>/paths/<path>`` for a file in the datastore, or a local path. Tables of the last two
kinds are registered on first use.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.datastore import DATASTORE_URI
from lib.backends.azureml.error_translation import is_not_found, retry, translate_errors
from lib.backends.azureml.seams import TableVersion
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
_SHA256_TAG = "sha256"
# URI of the schema of the file that a dataset was made from.
_SCHEMA_TAG = "schema"


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
        with translate_errors(f"read the dataset {dataset.name}, version {dataset.version}"):
            frame = self._tables.read(self._connection.workspace, dataset, self._datastore)
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

    def _stored_schema(self, dataset: TableVersion) -> dict[str, Any] | None:
        """Return the schema of the file that a dataset was made from; None if it was not made from a file."""
        uri = dataset.tags.get(_SCHEMA_TAG)
        return self._datastore.read_json(uri) if uri else None

    @property
    def _tables(self) -> ModuleType:
        """The SDK's functions for tables."""
        return self._connection.sdk("tables")

    def _get(self, address: str) -> TableVersion:
        """Return the dataset at an address ``azureml:<dataset>:<version>``."""
        match = DATASET_URI.fullmatch(address)
        assert match is not None, address
        name, version = match["name"], int(match["version"])
        with translate_errors(f"find the dataset {name}, version {version}"):
            return self._tables.get(self._connection.workspace, name, version)

    def _newest_version(self, name: str, sha256: str) -> str | None:
        """Return the address of a dataset's newest version if its content has the given hash; otherwise None."""
        with translate_errors(f"find the dataset {name}"):
            try:
                newest = self._tables.get(self._connection.workspace, name)
            except Exception as error:
                if is_not_found(error):
                    return None
                raise
        return newest.address if newest.tags.get(_SHA256_TAG) == sha256 else None

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

        def register() -> str:
            return self._tables.register(
                self._connection.workspace, self._datastore.azure_datastore.name, path, arrow.schema, name, description,
                all_tags,
            )  # fmt: skip

        return retry(register, f"register the dataset {name}")


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
