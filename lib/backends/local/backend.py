"""Stores and compute on this machine, all below one workspace folder."""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from lib import cores
from lib.backends.base import Check, Endpoint
from lib.backends.local import database
from lib.backends.local.endpoint import LocalBackendEndpoint
from lib.backends.local.files import local_path
from lib.backends.local.search import LocalSearch
from lib.backends.models import ModelRegistry
from lib.backends.tracking import Tracking
from lib.errors import DataError, ParameterError, format_count
from lib.paths import display_path, resolve
from lib.tables.files import parquet_writer

if TYPE_CHECKING:
    import pandas as pd

    from lib.evidence.signing import Signer
    from lib.parameters import Parameters
    from lib.tables.schema_source import SchemaSource

_GIGABYTE = 1024**3
_LOW_SPACE_GIGABYTES = 1.0


class LocalBackend:
    """The local backend; its workspace contains ``mlflow.db``, ``artifacts/``, ``data/`` and ``endpoints/``.

    Parameters
    ----------
    parameters : Parameters
        Parameters of the use case.
    """

    name = "local"

    def __init__(self, parameters: Parameters):
        self._parameters = parameters
        self.workspace = resolve(parameters.workspace)
        self._is_new = not self.workspace.exists()
        try:
            self.workspace.mkdir(parents=True, exist_ok=True, mode=0o700)  # it contains data, models and keys
        except OSError as error:
            raise DataError(
                f"workspace: cannot create the folder {self.workspace} ({error.strerror}). Choose another folder."
            ) from error

    @functools.cached_property
    def tracking(self) -> Tracking:
        """MLflow tracking in an SQLite database, which is created on first use: endpoint commands do not need it."""
        artifacts = (self.workspace / "artifacts").as_uri()
        with database.explained_version(self.workspace / "mlflow.db"):
            return Tracking(database.ensure_database(self.workspace / "mlflow.db", artifacts), artifacts)

    def prepare(self) -> list[Check]:
        """Create the stores, and return a check for each store, for the disk space and for the compute."""
        free_gigabytes = shutil.disk_usage(self.workspace).free / _GIGABYTE
        experiment_count = len(self.tracking.client.search_experiments()) - 1  # without MLflow's own "Default"
        data = self.workspace / "data"
        data.mkdir(exist_ok=True)
        model_count = len(self.tracking.client.search_registered_models())
        database_file = display_path(self.workspace / "mlflow.db")
        return [
            Check("workspace", f"{display_path(self.workspace)}, {'created' if self._is_new else 'found'}"),
            Check(
                "tracking store",
                f"MLflow on SQLite, {database_file}, {format_count(experiment_count, 'experiment')}",
            ),
            Check("model registry", f"in the tracking store, {format_count(model_count, 'model')}"),
            Check(
                "data store",
                f"{display_path(data)}, {free_gigabytes:.0f} GB free",
                ok=free_gigabytes > _LOW_SPACE_GIGABYTES,
            ),
            Check("compute", f"this machine: {_describe_cores()}, {_describe_memory()}, {_describe_gpus()}"),
        ]

    def describe_table(self, uri: str, encoding: str = "") -> str:
        """Return the path and size of a table's file, as text."""
        from lib.tables import sources

        return sources.describe(uri)

    def read_table(
        self,
        uri: str,
        exclude: Collection[str] = (),
        arrow_strings: bool = False,
        encoding: str = "",
        schema_source: SchemaSource | None = None,
    ) -> pd.DataFrame:
        """Read a table from a path, a ``file:`` URI, or any address that `lib.tables.sources` supports."""
        from lib.tables import sources

        return sources.read(uri, exclude, arrow_strings, encoding, schema_source)

    def write_table(self, frame: pd.DataFrame, path: str) -> str:
        """Write a table as Parquet to a path below ``data/``, and return its URI."""
        file = self.workspace / "data" / path
        parquet_writer.write(frame, file)
        return file.as_uri()

    def read_json(self, uri: str) -> Any:
        """Return the content of a JSON file from its ``file:`` URI or path."""
        return json.loads(local_path(uri).read_text(encoding="utf-8"))

    def write_json(self, value: Any, path: str) -> str:
        """Write a value as JSON to a path below ``data/``, and return its URI."""
        file = self.workspace / "data" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        part.write_text(json.dumps(value, indent=1), encoding="utf-8")
        part.replace(file)
        return file.as_uri()

    def read_secret(self, name: str) -> str:
        """Raise a ParameterError, because a laptop has no vault."""
        raise ParameterError(
            f"keyvault:{name}: the local backend has no key vault. Put the secret into an environment variable, and "
            f"write env:NAME; or use the backend azureml."
        )

    def signer(self, name: str) -> Signer:
        """Raise a ParameterError, because a laptop has no vault."""
        raise ParameterError(
            f"signing_key: the local backend has no key vault for keyvault:{name}. Give the path of a PEM file, or "
            "env:NAME for a variable that contains the key."
        )

    def local_copy(self, uri: str) -> Path:
        """Return the path of the original file, because the data store is on this machine."""
        return local_path(uri)

    def search(self) -> LocalSearch:
        """Return an AutoML search on this machine."""
        return LocalSearch(self._parameters)

    def models(self, name: str) -> ModelRegistry:
        """Return the model registry of a use case, which is part of the tracking store."""
        return ModelRegistry(self.tracking.client, name, lock=lambda: FileLock(self.workspace / "registry.lock"))

    def endpoint(self, name: str) -> Endpoint:
        """Return the endpoint of a use case, below ``endpoints/``."""
        return LocalBackendEndpoint(self.workspace / "endpoints" / name, name, self._parameters)

    def request_log(self, name: str) -> Path:
        """Return the folder in which the endpoint of a use case logs its requests."""
        return self.workspace / "endpoints" / name / "requests"

    def endpoints(self) -> list[str]:
        """Return the names of all endpoints that were ever deployed in this workspace."""
        folder = self.workspace / "endpoints"
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def teardown(self, everything: bool) -> list[str]:
        """Stop the endpoint of the use case, or all endpoints of the workspace; nothing else runs on after a run.

        Returns
        -------
        list of str
            One line for each stopped endpoint.
        """
        endpoints = [self.endpoint(name) for name in self.endpoints() if everything or name == self._parameters.name]
        stopped = [endpoint.stop() for endpoint in endpoints if endpoint.status().url]
        return [f"endpoint {status.name}: {status.state}" for status in stopped]


def _describe_cores() -> str:
    """Return the number of cores that this process may use, as text."""
    return format_count(cores.available(), "core")


def _describe_memory() -> str:
    """Return the size of this machine's memory, as text."""
    import psutil

    return f"{psutil.virtual_memory().total / _GIGABYTE:.0f} GB memory"


def _describe_gpus() -> str:
    """Return the names of the GPUs that ``nvidia-smi`` lists, as text."""
    import subprocess

    program = shutil.which("nvidia-smi")
    if program is None:
        return "no GPU"
    query = [program, "--query-gpu=name", "--format=csv,noheader"]
    result = subprocess.run(query, capture_output=True, text=True, timeout=30)
    return ", ".join(result.stdout.split("\n")).strip(", ") if result.returncode == 0 else "no working GPU"
