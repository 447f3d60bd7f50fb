"""The folder of a run: its name, the lock of the process that writes into it, and the notebooks of earlier attempts."""

from __future__ import annotations

import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from lib.errors import ParameterError

LOCK = "run.lock"
_MAX_RUNS_PER_SECOND = 1000


def make_folder(runs_folder: Path, name: str) -> Path:
    """Make the folder of a new run. A number is appended if another run started in the same second.

    Parameters
    ----------
    runs_folder : Path
        Parent of all run folders.
    name : str
        Name of the use case.

    Raises
    ------
    ParameterError
        If the folder cannot be created.
    """
    stem = f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{name}"
    try:
        runs_folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # executed notebooks show data
        for attempt in range(_MAX_RUNS_PER_SECOND):
            folder = runs_folder / (f"{stem}-{attempt + 1}" if attempt else stem)
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise ParameterError(
            f"runs_folder: cannot create a folder in {runs_folder} ({error.strerror}). Give another folder."
        ) from error
    raise ParameterError(
        f"runs_folder: {runs_folder} has {_MAX_RUNS_PER_SECOND} runs of {name} that started within this second. Start "
        "the run again."
    )


def acquire_lock(folder: Path) -> FileLock:
    """Lock the folder of a run.

    Raises
    ------
    filelock.Timeout
        If another process has locked it.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    lock.acquire()
    return lock


def is_locked(folder: Path) -> bool:
    """Return whether a process holds the lock of a run's folder, or may hold it."""
    if not (folder / LOCK).exists():
        return False
    try:
        acquire_lock(folder).release()
    except (Timeout, OSError):  # without the right to write, the lock cannot be tried
        return True
    return False


def rename_attempt(executed: Path, number: int) -> str:
    """Rename the notebook and the log of an earlier attempt, and return the notebook's new name.

    Parameters
    ----------
    executed : Path
        The executed notebook.
    number : int
        Number of the attempt, from 1.
    """
    renamed = executed.with_name(f"{executed.stem}.attempt-{number}{executed.suffix}")
    for suffix in (executed.suffix, ".log"):
        if executed.with_suffix(suffix).exists():
            executed.with_suffix(suffix).replace(renamed.with_suffix(suffix))
    return renamed.name
