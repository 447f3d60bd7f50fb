"""The check of a run against its manifest, in one file that an auditor can read and run.

``python lib/evidence/verifier.py runs/RUN`` does the same as ``run_all.py verify runs/RUN``. It needs the standard
library only, and the package ``cryptography`` with ``--public-key``.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

MANIFEST, SIGNATURE, LEDGER = "manifest.json", "manifest.sig", "manifests.jsonl"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
RUN, PROJECT, WORKSPACE, DATA = "run", "project", "workspace", "data"
# Locks are empty, and Python and Jupyter write caches whenever somebody runs or opens something.
_IGNORED_SUFFIXES = (".lock", ".pyc", ".part")
_IGNORED_FOLDERS = ("__pycache__", ".ipynb_checkpoints")


def verify(run_folder: Path, public_key: Path | None = None) -> list[str]:
    """Return one sentence for each change since a run was sealed; with a public key, check the signatures, too.

    Raises ValueError if the manifest is missing or is no manifest, or the key cannot be read.
    """
    manifest = read_manifest(run_folder)
    # Stored relative to the run, so that all may move together.
    places = {place: (run_folder / path).resolve() for place, path in manifest["places"].items()}
    differences = list(_check_ledger(run_folder, manifest, places[WORKSPACE]))
    if public_key is not None and not differences:
        differences += _check_signatures(run_folder, manifest, places[WORKSPACE], load_public_key(public_key))
    if differences:
        return differences  # the manifest cannot be trusted
    return [*_check_files(manifest, places), *_check_mlflow(manifest, places[WORKSPACE])]


def read_manifest(run_folder: Path) -> dict[str, Any]:
    """Return the manifest of a run; raise ValueError if the file is missing or is no manifest."""
    file = run_folder / MANIFEST
    if not file.is_file():
        raise ValueError(f"{file} does not exist: the run was never sealed. It has not ended, or its version is older.")
    try:
        manifest = json.loads(file.read_bytes())
        places = {place: str(manifest["places"][place]) for place in (RUN, PROJECT, WORKSPACE, DATA)}
        return {**manifest, "places": places, "run": manifest["run"], "previous": manifest["previous"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} has changed: it is no manifest any more ({error}).") from error


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
    parts = [(cell["source"], cell.get("outputs", [])) for cell in json.loads(notebook.read_bytes())["cells"]]
    return [[hashlib.sha256(canonical_json(part)).hexdigest() for part in cell] for cell in parts]


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
                if name not in sealed and not (place == RUN and name in (MANIFEST, SIGNATURE)):
                    yield f"{_name(place, name)} was added."


def _name(place: str, name: str) -> str:
    return name if place == DATA else f"{place}: {name}"


def _describe_change(place: str, name: str, file: Path, manifest: Mapping[str, Any]) -> str:
    """Describe a changed file; in a notebook, name the first cell that differs."""
    sealed_cells, change = manifest["cells"].get(name, []) if place == RUN else [], f"{_name(place, name)} has changed"
    try:
        cells = hash_cells(file) if sealed_cells else []
    except (ValueError, KeyError, TypeError):
        return f"{change}: it is no notebook any more."
    for number, (sealed, current) in enumerate(zip(sealed_cells, cells, strict=False), start=1):
        if sealed != current:
            part = "source" if sealed[0] != current[0] else "output"
            return f"{change}: the {part} of cell {number} is not what was sealed."
    return f"{change}."


def read_mlflow(database: Path, run_name: str) -> dict[str, Any]:
    """Return the MLflow runs of a run, the model versions made from them, and all versions in production."""
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
    query = "SELECT key, value, is_nan, step FROM metrics WHERE run_uuid = ? ORDER BY key, step, timestamp"
    for key, value, is_nan, step in select(query, run_id):
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
    rows = select(query)
    return {model: [version for name, version in rows if name == model] for model in dict(rows)}


def _check_mlflow(manifest: Mapping[str, Any], workspace: Path) -> Iterator[str]:
    if (sealed := manifest["mlflow"]) is None:
        return
    try:
        current = read_mlflow(workspace / "mlflow.db", manifest["run"])
    except (sqlite3.Error, IndexError) as error:
        yield f"workspace: mlflow.db cannot be read ({error})."
        return
    titles = {run_id: f"MLflow run {facts['run']['name']} ({run_id})" for run_id, facts in sealed["runs"].items()}
    titles |= {version: f"Model version {version}" for version in sealed["versions"]}
    before, now = (records["runs"] | records["versions"] for records in (sealed, current))
    yield from (f"{titles[key]} is missing." for key in sorted({*before} - {*now}))
    yield from (f"{key} was added to MLflow." for key in sorted({*now} - {*before}))
    for key in sorted({*before} & {*now}):
        for kind, values in before[key].items():
            yield from _differences(f"{titles[key]}: {kind}", values, now[key][kind])
    entries = [json.loads(line) for line in reversed(read_ledger(workspace))]
    # Later runs may move versions into production, so the newest entry counts.
    production = [entry["production"] for entry in entries if "production" in entry] or [{}]
    yield from _differences("Model in production:", production[0], current["production"])


def _differences(title: str, sealed: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted({*sealed, *current}):
        if key not in sealed:
            yield f"{title} {key} was added: {_show(current[key])}."
        elif sealed[key] != current.get(key, ...):
            now = f"is {_show(current[key])}" if key in current else "is missing"
            yield f"{title} {key} {now}; it was {_show(sealed[key])}."


def _show(value: Any) -> str:
    steps = value if isinstance(value, list) else [value]  # the steps of a metric, or versions
    return ", ".join(str(step[0]) if isinstance(step, list) else str(step) for step in steps)


def read_ledger(workspace: Path) -> list[bytes]:
    """Return the lines of a workspace's ledger; each has the hash of the line before it."""
    ledger = workspace / LEDGER
    return ledger.read_bytes().splitlines() if ledger.is_file() else []


def hash_line(lines: Sequence[bytes]) -> str:
    """Return the SHA-256 of the last line, or zeros if there is none."""
    return hashlib.sha256(lines[-1]).hexdigest() if lines else "0" * 64


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
        yield f"run: {MANIFEST} has changed or was sealed again by hand, or its entry in {LEDGER} has changed."
    elif (run_folder / SIGNATURE).is_file() and hash_file(run_folder / SIGNATURE) != sealed[-1].get("signed"):
        yield f"run: {SIGNATURE} has changed, or its hash in {LEDGER}."
    elif (sealed[-1]["previous"], sealed[-1]["sealed"]) != (manifest["previous"], manifest["sealed"]):
        yield f"workspace: {LEDGER} has changed before the entry for {manifest['run']}."


def load_public_key(file: Path) -> Any:
    """Return the public key in a PEM file; raise ValueError if there is none of the kind ECDSA P-256."""
    try:
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        key = load_pem_public_key(file.read_bytes())
        if getattr(getattr(key, "curve", None), "name", "") == "secp256r1":
            return key
    except ImportError as error:
        raise ValueError("Signatures need the package cryptography: pip install cryptography") from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} contains no public key in PEM that can be read ({error}).") from error
    raise ValueError(f"{file} contains a key of another kind; expected ECDSA on the curve P-256.")


def pre_authentication_encoding(payload: bytes) -> bytes:
    """Return the bytes that a DSSE signature covers: https://github.com/secure-systems-lab/dsse."""
    return f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode() + payload


def _is_signed(content: bytes, signature: str, key: Any) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

    try:
        key.verify(base64.b64decode(signature), content, ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _check_signatures(run_folder: Path, manifest: Mapping[str, Any], workspace: Path, key: Any) -> Iterator[str]:
    """Check the signatures of the manifest, of its entry in the ledger and of the ledger's newest entry."""
    try:
        envelope = json.loads((run_folder / SIGNATURE).read_bytes())["dsseEnvelope"]
        payload = base64.b64decode(envelope["payload"])
        is_signed = _is_signed(pre_authentication_encoding(payload), envelope["signatures"][0]["sig"], key)
        signed_sha256 = json.loads(payload)["subject"][0]["digest"]["sha256"]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        yield f"run: {SIGNATURE} is missing or is no signature ({error})."
        return
    if not is_signed:
        yield f"run: {SIGNATURE} was not made with this key, or has changed."
    elif signed_sha256 != hash_file(run_folder / MANIFEST):
        yield f"run: {MANIFEST} is not the manifest that was signed."
    entries = [json.loads(line) for line in read_ledger(workspace)]
    own = [entry for entry in entries if entry.get("run") == manifest["run"]][-1]
    for title, entry in ((f"the entry for {manifest['run']}", own), ("the newest entry", entries[-1])):
        fields = {name: value for name, value in entry.items() if name != "signature"}
        if not _is_signed(canonical_json(fields), entry.get("signature", ""), key):
            yield f"workspace: {title} of {LEDGER} was not signed with this key, or has changed."


def main() -> int:
    """Verify the run folders given on the command line; return 0 if all are intact, else 1."""
    parser = argparse.ArgumentParser(description="Check runs against their manifests.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run, such as runs/20261130-shop")
    parser.add_argument("--public-key", type=Path, metavar="PEM", help="check the signatures with this public key")
    options, is_intact = parser.parse_args(), True
    for run_folder in options.runs:
        try:
            findings = verify(run_folder, options.public_key)
        except ValueError as error:
            findings = [str(error)]
        print(f"{run_folder}: {f'{len(findings)} differences' if findings else 'intact'}", *findings, sep="\n  ")
        is_intact &= not findings
    return 0 if is_intact else 1


if __name__ == "__main__":
    sys.exit(main())
