"""MLflow's database: a file that is either complete or absent.

MLflow creates its tables by a long sequence of migrations. If the process is killed in between, no later process can
repair the file. The migrations therefore run on another file, which is renamed when it is complete.
"""

from __future__ import annotations

import contextlib
import logging
import shlex
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from lib.backends.local import relocation
from lib.errors import StorageError
from lib.invocation import python_program
from lib.paths import display_path
from lib.storage_errors import explained

TIMEOUT_SECONDS = 30.0  # how long a reader waits for another process that writes
_REMEDY = "Restore the file from a backup; or move it away, and the next run creates a new one without old runs."


def ensure_database(path: Path, artifact_root: str) -> str:
    """Create MLflow's SQLite database if it does not exist, and return its URI. A lock keeps other processes out.

    If the workspace was copied or moved since, the URIs in the database are rewritten for the new place.

    Parameters
    ----------
    path : Path
        The database's file, in an existing folder.
    artifact_root : str
        URI of the folder with the files of runs in MLflow's default experiment.

    Raises
    ------
    StorageError
        If the file is empty, damaged, locked or not a database of MLflow.
    """
    # MLflow logs a traceback of each database error, in addition to the exception that it raises.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    with explained(display_path(path)):
        if not path.exists():
            with FileLock(path.with_suffix(".lock")):
                if not path.exists():
                    _create(path, artifact_root)
        else:
            recorded_root = _read_artifact_root(path)
            if recorded_root and relocation.is_elsewhere(recorded_root, artifact_root):
                with FileLock(path.with_suffix(".lock")):
                    relocation.rewrite_uris(path, recorded_root, artifact_root)
    return _address(path)


@contextlib.contextmanager
def explained_version(path: Path) -> Iterator[None]:
    """Raise a StorageError with one sentence if MLflow refuses a database of another version in the ``with`` block."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if "database schema" not in str(error):
            raise
        upgrade = f"{python_program()} -m mlflow db upgrade {shlex.quote(_address(path))}"
        raise StorageError(
            f"{display_path(path)} belongs to another version of MLflow. Copy the file to a safe place, then run "
            f"{upgrade}; or use the version of MLflow that wrote it."
        ) from error


def _address(path: Path) -> str:
    """Return the URI of an SQLite database.

    SQLAlchemy takes ``%41`` for an encoded letter, and ``?`` for the beginning of options. If they are encoded, MLflow
    would create an empty folder with the encoded name, but does so only if the URI names no driver.
    """
    encoded = str(path).replace("%", "%25").replace("?", "%3F")
    return f"sqlite:///{path}" if encoded == str(path) else f"sqlite+pysqlite:///{encoded}"


def _read_artifact_root(path: Path) -> str:
    """Return the artifact root that an existing database was created with; empty if it is not known.

    MLflow would try for minutes to open a damaged file, and would fill an empty file with new tables. Therefore this
    function opens the file first.
    """
    if path.is_dir():
        raise StorageError(f"{display_path(path)} is a folder; expected MLflow's database file. Move the folder away.")
    if path.stat().st_size == 0:
        raise StorageError(
            f"{display_path(path)} is empty (0 bytes), so its runs and model versions are lost. {_REMEDY}"
        )
    # Mode "rw" does not create a file, and lets SQLite complete the writes of a process that was killed.
    address = f"{path.absolute().as_uri()}?mode=rw"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=TIMEOUT_SECONDS)) as connection:
            row = connection.execute("SELECT artifact_location FROM experiments WHERE experiment_id = 0").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        raise StorageError(f"{display_path(path)} is not a database of MLflow ({error}). {_REMEDY}") from error
    return row[0].rpartition("/")[0] if row and row[0] else ""


def _create(path: Path, artifact_root: str) -> None:
    """Create the tables in a temporary file, and rename it to `path` when it is complete."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    logging.getLogger("alembic").setLevel(logging.WARNING)
    part = path.with_suffix(".part")
    for leftover in path.parent.glob(f"{part.name}*"):  # a killed process left the file, perhaps with a journal
        leftover.unlink()
    SqlAlchemyStore(_address(part), artifact_root).engine.dispose()
    part.replace(path)
