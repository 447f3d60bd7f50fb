"""The manifest of a run: the SHA-256 of every file that belongs to it, and what MLflow recorded about it.

The manifests of a workspace form a chain. Its ledger, ``manifests.jsonl``, has one line per sealed run with the hash of
the line before, so that no run can be changed or taken out unnoticed.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from lib.evidence import signing, verifier
from lib.evidence.signing import Signer
from lib.evidence.verifier import DATA, LEDGER, MANIFEST, PROJECT, RUN, SIGNATURE, WORKSPACE
from lib.paths import ROOT, display_path

_PROJECT_FOLDERS = ("lib", "custom", "notebooks")
_PROJECT_FILES = ("run_all.py", "requirements.lock", "pyproject.toml", "environment.yml", "parameters/base.yaml")
_MODEL_TAGS = ("served_version", "served_sha256", "replaced_version", "replaced_sha256")
_ARTIFACTS, _DATABASE = "artifacts", "mlflow.db"


def seal(
    run_folder: Path,
    workspace: Path,
    inputs: Iterable[Path],
    outputs: Iterable[Path],
    signer: Signer | None = None,
) -> str:
    """Write the manifest of a run that has ended, and add it to the workspace's ledger.

    The manifest of an earlier attempt of the same run is kept as ``manifest-1.json``, ``manifest-2.json``, ...

    Parameters
    ----------
    run_folder : Path
    workspace : Path
        Folder with MLflow's database and the artifacts.
    inputs : iterable of Path
        Files that the run read, such as the table.
    outputs : iterable of Path
        Files that the run wrote; those outside the workspace are left out.
    signer : Signer, optional
        Signs the manifest, its entry of the ledger, and the models that became versions.

    Returns
    -------
    str
        SHA-256 of the manifest.
    """
    workspace.mkdir(parents=True, exist_ok=True)
    with FileLock(workspace / f"{LEDGER}.lock"):
        _keep_earlier_manifest(run_folder)
        lines = verifier.read_ledger(workspace)
        if signer is not None:
            _sign_models(run_folder.name, workspace, signer)
        manifest = _collect(run_folder, workspace, inputs, outputs) | {"previous": verifier.hash_line(lines)}
        content = verifier.canonical_json(manifest)
        part = run_folder / f"{MANIFEST}.part"
        part.write_bytes(content)
        part.replace(run_folder / MANIFEST)
        if signer is not None:
            (run_folder / SIGNATURE).write_bytes(signing.sign_manifest(content, run_folder.name, signer))
        sha256 = verifier.hash_file(run_folder / MANIFEST)
        entry = {"run": run_folder.name, "sealed": manifest["sealed"], "manifest": sha256}
        if signer is not None:
            entry["signed"] = verifier.hash_file(run_folder / SIGNATURE)
        if manifest["mlflow"] is not None:
            entry["production"] = manifest["mlflow"]["production"]
        _append(workspace, entry, lines, signer)
    return sha256


def read_models(workspace: Path, run_name: str) -> dict[str, str]:
    """Return version and SHA-256 of the model that a run left in production, and of the champion that it replaced.

    Returns
    -------
    dict of str
        ``served_version``, ``served_sha256`` and, if there was another champion before, ``replaced_version`` and
        ``replaced_sha256``; empty if the run decided nothing.
    """
    database = workspace / _DATABASE
    runs = verifier.read_mlflow(database, run_name)["runs"].values() if database.is_file() else []
    tags = {name: value for facts in runs for name, value in facts["tag"].items()}
    return {name: tags[name] for name in _MODEL_TAGS if name in tags}


def record_production(workspace: Path, reason: str, signer: Signer | None = None) -> None:
    """Add an entry to the ledger after a command, rather than a run, has changed the versions in production.

    Parameters
    ----------
    workspace : Path
    reason : str
        What was done, by whom and why.
    signer : Signer, optional
        Signs the entry.
    """
    with FileLock(workspace / f"{LEDGER}.lock"):
        production = verifier.read_mlflow(workspace / _DATABASE, "")["production"]
        entry = {"reason": reason, "sealed": _now(), "production": production}
        _append(workspace, entry, verifier.read_ledger(workspace), signer)


def _append(workspace: Path, entry: Mapping[str, Any], lines: Sequence[bytes], signer: Signer | None) -> None:
    chained = {**entry, "previous": verifier.hash_line(lines)}
    line = verifier.canonical_json(chained if signer is None else signing.sign_entry(chained, signer))
    with (workspace / LEDGER).open("ab") as ledger:
        ledger.write(line + b"\n")
        ledger.flush()
        os.fsync(ledger.fileno())


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _keep_earlier_manifest(run_folder: Path) -> None:
    manifest = run_folder / MANIFEST
    if manifest.exists():
        number = len(list(run_folder.glob("manifest-*.json"))) + 1
        manifest.rename(run_folder / f"manifest-{number}.json")
        if (run_folder / SIGNATURE).exists():
            (run_folder / SIGNATURE).rename(run_folder / f"manifest-{number}.sig")


def _sign_models(run_name: str, workspace: Path, signer: Signer) -> None:
    """Write ``model.sig`` beside each model of the run that became a version."""
    database = workspace / _DATABASE
    versions = verifier.read_mlflow(database, run_name)["versions"] if database.is_file() else {}
    for version, facts in versions.items():
        for folder in (workspace / _ARTIFACTS).glob(f"*/{facts['run']['id']}/artifacts/model"):
            (folder.parent / "model.sig").write_bytes(signing.sign_model(folder, version, signer))


def _collect(run_folder: Path, workspace: Path, inputs: Iterable[Path], outputs: Iterable[Path]) -> dict[str, Any]:
    """Return the manifest without the link to the one before it."""
    database = workspace / _DATABASE
    mlflow = verifier.read_mlflow(database, run_folder.name) if database.is_file() else None
    artifact_folders = sorted(_artifact_folders(workspace, mlflow)) if mlflow else []
    project_folders = [name for name in _PROJECT_FOLDERS if (ROOT / name).is_dir()]
    files = {
        RUN: _hash_files(run_folder, verifier.list_files(run_folder)),
        PROJECT: _hash_files(ROOT, _project_files(project_folders)),
        WORKSPACE: _hash_files(workspace, _workspace_files(workspace, artifact_folders, outputs)),
        DATA: {display_path(path): verifier.hash_file(path) for path in inputs},
    }
    return {
        "format": "millrace-manifest-1",
        "run": run_folder.name,
        "sealed": _now(),
        "places": {RUN: ".", PROJECT: _relative(ROOT, run_folder), WORKSPACE: _relative(workspace, run_folder)}
        | {DATA: _relative(ROOT, run_folder)},
        "files": files,
        "folders": {RUN: ["."], PROJECT: project_folders, WORKSPACE: artifact_folders},
        "cells": {name: verifier.hash_cells(run_folder / name) for name in files[RUN] if name.endswith(".ipynb")},
        "mlflow": mlflow,
    }


def _relative(folder: Path, start: Path) -> str:
    return Path(os.path.relpath(folder, start)).as_posix()


def _hash_files(folder: Path, paths: Iterable[Path]) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): verifier.hash_file(path) for path in paths}


def _project_files(folders: Iterable[str]) -> Iterator[Path]:
    yield from (ROOT / name for name in _PROJECT_FILES if (ROOT / name).is_file())
    for name in folders:
        yield from verifier.list_files(ROOT / name)


def _workspace_files(workspace: Path, artifact_folders: Iterable[str], outputs: Iterable[Path]) -> Iterator[Path]:
    yield from sorted({path.resolve() for path in outputs if path.resolve().is_relative_to(workspace)})
    for folder in artifact_folders:
        yield from verifier.list_files(workspace / folder)


def _artifact_folders(workspace: Path, mlflow: Mapping[str, Any]) -> Iterator[str]:
    """Yield the artifact folders of the MLflow runs, relative to the workspace."""
    for run_id in mlflow["runs"]:
        for folder in (workspace / _ARTIFACTS).glob(f"*/{run_id}"):
            yield folder.relative_to(workspace).as_posix()
