"""Adjustment of MLflow's database after its workspace was copied or moved.

MLflow stores absolute URIs of artifacts. In a copy they would still name the original workspace, and new runs would
write their files there.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import unquote, urlparse

_TIMEOUT_SECONDS = 30.0


def is_elsewhere(recorded_root: str, artifact_root: str) -> bool:
    """Return whether a database was created for another workspace folder than the one it is in now.

    Parameters
    ----------
    recorded_root, artifact_root : str
        ``file:`` URI of the artifact folder, as the database records it and as it should be.
    """
    if recorded_root == artifact_root or not recorded_root.startswith("file:"):
        return False
    recorded_workspace, workspace = _parent_folder(recorded_root), _parent_folder(artifact_root)
    # A link to the folder, or another mount of it, is the same place.
    return not (recorded_workspace.is_dir() and recorded_workspace.samefile(workspace))


def rewrite_uris(database: Path, recorded_root: str, artifact_root: str) -> None:
    """Replace the URIs of a workspace's files in all tables of a database, all at once or not at all.

    Parameters
    ----------
    database : Path
        The SQLite file.
    recorded_root, artifact_root : str
        URI of the artifact folder in the former and in the current workspace. URIs of other files in the workspace,
        such as tables below ``data/``, are replaced too.
    """
    old, new = (f"{root.rpartition('/')[0]}/" for root in (recorded_root, artifact_root))
    with contextlib.closing(sqlite3.connect(database, timeout=_TIMEOUT_SECONDS, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for table, column in _text_columns(connection):
                name, quoted = f'"{table}"', f'"{column}"'
                connection.execute(
                    f"UPDATE {name} SET {quoted} = replace({quoted}, ?, ?) WHERE instr({quoted}, ?) > 0",
                    (old, new, old),
                )
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _text_columns(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return table and column of each column that may contain text."""
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [
        (table, column)
        for table in tables
        if not table.startswith("sqlite_")
        for _, column, declared_type, *_ in connection.execute(f'PRAGMA table_info("{table}")').fetchall()
        if declared_type.upper().startswith(("VARCHAR", "TEXT", "CHAR", "JSON"))
    ]


def _parent_folder(uri: str) -> Path:
    return Path(unquote(urlparse(uri).path)).parent
