"""A throw-away copy of a use case's workspace, in which a simulation may change and break everything."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import yaml

from lib.backends.local import relocation
from lib.errors import DataError, ParameterError
from lib.parameters import Parameters
from lib.paths import display_path, resolve

MONITORING = "monitoring"  # what earlier looks have counted, below the data of the use case


def make_copy(parameters: Parameters, folder: Path) -> Parameters:
    """Copy the workspace of a use case, and return the parameters with which to use the copy.

    The copy has the use case's runs, model versions and prepared tables. It has no endpoint and no request log. The
    copy of the endpoint gets a port of its own, and nobody is notified of what happens in it.

    Parameters
    ----------
    parameters : Parameters
    folder : Path
        An existing folder for the copy; its parameter file is ``parameters.yaml``.

    Raises
    ------
    ParameterError
        If the workspace is not a folder on this machine.
    DataError
        If the chain has never run in the workspace.
    """
    if parameters.backend != "local":
        raise ParameterError(
            f"simulate works on a copy of a workspace, so it needs backend: local; the parameters say "
            f"{parameters.backend}."
        )
    workspace = resolve(parameters.workspace)
    if not (workspace / "mlflow.db").is_file():
        raise DataError(
            f"workspace: {display_path(workspace)} has no mlflow.db, so there is no model to simulate. Run the chain "
            "first."
        )
    copy = folder / "workspace"
    copy.mkdir(mode=0o700)
    _copy_database(workspace, copy)
    _copy_files(workspace, copy, parameters.name)
    values = {
        **parameters,
        "workspace": str(copy),
        "runs_folder": str(folder / "runs"),
        "endpoint_host": "127.0.0.1",
        "endpoint_port": 0,
        "endpoint_traffic_percent": 100,
        "endpoint_mirror_percent": 0,
        "request_log": True,
        "on_verdict": "tell",
        "labels": {},
        "retries": {},
        "notify": {},
        "signing_key": "",
    }
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    (folder / "parameters.yaml").write_text(text, encoding="utf-8")
    return Parameters(values)


def measure_copy(parameters: Parameters) -> int:
    """Return the size of what `make_copy` copies, in bytes."""
    workspace = resolve(parameters.workspace)
    folders = [workspace / parent / parameters.name for parent in ("artifacts", "data")]
    files = [workspace / "mlflow.db", *(path for folder in folders for path in folder.rglob("*"))]
    return sum(path.stat().st_size for path in files if path.is_file())


def _copy_database(workspace: Path, copy: Path) -> None:
    """Copy MLflow's database without writing to the original, and make its URIs those of the copy."""
    source = f"{(workspace / 'mlflow.db').as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(copy / "mlflow.db")) as target:
        with contextlib.closing(sqlite3.connect(source, uri=True)) as original:
            original.backup(target)
    roots = [(folder / "artifacts").as_uri() for folder in (workspace, copy)]
    relocation.rewrite_uris(copy / "mlflow.db", *roots)


def _copy_files(workspace: Path, copy: Path, name: str) -> None:
    """Copy models and tables of a use case; earlier looks judged requests that the copy does not have."""
    for parent in ("artifacts", "data"):
        source = workspace / parent / name
        if source.is_dir():
            shutil.copytree(source, copy / parent / name, ignore=shutil.ignore_patterns(MONITORING))
