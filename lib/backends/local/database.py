"""MLflow's database: a file that is either complete or absent.

MLflow creates its tables by a long sequence of migrations. If the process is killed in between, no later process can
repair the file. The migrations therefore run on another file, which is renamed when it is complete.
"""

from __future__ import annotations

import logging
from pathlib import Path

from filelock import FileLock


def ensure_database(path: Path, artifact_root: str) -> str:
    """Create MLflow's SQLite database if it does not exist, and return its URI. A lock keeps other processes out.

    Parameters
    ----------
    path : Path
        The database's file, in an existing folder.
    artifact_root : str
        URI of the folder with the files of runs in MLflow's default experiment.
    """
    if not path.exists():
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                _create(path, artifact_root)
    return f"sqlite:///{path}"


def _create(path: Path, artifact_root: str) -> None:
    """Create the tables in a temporary file, and rename it to `path` when it is complete."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    part = path.with_suffix(".part")
    for leftover in path.parent.glob(f"{part.name}*"):  # a killed process left the file, perhaps with a journal
        leftover.unlink()
    SqlAlchemyStore(f"sqlite:///{part}", artifact_root).engine.dispose()
    part.replace(path)
