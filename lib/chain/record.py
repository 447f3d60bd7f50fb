"""The record of a run, on disk at every moment: ``runs/<time>-<name>/run.json`` says how far it came."""

from __future__ import annotations

import datetime
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from lib.errors import DataError, ParameterError
from lib.paths import display_path

RUNNING, SUCCEEDED, FAILED, HELD, INTERRUPTED = "running", "succeeded", "failed", "held", "interrupted"
REUSED, KILLED = "reused", "killed"
DONE = (SUCCEEDED, REUSED)
RECORD, PARAMETERS, LOCK = "run.json", "parameters.yaml", "run.lock"


class RunRecord:
    """Folder of one run: its resolved parameters, its state, its executed notebooks.

    It holds a lock for as long as its process lives, so that nobody else writes into the folder.

    Parameters
    ----------
    folder : Path
        Of the run.
    state : dict
        What `RECORD` holds.
    lock : FileLock
        Held.
    """

    def __init__(self, folder: Path, state: dict[str, Any], lock: FileLock):
        self.folder = folder
        self._state = state
        self._file_lock = lock
        self._writing = threading.Lock()

    @classmethod
    def new(cls, runs_folder: Path, name: str, parameters: Mapping[str, Any]) -> RunRecord:
        """Record of a run that begins.

        Parameters
        ----------
        runs_folder : Path
            Where run folders are.
        name : str
            Of the use case.
        parameters : mapping
            All of them, as resolved.
        """
        folder = _new_folder(runs_folder, name)
        lock = _locked(folder)
        text = yaml.safe_dump({**parameters, "run_name": folder.name}, sort_keys=False, allow_unicode=True)
        (folder / PARAMETERS).write_text(text, encoding="utf-8")
        record = cls(
            folder, {"name": name, "status": RUNNING, "started": _now(), "pid": os.getpid(), "stages": []}, lock
        )
        record._save()
        return record

    @classmethod
    def reopen(cls, folder: Path) -> RunRecord:
        """Record of a run that goes on; what was running when it ended is marked as killed.

        Raises
        ------
        DataError
            Where there is no such record, or another process is writing it.
        """
        read(folder)  # says so where it is no run's
        lock = _locked(folder)
        state = read(folder)
        record = cls(folder, state, lock)
        state.pop("ended", None)
        for stage in state["stages"]:
            if stage["status"] == RUNNING:
                stage |= {"status": KILLED, "error": "the chain was killed while it ran"}
        record.note(status=RUNNING, pid=os.getpid(), resumed=[*state.get("resumed", []), _now()])
        return record

    @property
    def name(self) -> str:
        """Name of the run's folder, which its MLflow runs bear as a tag."""
        return self.folder.name

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of the run, as they were resolved when it began."""
        return yaml.safe_load((self.folder / PARAMETERS).read_text(encoding="utf-8"))

    def outputs(self, label: str) -> dict[str, Any] | None:
        """What an execution that is done handed on; None where it is not done."""
        done = [one for one in self._state["stages"] if one["stage"] == label and one["status"] in DONE]
        return done[-1].get("outputs", {}) if done else None

    def begin(self, label: str, file_name: str) -> dict[str, Any]:
        """Note that a notebook starts, and return its entry.

        The executed notebook of an earlier attempt is kept under a name of its own.
        """
        with self._writing:
            before = [one for one in self._state["stages"] if one["stage"] == label]
            for number, one in enumerate(before, start=1):
                if one["notebook"] == file_name:
                    one["notebook"] = _set_aside(self.folder / file_name, number)
            entry = {"stage": label, "notebook": file_name, "status": RUNNING, "started": _now()}
            if before:
                entry["attempt"] = len(before) + 1
            self._state["stages"].append(entry)
            self._save()
        return entry

    def end(self, entry: dict[str, Any], status: str, **facts: Any) -> None:
        """Note how a notebook has ended; facts that are empty are left out."""
        with self._writing:
            entry |= {"status": status, **{name: fact for name, fact in facts.items() if fact or fact == 0}}
            self._save()

    def close(self, status: str, error: str = "") -> None:
        """Note how the run has ended, and let go of the folder."""
        self.note(status=status, ended=_now(), **({"error": error} if error else {}))
        self._file_lock.release()

    def note(self, **facts: Any) -> None:
        """Note something about the run as a whole; an error of the time before is not one of now."""
        with self._writing:
            self._state |= facts
            if "error" not in facts:
                self._state.pop("error", None)
            self._save()

    def _save(self) -> None:
        """Write whole or not at all: whoever reads it meanwhile sees the state before or after."""
        part = self.folder / f"{RECORD}.part"
        part.write_text(json.dumps(self._state, indent=1, ensure_ascii=False), encoding="utf-8")
        part.replace(self.folder / RECORD)


def read(folder: Path) -> dict[str, Any]:
    """State of a run, without touching it.

    Raises
    ------
    DataError
        Where the folder holds none.
    """
    try:
        state = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{display_path(folder)} is no folder of a run: {RECORD} cannot be read ({error}).") from error
    if not isinstance(state, dict) or not isinstance(state.get("stages"), list):
        raise DataError(f"{display_path(folder)} is no folder of a run: {RECORD} is not the record of one.")
    return state


def newest_first(runs_folder: Path) -> list[Path]:
    """Folders of the runs there are."""
    return sorted((one.parent for one in runs_folder.glob(f"*/{RECORD}")), reverse=True)


def _locked(folder: Path) -> FileLock:
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        pid = read(folder).get("pid", "unknown")
        raise DataError(
            f"{display_path(folder)} belongs to a run that goes on: process {pid} writes it. Wait for it, or stop it "
            f"with kill {pid}."
        ) from None
    return lock


def _set_aside(executed: Path, number: int) -> str:
    """Keep the notebook of an attempt under a name of its own, and return that."""
    kept = executed.with_name(f"{executed.stem}.attempt-{number}{executed.suffix}")
    if executed.exists():
        executed.replace(kept)
    return kept.name


def _new_folder(runs_folder: Path, name: str) -> Path:
    """Folder that no other run has; two runs may start in the same second."""
    try:
        runs_folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParameterError(f"runs_folder: {runs_folder} cannot be made ({error.strerror}). Name another.") from error
    stem = f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{name}"
    for attempt in range(1000):
        folder = runs_folder / (f"{stem}-{attempt + 1}" if attempt else stem)
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{runs_folder / stem}: a thousand runs have this name already.")


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
