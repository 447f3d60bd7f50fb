"""Tables: registered Tabular datasets with versions, read back as they were written.

Three kinds of address: ``azureml:<dataset>:<version>``, a table that is registered; ``azureml://datastores/<datastore>/
paths/<path>``, a file in the store; and a path on this machine. The last two are registered when first asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import tempfile
import threading
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.datastore import FILE
from lib.backends.azureml.error_translation import is_not_found, retry, translate_errors
from lib.data import cleaning, tables
from lib.errors import DataError
from lib.paths import resolve_existing

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from lib.backends.azureml.connection import Connection
    from lib.backends.azureml.datastore import DataStore

DATASET = re.compile(r"azureml:(?P<name>[A-Za-z0-9][\w.-]*):(?P<version>\d+)")
_TAG = "sha256"
# As the service says it, and as azureml-core does where it knows the service's words: in a call to copy.
_IDENTICAL = re.compile(
    r'(?:has been registered as |name=")(?P<name>[\w.-]+)(?:", version=|:)(?P<version>\d+)(?: \(name:version\)|\))'
)

# Several notebooks of one process read tables; the native engine that does is started by one of them at a time.
_engine = threading.Lock()


class Tables:
    """Tables of a use case.

    Parameters
    ----------
    connection : Connection
    store : DataStore
        Where their files go.
    name : str
        Of the use case; it begins the names of its datasets.
    """

    def __init__(self, connection: Connection, store: DataStore, name: str):
        self._connection, self._store, self._name = connection, store, name

    def find(self, uri: str, encoding: str = "") -> str:
        """Where a table is, for people; one on this machine is uploaded and registered now."""
        dataset = self._dataset(self.registered(uri, encoding))
        rows = f", {int(dataset.tags['rows']):,} rows" if "rows" in dataset.tags else ""
        return f"dataset {dataset.name}, version {dataset.version}{rows}"

    def registered(self, uri: str, encoding: str = "") -> str:
        """Address ``azureml:<dataset>:<version>`` of a table, which is registered where it is not yet.

        Parameters
        ----------
        uri : str
        encoding : str
            Of a text file; empty: found by looking.
        """
        if DATASET.fullmatch(uri):
            return uri
        stem = re.sub(r"[^\w-]", "-", Path(uri).name.split(".")[0])
        if FILE.fullmatch(uri):
            content, suffix = self._store.download(uri), "".join(Path(uri).suffixes[-2:])
        else:
            file = resolve_existing(uri)
            content, suffix = file.read_bytes(), "".join(file.suffixes[-2:])
        # Read in another encoding, the same bytes are another table.
        sha256, name = hashlib.sha256(content + encoding.encode()).hexdigest(), f"{self._name}-{stem}"
        known = self._version_of(name, sha256)
        if known is not None:
            return known
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch) / f"{stem}{suffix}"
            copy.write_bytes(content)
            frame = tables.read(copy, encoding=encoding)
        path = f"{self._name}/tables/{sha256[:16]}/{stem}.parquet"
        return self._register(frame, name, path, sha256, described=f"{uri}, {len(frame):,} rows")

    def write(self, frame: pd.DataFrame, path: str) -> str:
        """Write a table as Parquet, register it, and return its address."""
        folder, stem = Path(path).parts[0], Path(path).stem
        return self._register(frame, f"{folder}-{stem}", path, "", described=path)

    def read(self, uri: str, without: Collection[str] = (), encoding: str = "") -> pd.DataFrame:
        """Table of an address of any kind; see `lib.data.tables.read`."""
        dataset = self._dataset(self.registered(uri, encoding))
        # It prints its telemetry, and which identity it uses.
        silence = contextlib.redirect_stdout(io.StringIO())
        with _engine, silence, translate_errors(f"read the dataset {dataset.name}, version {dataset.version}"):
            frame = dataset.to_pandas_dataframe()
        if frame.empty:
            raise DataError(
                f"The dataset {dataset.name}, version {dataset.version}, has no row. Register one with rows."
            )
        frame.columns = [str(name).strip() for name in frame.columns]
        kept = cleaning.drop_columns(frame, list(without), where=uri)
        kept.attrs.update({tables.NOTES: [], tables.UNREAD: list(without)})
        return kept

    def dataset(self, uri: str) -> Any:
        """Tabular dataset of an address of any kind, for jobs to name as their input."""
        return self._dataset(self.registered(uri))

    def _dataset(self, uri: str) -> Any:
        from azureml.core import Dataset

        found = DATASET.fullmatch(uri)
        name, version = found["name"], int(found["version"])
        with _engine, translate_errors(f"find the dataset {name}, version {version}"):
            return Dataset.get_by_name(self._connection.workspace, name, version)

    def _version_of(self, name: str, sha256: str) -> str | None:
        """Address of the newest version, where it is the one with that content."""
        from azureml.core import Dataset

        with _engine, translate_errors(f"find the dataset {name}"):
            try:
                newest = Dataset.get_by_name(self._connection.workspace, name)
            except Exception as error:
                if is_not_found(error):
                    return None
                raise
        return f"azureml:{name}:{newest.version}" if newest.tags.get(_TAG) == sha256 else None

    def _register(self, frame: pd.DataFrame, name: str, path: str, sha256: str, described: str) -> str:
        import pyarrow.parquet as pq
        from azureml.core import Dataset

        arrow = to_dataset_types(tables.pandas_to_arrow(frame))
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "table.parquet"
            pq.write_table(arrow, file)
            content = file.read_bytes()
        sha256 = sha256 or hashlib.sha256(content).hexdigest()
        known = self._version_of(name, sha256)
        if known is not None:
            return known
        self._store.upload(content, path)

        def register() -> str:
            dataset = Dataset.Tabular.from_parquet_files(
                (self._store.datastore, path), validate=False, set_column_types=column_types(arrow.schema)
            )
            tags = {_TAG: sha256, "rows": str(len(frame))}
            try:
                made = dataset.register(
                    self._connection.workspace, name, description=described, tags=tags, create_new_version=True
                )
            except Exception as error:
                # A table that came back after another one: its path and columns are those of an earlier version.
                if (earlier := _IDENTICAL.search(str(error))) is None:
                    raise
                return f"azureml:{earlier['name']}:{earlier['version']}"
            return f"azureml:{made.name}:{made.version}"

        with _engine:
            return retry(register, f"register the dataset {name}")


def to_dataset_types(table: pa.Table) -> pa.Table:
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
