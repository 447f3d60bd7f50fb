"""The record of a run, on disk at every moment: ``runs/<time>-<name>/run.json`` says how far it came."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lib.errors import ParameterError

RUNNING, SUCCEEDED, FAILED, HELD, INTERRUPTED = "running", "succeeded", "failed", "held", "interrupted"
RECORD, PARAMETERS = "run.json", "parameters.yaml"


class RunRecord:
    """Folder of one run: its resolved parameters, its state, its executed notebooks.

    Parameters
    ----------
    runs_folder : Path
        Where run folders are.
    name : str
        Of the use case.
    parameters : mapping
        All of them, as resolved.
    """

    def __init__(self, runs_folder: Path, name: str, parameters: Mapping[str, Any]):
        self.folder = _new_folder(runs_folder, name)
        text = yaml.safe_dump(dict(parameters), sort_keys=False, allow_unicode=True)
        (self.folder / PARAMETERS).write_text(text, encoding="utf-8")
        self._state: dict[str, Any] = {
            "name": name,
            "status": RUNNING,
            "started": _now(),
            "pid": os.getpid(),
            "stages": [],
        }
        self._save()

    @property
    def name(self) -> str:
        """Name of the run's folder, which its MLflow runs bear as a tag."""
        return self.folder.name

    def begin(self, label: str, notebook: Path) -> None:
        """Note that a notebook starts."""
        entry = {"stage": label, "notebook": notebook.name, "status": RUNNING, "started": _now()}
        self._state["stages"].append(entry)
        self._save()

    def end(self, status: str, seconds: float, outputs: Mapping[str, Any] | None = None, error: str = "") -> None:
        """Note how the notebook that started last has ended."""
        self._state["stages"][-1] |= {"status": status, "seconds": round(seconds, 3)}
        if outputs:
            self._state["stages"][-1]["outputs"] = dict(outputs)
        if error:
            self._state["stages"][-1]["error"] = error
        self._save()

    def close(self, status: str, error: str = "") -> None:
        """Note how the run has ended."""
        self._state |= {"status": status, "ended": _now(), **({"error": error} if error else {})}
        self._save()

    def _save(self) -> None:
        """Write whole or not at all: whoever reads it meanwhile sees the state before or after."""
        part = self.folder / f"{RECORD}.part"
        part.write_text(json.dumps(self._state, indent=1, ensure_ascii=False), encoding="utf-8")
        part.replace(self.folder / RECORD)


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
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
