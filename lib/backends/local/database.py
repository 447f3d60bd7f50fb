"""MLflow's database: a file that is either complete or absent.

MLflow creates its tables by a long sequence of migrations. A process that is killed during these leaves a file that no
later process can repair, so they run on another file, which is then renamed.
"""

from __future__ import annotations

import logging
from pathlib import Path

from filelock import FileLock


def ensure_database(path: Path, artifact_root: str) -> str:
    """Return the URI of MLflow's database on SQLite; it is created if needed, by one process at a time.

    Parameters
    ----------
    path : Path
        The file, in an existing folder.
    artifact_root : str
        URI below which runs of MLflow's default experiment keep their files.
    """
    if not path.exists():
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                _create(path, artifact_root)
    return f"sqlite:///{path}"


def _create(path: Path, artifact_root: str) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    part = path.with_suffix(".part")
    for leftover in path.parent.glob(f"{part.name}*"):  # of a process that was killed: the file, perhaps its journal
        leftover.unlink()
    SqlAlchemyStore(f"sqlite:///{part}", artifact_root).engine.dispose()
    part.replace(path)
