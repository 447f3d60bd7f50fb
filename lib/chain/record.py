"""The record of a run, ``runs/<time>-<name>/run.json``, which is written at each change."""

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

from lib.chain.moved_workspace import WORKSPACE, follow_workspace, workspace_uri
from lib.chain.run_folder import acquire_lock, is_locked, make_folder, rename_attempt
from lib.chain.yaml_text import to_yaml
from lib.errors import DataError, StorageError
from lib.paths import display_path
from lib.secrets import redaction

RUNNING, SUCCEEDED, FAILED, HELD, INTERRUPTED = "running", "succeeded", "failed", "held", "interrupted"
REUSED, KILLED = "reused", "killed"
DONE = (SUCCEEDED, REUSED)
RECORD, PARAMETERS = "run.json", "parameters.yaml"


class RunRecord:
    """The folder of a run, with its resolved parameters, its state and its executed notebooks.

    The process that writes into the folder holds its lock until the run is closed.

    Parameters
    ----------
    folder : Path
        The run's folder.
    state : dict
        The content of `RECORD`.
    lock : FileLock
        The folder's lock, acquired.
    """

    def __init__(self, folder: Path, state: dict[str, Any], lock: FileLock):
        self.folder = folder
        self._state = state
        self._folder_lock = lock
        self._state_lock = threading.Lock()

    @classmethod
    def new(cls, runs_folder: Path, name: str, parameters: Mapping[str, Any]) -> RunRecord:
        """Start the record of a new run.

        Parameters
        ----------
        runs_folder : Path
            Parent of all run folders.
        name : str
            Name of the use case.
        parameters : mapping
            All parameters, resolved.
        """
        folder = make_folder(runs_folder, name)
        lock = _acquire_lock(folder)
        (folder / PARAMETERS).write_text(to_yaml({**parameters, "run_name": folder.name}), encoding="utf-8")
        state = {"name": name, "status": RUNNING, "started": _now(), "pid": os.getpid(), "stages": []}
        if uri := workspace_uri(parameters):
            state[WORKSPACE] = uri
        record = cls(folder, state, lock)
        record._save()
        return record

    @classmethod
    def reopen(cls, folder: Path) -> RunRecord:
        """Continue the record of an earlier run; stages that were still running are marked as killed.

        Raises
        ------
        DataError
            If there is no such record, or another process is writing it.
        """
        read(folder)  # raises if it is not the folder of a run
        lock = _acquire_lock(folder)
        parameters = yaml.safe_load((folder / PARAMETERS).read_text(encoding="utf-8")) or {}
        state = follow_workspace(read(folder), parameters)
        record = cls(folder, state, lock)
        state.pop("ended", None)
        for stage in state["stages"]:
            if stage["status"] == RUNNING:
                stage |= {"status": KILLED, "error": "the chain was killed while this stage ran"}
        record.note(status=RUNNING, pid=os.getpid(), resumed=[*state.get("resumed", []), _now()])
        return record

    @property
    def name(self) -> str:
        """Name of the run's folder, also a tag of its MLflow runs."""
        return self.folder.name

    @property
    def parameters(self) -> dict[str, Any]:
        """Resolved parameters of the run, read from its folder."""
        return yaml.safe_load((self.folder / PARAMETERS).read_text(encoding="utf-8"))

    def outputs(self, label: str) -> dict[str, Any] | None:
        """Return the outputs of a finished execution, or None if it has not finished."""
        finished = [stage for stage in self._state["stages"] if stage["stage"] == label and stage["status"] in DONE]
        return finished[-1].get("outputs", {}) if finished else None

    def begin(self, label: str, file_name: str) -> dict[str, Any]:
        """Record the start of an execution and return its entry.

        The executed notebook of an earlier attempt is renamed, not overwritten.
        """
        with self._state_lock:
            attempts = [stage for stage in self._state["stages"] if stage["stage"] == label]
            for number, attempt in enumerate(attempts, start=1):
                if attempt["notebook"] == file_name:
                    attempt["notebook"] = rename_attempt(self.folder / file_name, number)
                    if "error" in attempt:  # the message names the executed notebook
                        before, after = (self.folder / name for name in (file_name, attempt["notebook"]))
                        attempt["error"] = attempt["error"].replace(display_path(before), display_path(after))
            entry: dict[str, Any] = {"stage": label, "notebook": file_name, "status": RUNNING, "started": _now()}
            if attempts:
                entry["attempt"] = len(attempts) + 1
            self._state["stages"].append(entry)
            self._save()
        return entry

    def end(self, entry: dict[str, Any], status: str, **fields: Any) -> None:
        """Record the end of an execution. Fields without a value are left out."""
        with self._state_lock:
            entry |= {"status": status, **{name: value for name, value in fields.items() if value or value == 0}}
            self._save()

    def fail(self, label: str, error: str) -> None:
        """Record that the newest execution with a label has failed after all, so that a resumed run repeats it."""
        with self._state_lock:
            for entry in reversed(self._state["stages"]):
                if entry["stage"] == label:
                    entry |= {"status": FAILED, "error": error}
                    break
            self._save()

    def redact(self) -> list[str]:
        """Redact the record and the parameters, and return a description of each secret."""
        with self._state_lock:
            redacted, secrets = redaction.redact_value(self._state)
            if secrets:
                self._state.clear()
                self._state |= redacted
                self._save()
        return secrets

    def close(self, status: str, error: str = "") -> None:
        """Record the end of the run and release the folder."""
        self.note(status=status, ended=_now(), **({"error": error} if error else {}))
        self._folder_lock.release()

    def note(self, **fields: Any) -> None:
        """Set fields of the run as a whole, and remove the error of an earlier attempt."""
        with self._state_lock:
            self._state |= fields
            if "error" not in fields:
                self._state.pop("error", None)
            self._save()

    def add(self, **fields: Any) -> None:
        """Set fields of the run as a whole, and keep its error."""
        with self._state_lock:
            self._state |= fields
            self._save()

    def beat(self, memory_megabytes: int) -> None:
        """Record that the run is alive, and the memory of its processes."""
        with self._state_lock:
            self._state["heartbeat"] = {"time": _now(), "memory_megabytes": memory_megabytes}
            self._save()

    def _save(self) -> None:
        """Replace the file in one step, so that no reader sees an incomplete file."""
        unfinished = self.folder / f"{RECORD}.part"
        try:
            unfinished.write_text(json.dumps(self._state, indent=1, ensure_ascii=False), encoding="utf-8")
            unfinished.replace(self.folder / RECORD)
        except FileNotFoundError:
            raise StorageError(
                f"{display_path(self.folder)} no longer exists: it was deleted while the run wrote into it. "
                "Start the run again."
            ) from None
        except OSError as error:
            error.filename = error.filename or str(unfinished)  # an error of `write` does not name the file
            raise


def read(folder: Path) -> dict[str, Any]:
    """Return the state of a run.

    Raises
    ------
    DataError
        If the folder is not the folder of a run, or its record is damaged.
    """
    try:
        state = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{display_path(folder)} is not the folder of a run: it has no {RECORD}.") from None
    except OSError as error:
        raise DataError(f"{display_path(folder / RECORD)} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"{display_path(folder / RECORD)} is damaged: {error}.") from error
    if not isinstance(state, dict) or not isinstance(state.get("stages"), list):
        raise DataError(f"{display_path(folder / RECORD)} is not the record of a run.")
    return state


def read_current(folder: Path) -> dict[str, Any]:
    """Return the state of a run, with the status "killed" if the process that wrote the record no longer exists.

    A process that is killed with SIGKILL, or by a power failure, leaves the status "running" in the file. The lock of
    the run's folder ends with the process, whatever ended it.

    Raises
    ------
    DataError
        If the folder is not that of a run.
    """
    state = read(folder)
    if state.get("status") != RUNNING or is_locked(folder):
        return state
    state = read(folder)  # the run may have ended in the meantime
    if state.get("status") == RUNNING:
        state["status"] = KILLED
        for stage in state["stages"]:
            if stage["status"] == RUNNING:
                stage["status"] = KILLED
    return state


def list_newest_first(runs_folder: Path) -> list[Path]:
    """Return the folders of all runs, newest first."""
    return sorted((record.parent for record in runs_folder.glob(f"*/{RECORD}")), reverse=True)


def list_unfinished(runs_folder: Path) -> list[tuple[Path, str]]:
    """Return folder and status of each run that has not succeeded, newest first."""
    runs = []
    for folder in list_newest_first(runs_folder):
        try:
            status = read_current(folder).get("status", KILLED)
        except DataError:
            continue
        if status != SUCCEEDED:
            runs.append((folder, status))
    return runs


def _acquire_lock(folder: Path) -> FileLock:
    """Lock the folder of a run, or raise a DataError if another process has locked it."""
    try:
        return acquire_lock(folder)
    except Timeout:
        pid = read(folder).get("pid", "unknown")
        raise DataError(
            f"{display_path(folder)} is in use: the run is still going on in process {pid}. Wait for it, or stop it "
            f"with kill {pid}."
        ) from None


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
