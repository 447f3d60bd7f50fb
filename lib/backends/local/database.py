"""MLflow's database: a file that is there whole, or not at all.

MLflow makes its tables by a long row of migrations. One that is killed among them leaves a file that no later one
can mend, so they are made in another file, which then takes the name.
"""

from __future__ import annotations

import logging
from pathlib import Path

from filelock import FileLock


def made(path: Path, artifact_root: str) -> str:
    """URI of MLflow's database on SQLite, made where it is not there, by one process at a time.

    Parameters
    ----------
    path : Path
        Of the file, in a folder that is there.
    artifact_root : str
        URI below which runs of MLflow's own default experiment keep their files.
    """
    if not path.exists():
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                _make(path, artifact_root)
    return f"sqlite:///{path}"


def _make(path: Path, artifact_root: str) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for talkative in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    part = path.with_suffix(".part")
    for left in path.parent.glob(f"{part.name}*"):  # by one that was killed, perhaps with its journal
        left.unlink()
    SqlAlchemyStore(f"sqlite:///{part}", artifact_root).engine.dispose()
    part.replace(path)
