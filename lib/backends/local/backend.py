"""Stores and compute of the laptop, all below one workspace folder."""

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
from lib.errors import DataError
from lib.paths import display_path, resolve

if TYPE_CHECKING:
    import pandas as pd

    from lib.parameters import Parameters

_GIGABYTE = 1024**3
_LOW_SPACE_GIGABYTES = 1.0


class LocalBackend:
    """Everything below one workspace folder: ``mlflow.db``, ``artifacts/``, ``data/`` and ``endpoints/``.

    Parameters
    ----------
    parameters : Parameters
        ``workspace``, and what the endpoint needs.
    """

    name = "local"

    def __init__(self, parameters: Parameters):
        self._parameters = parameters
        self.workspace = resolve(parameters.workspace)
        self._made = not self.workspace.exists()
        try:
            self.workspace.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"workspace: the folder {self.workspace} cannot be made ({error.strerror}). Name another."
            ) from error

    @functools.cached_property
    def tracking(self) -> Tracking:
        """MLflow on SQLite; made when it is first asked for, since looking after an endpoint needs none of it."""
        artifacts = (self.workspace / "artifacts").as_uri()
        return Tracking(database.made(self.workspace / "mlflow.db", artifacts), artifacts)

    def prepare(self) -> list[Check]:
        """Stores, compute and space on this machine."""
        free = shutil.disk_usage(self.workspace).free / _GIGABYTE
        experiments = len(self.tracking.client.search_experiments()) - 1  # less MLflow's own "Default"
        data = self.workspace / "data"
        data.mkdir(exist_ok=True)
        models = len(self.tracking.client.search_registered_models())
        return [
            Check("workspace", f"{display_path(self.workspace)}, {'made' if self._made else 'found'}"),
            Check(
                "tracking store",
                f"MLflow on SQLite, {display_path(self.workspace / 'mlflow.db')}, {experiments} experiments",
            ),
            Check("model registry", f"in the tracking store, {models} models"),
            Check("data store", f"{display_path(data)}, {free:.0f} GB free", ok=free > _LOW_SPACE_GIGABYTES),
            Check("compute", f"this machine: {_cores()}, {_memory()}, {_gpu()}"),
        ]

    def describe_table(self, uri: str, encoding: str = "") -> str:
        """Path and size of a table's file."""
        from lib.data import sources

        return sources.describe(uri)

    def read_table(
        self, uri: str, exclude: Collection[str] = (), arrow_strings: bool = False, encoding: str = ""
    ) -> pd.DataFrame:
        """Read a table from a path, a ``file:`` URI, or any address that `lib.data.sources` knows."""
        from lib.data import sources

        return sources.read(uri, exclude, arrow_strings, encoding)

    def write_table(self, frame: pd.DataFrame, path: str) -> str:
        """Write a table below ``data/`` as Parquet."""
        from lib.data import tables

        file = self.workspace / "data" / path
        tables.write(frame, file)
        return file.as_uri()

    def read_json(self, uri: str) -> Any:
        """Read JSON from a ``file:`` URI."""
        return json.loads(local_path(uri).read_text(encoding="utf-8"))

    def write_json(self, value: Any, path: str) -> str:
        """Write JSON below ``data/``."""
        file = self.workspace / "data" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        part.write_text(json.dumps(value, indent=1), encoding="utf-8")
        part.replace(file)
        return file.as_uri()

    def local_copy(self, uri: str) -> Path:
        """The file itself: the data store is on this machine."""
        return local_path(uri)

    def search(self) -> LocalSearch:
        """Search on this machine, for the parameters of this notebook."""
        return LocalSearch(self._parameters)

    def models(self, name: str) -> ModelRegistry:
        """Versions of a use case's model, in the tracking store."""
        return ModelRegistry(self.tracking.client, name, lock=lambda: FileLock(self.workspace / "registry.lock"))

    def endpoint(self, name: str) -> Endpoint:
        """Endpoint of a use case, below ``endpoints/``."""
        return LocalBackendEndpoint(self.workspace / "endpoints" / name, name, self._parameters)

    def endpoints(self) -> list[str]:
        """Names of the endpoints that were ever deployed in this workspace."""
        folder = self.workspace / "endpoints"
        return sorted(one.name for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []

    def teardown(self, everything: bool) -> list[str]:
        """Stop the endpoint, or all of this workspace; nothing else outlives a run."""
        known = self.endpoints()
        names = known if everything else [name for name in known if name == self._parameters.name]
        before = {name: self.endpoint(name).status() for name in names}
        ended = [self.endpoint(name).stop() for name, status in before.items() if status.url]
        return [f"endpoint {status.name}: {status.state}" for status in ended]


def _cores() -> str:
    return f"{cores.available()} cores"


def _memory() -> str:
    import psutil

    return f"{psutil.virtual_memory().total / _GIGABYTE:.0f} GB memory"


def _gpu() -> str:
    """What NVIDIA's own tool lists, if it is there."""
    import subprocess

    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "no GPU"
    listed = subprocess.run(
        [tool, "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, timeout=30
    )
    return ", ".join(listed.stdout.split("\n")).strip(", ") if listed.returncode == 0 else "no GPU that works"
