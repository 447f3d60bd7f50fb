"""The scratch workspace of a replay, with the champion that the run was compared with."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def find_champion(mlflow: Mapping[str, Any]) -> str:
    """Return the version that was in production before a run decided; empty if there was none.

    Parameters
    ----------
    mlflow : mapping
        MLflow's records of the run, as in its manifest.

    Examples
    --------
    >>> tags = {"stage": "evaluate", "served_version": "3", "served_sha256": "b", "replaced_version": "2"}
    >>> find_champion({"runs": {"1": {"tag": tags}}})
    '2'
    """
    all_tags: list[dict[str, str]] = [facts["tag"] for facts in mlflow["runs"].values()]
    decisions = [tags for tags in all_tags if tags.get("stage") == "evaluate" and "served_version" in tags]
    if not decisions:
        return ""
    tags = decisions[0]
    if "replaced_version" in tags:
        return tags["replaced_version"]
    own_models = {other["model_sha256"] for other in all_tags if "model_sha256" in other}
    return "" if tags["served_sha256"] in own_models else tags["served_version"]


def copy_champion(workspace: Path, scratch: Path, name: str, version: str, later: Mapping[str, Any]) -> None:
    """Create a workspace in which a version is in production, as it was before a run.

    Parameters
    ----------
    workspace, scratch : Path
        The workspace of the run, and the new one.
    name : str
        Name of the registered model.
    version : str
        The champion.
    later : mapping
        The versions that the run made, ``name/version``; the new workspace does not have them.
    """
    scratch.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(scratch / "mlflow.db")) as copy:
        with contextlib.closing(sqlite3.connect(f"{(workspace / 'mlflow.db').as_uri()}?mode=ro", uri=True)) as original:
            original.backup(copy)
        run_id = _put_into_production(copy, name, version, later)
        copy.commit()
    for folder in (workspace / "artifacts").glob(f"*/{run_id}"):
        shutil.copytree(folder, scratch / folder.relative_to(workspace))
    if (workspace / "data" / name).is_dir():
        shutil.copytree(workspace / "data" / name, scratch / "data" / name)


def _put_into_production(database: sqlite3.Connection, name: str, version: str, later: Mapping[str, Any]) -> str:
    """Move the production tag to a version, remove later versions, and return the run id of the version."""
    database.execute("DELETE FROM model_version_tags WHERE name = ? AND key = 'production'", (name,))
    database.execute("DELETE FROM registered_model_aliases WHERE name = ? AND alias = 'production'", (name,))
    for entry in later:
        own = entry.rpartition("/")[2]
        if own != version:
            database.execute("DELETE FROM model_version_tags WHERE name = ? AND version = ?", (name, own))
            database.execute("DELETE FROM model_versions WHERE name = ? AND version = ?", (name, own))
    columns = "(name, version, key, value) VALUES (?, ?, 'production', 'true')"
    database.execute(f"INSERT INTO model_version_tags {columns}", (name, version))
    alias = "(name, alias, version) VALUES (?, 'production', ?)"
    database.execute(f"INSERT INTO registered_model_aliases {alias}", (name, version))
    row = database.execute(
        "SELECT run_id FROM model_versions WHERE name = ? AND version = ?", (name, version)
    ).fetchone()
    return row[0] if row else ""
