"""The search for secrets in the tracking store of a workspace: MLflow's database and the text files of its runs."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lib.backends.local.database import TIMEOUT_SECONDS
from lib.backends.stored_runs import STAGE_TAG
from lib.secrets import files, redaction

# Table, column with the text, column with the name of the entry, and the column that identifies the MLflow run.
_RUN_TEXTS = (("params", "value", "key"), ("tags", "value", "key"))


def redact(workspace: Path, run_name: str) -> list[tuple[str, str]]:
    """Redact the MLflow runs of a run of the chain, their model versions and artifacts.

    Parameters
    ----------
    workspace : Path
    run_name : str
        Name of the run's folder, which is a tag of its MLflow runs.

    Returns
    -------
    list of tuple of str and str
        Place and kind of each secret.
    """
    database = workspace / "mlflow.db"
    if not database.is_file():
        return []
    found = []
    with contextlib.closing(sqlite3.connect(database, timeout=TIMEOUT_SECONDS)) as connection, connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'tags'").fetchone():
            return []  # an empty file, or a database of another program
        for run_id, stage in _list_runs(connection, run_name):
            found += [(f"{stage}: MLflow {place}", kind) for place, kind in _redact_rows(connection, run_id)]
            for folder in sorted((workspace / "artifacts").glob(f"*/{run_id}/artifacts")):
                found += [(f"{stage}: artifact {place}", kind) for place, kind in _redact_folder(folder)]
    return found


def _list_runs(connection: sqlite3.Connection, run_name: str) -> list[tuple[str, str]]:
    """Return id and stage of each MLflow run of a run, and of the child runs of a search."""
    runs = connection.execute(
        "SELECT run.run_uuid, stage.value FROM tags run LEFT JOIN tags stage ON stage.run_uuid = run.run_uuid AND "
        "stage.key = ? WHERE run.key = 'run_name' AND run.value = ?",
        (STAGE_TAG, run_name),
    ).fetchall()
    children = [
        (child, stage)
        for run_id, stage in runs
        for (child,) in connection.execute(
            "SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId' AND value = ?", (run_id,)
        )
    ]
    return runs + children


def _redact_rows(connection: sqlite3.Connection, run_id: str) -> Iterator[tuple[str, str]]:
    """Redact the parameters and tags of an MLflow run, and the tags of the model versions made from it."""
    for table, column, key in _RUN_TEXTS:
        for name, text in connection.execute(f"SELECT {key}, {column} FROM {table} WHERE run_uuid = ?", (run_id,)):
            redacted, secrets = redaction.redact(text or "")
            if redacted != text:
                statement = f"UPDATE {table} SET {column} = ? WHERE run_uuid = ? AND {key} = ?"
                connection.execute(statement, (redacted, run_id, name))
            if secrets:
                yield f"{table.rstrip('s')} {name}", ", ".join(dict.fromkeys(secrets))
    versions = connection.execute("SELECT name, version FROM model_versions WHERE run_id = ?", (run_id,)).fetchall()
    for model, version in versions:
        rows = connection.execute(
            "SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?", (model, version)
        ).fetchall()
        for name, text in rows:
            redacted, secrets = redaction.redact(text or "")
            if secrets:
                statement = "UPDATE model_version_tags SET value = ? WHERE name = ? AND version = ? AND key = ?"
                connection.execute(statement, (redacted, model, version, name))
                yield f"tag {name} of version {version}", ", ".join(dict.fromkeys(secrets))


def _redact_folder(folder: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and (secrets := files.redact_file(file)):
            yield file.relative_to(folder).as_posix(), ", ".join(dict.fromkeys(secrets))
