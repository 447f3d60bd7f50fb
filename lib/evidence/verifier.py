"""The check of a run against its manifest, with the standard library only, so that an auditor can read and run it.

``python lib/evidence/verifier.py runs/RUN`` does the same as ``run_all.py verify runs/RUN``.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

MANIFEST, LEDGER = "manifest.json", "manifests.jsonl"
RUN, PROJECT, WORKSPACE, DATA = "run", "project", "workspace", "data"
# Locks are empty, and Python and Jupyter write caches whenever somebody runs or opens something.
_IGNORED_SUFFIXES = (".lock", ".pyc", ".part")
_IGNORED_FOLDERS = ("__pycache__", ".ipynb_checkpoints")
_START = "0" * 64


def verify(run_folder: Path) -> list[str]:
    """Return what has changed since a run was sealed.

    Parameters
    ----------
    run_folder : Path
        Contains ``manifest.json``.

    Returns
    -------
    list of str
        One sentence per difference; empty if everything is as it was sealed.

    Raises
    ------
    ValueError
        If the manifest is missing or is no manifest. The message says what to do.
    """
    manifest = read_manifest(run_folder)
    places = locate(run_folder, manifest)
    if differences := list(_check_ledger(run_folder, manifest, places[WORKSPACE])):
        return differences  # the manifest cannot be trusted
    return [*_check_files(manifest, places), *_check_mlflow(manifest, places[WORKSPACE])]


def read_manifest(run_folder: Path) -> dict[str, Any]:
    """Return the manifest of a run.

    Raises
    ------
    ValueError
        If the file is missing or is no manifest.
    """
    file = run_folder / MANIFEST
    if not file.is_file():
        raise ValueError(
            f"{file} does not exist: the run was never sealed, because it has not ended or an earlier version ran it."
        )
    try:
        manifest = json.loads(file.read_bytes())
        places = {place: str(manifest["places"][place]) for place in (RUN, PROJECT, WORKSPACE, DATA)}
        return {**manifest, "places": places, "run": manifest["run"], "previous": manifest["previous"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} has changed: it is no manifest any more ({error}).") from error


def locate(run_folder: Path, manifest: Mapping[str, Any]) -> dict[str, Path]:
    """Return the folder of each place; they are stored relative to the run, so that all may move together."""
    return {place: (run_folder / path).resolve() for place, path in manifest["places"].items()}


def canonical_json(value: Any) -> bytes:
    """Return the only JSON text of a value: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def hash_file(file: Path) -> str:
    """Return the SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def list_files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, without locks and caches."""
    for path in sorted(folder.rglob("*")):
        is_cache = any(part in _IGNORED_FOLDERS for part in path.relative_to(folder).parts)
        if not is_cache and path.suffix not in _IGNORED_SUFFIXES and (path.is_file() or path.is_symlink()):
            yield path


def hash_cells(notebook: Path) -> list[list[str]]:
    """Return the SHA-256 of each cell's source and of its outputs."""
    cells = json.loads(notebook.read_bytes())["cells"]
    return [
        [hashlib.sha256(canonical_json(part)).hexdigest() for part in (cell["source"], cell.get("outputs", []))]
        for cell in cells
    ]


def _check_files(manifest: Mapping[str, Any], places: Mapping[str, Path]) -> Iterator[str]:
    for place, sealed in manifest["files"].items():
        for name, sha256 in sealed.items():
            file = places[place] / name
            if not file.is_file():
                yield f"{_name(place, name)} is missing."
            elif hash_file(file) != sha256:
                yield _describe_change(place, name, file, manifest)
        for folder in manifest["folders"].get(place, []):
            for file in list_files(places[place] / folder):
                name = file.relative_to(places[place]).as_posix()
                if name not in sealed and not (place == RUN and name == MANIFEST):
                    yield f"{_name(place, name)} was added."


def _name(place: str, name: str) -> str:
    return name if place == DATA else f"{place}: {name}"


def _describe_change(place: str, name: str, file: Path, manifest: Mapping[str, Any]) -> str:
    """Describe a changed file; in a notebook, name the first cell that differs."""
    sealed_cells = manifest["cells"].get(name, []) if place == RUN else []
    try:
        cells = hash_cells(file) if sealed_cells else []
    except (ValueError, KeyError, TypeError):
        return f"{_name(place, name)} has changed: it is no notebook any more."
    for number, (sealed, current) in enumerate(zip(sealed_cells, cells, strict=False), start=1):
        if sealed != current:
            part = "source" if sealed[0] != current[0] else "output"
            return f"{_name(place, name)} has changed: the {part} of cell {number} is not what was sealed."
    return f"{_name(place, name)} has changed."


def read_mlflow(database: Path, run_name: str) -> dict[str, Any]:
    """Return what MLflow's database says about a run of the chain.

    Parameters
    ----------
    database : Path
        MLflow's SQLite file.
    run_name : str
        Name of the run's folder, which all its MLflow runs have as the tag ``run_name``.

    Returns
    -------
    dict
        ``runs``: name, status, parameters, metrics and tags of each MLflow run; ``versions``: run and tags of each
        model version made from these runs; ``production``: the versions in production, by model.
    """
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:

        def select(query: str, *values: Any) -> list[tuple]:
            return connection.execute(query, values).fetchall()

        run_ids = select("SELECT run_uuid FROM tags WHERE key = 'run_name' AND value = ? ORDER BY run_uuid", run_name)
        runs = {run_id: _read_mlflow_run(select, run_id) for (run_id,) in run_ids}
        # Later runs move the tag `production`, so it is compared with the ledger instead.
        tags = "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ? AND key <> 'production'"
        versions = {
            f"{name}/{version}": {"run": {"id": run_id}, "tag": dict(select(tags, name, version))}
            for name, version, run_id in select("SELECT name, version, run_id FROM model_versions")
            if run_id in runs
        }
        return {"runs": runs, "versions": versions, "production": _read_production(select)}


def _read_mlflow_run(select: Any, run_id: str) -> dict[str, Any]:
    name, status, stage = select("SELECT name, status, lifecycle_stage FROM runs WHERE run_uuid = ?", run_id)[0]
    metrics: dict[str, list] = {}
    for key, value, is_nan, step in select(
        "SELECT key, value, is_nan, step FROM metrics WHERE run_uuid = ? ORDER BY key, step, timestamp", run_id
    ):
        metrics.setdefault(key, []).append(["NaN" if is_nan else value, step])
    return {
        "run": {"name": name, "status": status, "stage": stage},
        "parameter": dict(select("SELECT key, value FROM params WHERE run_uuid = ? ORDER BY key", run_id)),
        "metric": metrics,
        "tag": dict(select("SELECT key, value FROM tags WHERE run_uuid = ? ORDER BY key", run_id)),
    }


def _read_production(select: Any) -> dict[str, list[str]]:
    """Return the versions of each model that have the tag ``production`` or, marked with @, the alias."""
    query = """SELECT name, CAST(version AS TEXT) FROM model_version_tags WHERE key = 'production' AND value = 'true'
        UNION SELECT name, '@' || version FROM registered_model_aliases WHERE alias = 'production' ORDER BY 1, 2"""
    production: dict[str, list[str]] = {}
    for name, version in select(query):
        production.setdefault(name, []).append(version)
    return production


def _check_mlflow(manifest: Mapping[str, Any], workspace: Path) -> Iterator[str]:
    sealed = manifest["mlflow"]
    if sealed is None:
        return
    try:
        current = read_mlflow(workspace / "mlflow.db", manifest["run"])
    except (sqlite3.Error, IndexError) as error:
        yield f"workspace: mlflow.db cannot be read ({error})."
        return
    titles = {run_id: f"MLflow run {facts['run']['name']} ({run_id})" for run_id, facts in sealed["runs"].items()}
    titles |= {version: f"Model version {version}" for version in sealed["versions"]}
    before, now = (records["runs"] | records["versions"] for records in (sealed, current))
    for key in sorted({*before, *now}):
        if key not in now:
            yield f"{titles[key]} is missing."
        elif key not in before:
            yield f"{key} was added to MLflow."
        else:
            for kind, values in before[key].items():
                yield from _differences(f"{titles[key]}: {kind}", values, now[key][kind])
    yield from _differences("Model in production:", _newest_production(workspace), current["production"])


def _newest_production(workspace: Path) -> dict[str, list[str]]:
    """Return the versions in production that the newest entry of the ledger recorded; later runs may move them."""
    for line in reversed(read_ledger(workspace)):
        with contextlib.suppress(ValueError):  # `_check_ledger` names lines that cannot be read
            entry = json.loads(line)
            if "production" in entry:
                return entry["production"]
    return {}


def _differences(title: str, sealed: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted({*sealed, *current}):
        if key not in current:
            yield f"{title} {key} is missing; it was {_show(sealed[key])}."
        elif key not in sealed:
            yield f"{title} {key} was added: {_show(current[key])}."
        elif sealed[key] != current[key]:
            yield f"{title} {key} is {_show(current[key])}; it was {_show(sealed[key])}."


def _show(value: Any) -> str:
    if isinstance(value, list):  # the steps of a metric, or versions
        return ", ".join(str(item[0]) if isinstance(item, list) else str(item) for item in value)
    return str(value)


def read_ledger(workspace: Path) -> list[bytes]:
    """Return the lines of a workspace's ledger; each has the hash of the line before it."""
    ledger = workspace / LEDGER
    return ledger.read_bytes().splitlines() if ledger.is_file() else []


def hash_line(lines: Sequence[bytes]) -> str:
    """Return the SHA-256 of the last line, or zeros if there is none."""
    return hashlib.sha256(lines[-1]).hexdigest() if lines else _START


def _check_ledger(run_folder: Path, manifest: Mapping[str, Any], workspace: Path) -> Iterator[str]:
    lines = read_ledger(workspace)
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line)
            is_chained = entry["previous"] == hash_line(lines[: number - 1])
        except (ValueError, KeyError, TypeError):
            yield f"workspace: line {number} of {LEDGER} has changed: it cannot be read."
            continue
        if not is_chained:
            yield f"workspace: line {number} of {LEDGER} does not continue line {number - 1}: one of them has changed."
        entries.append(entry)
    sha256 = hash_file(run_folder / MANIFEST)
    sealed = [entry for entry in entries if entry.get("run") == manifest["run"] and "manifest" in entry]
    if not sealed:
        yield f"workspace: {LEDGER} has no entry for {manifest['run']}."
    elif sealed[-1]["manifest"] != sha256:
        yield f"run: {MANIFEST} has changed, or was sealed again by hand."
    elif sealed[-1]["previous"] != manifest["previous"]:
        yield f"workspace: {LEDGER} has changed before the entry for {manifest['run']}."


def main() -> int:
    """Verify the run folders given on the command line; return 0 if all are intact, else 1."""
    parser = argparse.ArgumentParser(description="Check runs against their manifests.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run, such as runs/20261130-shop")
    is_intact = True
    for run_folder in parser.parse_args().runs:
        try:
            findings = verify(run_folder)
        except ValueError as error:
            findings = [str(error)]
        verdict = f"{len(findings)} differences" if findings else "intact"
        print(f"{run_folder}: {verdict}", *findings, sep="\n  ")
        is_intact = is_intact and not findings
    return 0 if is_intact else 1


if __name__ == "__main__":
    sys.exit(main())
