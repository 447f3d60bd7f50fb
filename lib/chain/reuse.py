"""What earlier runs have done already, and what has changed since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import backends
from lib.chain import fingerprint
from lib.chain import record as records
from lib.errors import DataError
from lib.parameters import Parameters
from lib.paths import resolve


@dataclass(frozen=True)
class Earlier:
    """An execution that an earlier run has done.

    Attributes
    ----------
    run : str
        Name of the run that did it.
    notebook : Path
        The executed notebook.
    outputs : dict
        What it handed on.
    depends_on : dict of str
        Its fingerprint.
    kept : dict of str
        SHA-256 of each file that its outputs name.
    """

    run: str
    notebook: Path
    outputs: dict[str, Any]
    depends_on: dict[str, str]
    kept: dict[str, str]


class Reuse:
    """Earlier successes of a use case.

    Parameters
    ----------
    parameters : Parameters
        ``name``, ``runs_folder``, and what the backend needs.
    """

    def __init__(self, parameters: Parameters):
        self._parameters = parameters
        self._earlier: dict[str, list[Earlier]] = {}
        for folder in records.newest_first(resolve(parameters.runs_folder)):
            try:
                state = records.read(folder)
            except DataError:
                continue  # a run that was killed before its record was whole
            if state.get("name") == parameters.name:
                self._remember(folder, state)

    def _remember(self, folder: Path, state: Mapping[str, Any]) -> None:
        for one in state["stages"]:
            if one["status"] in records.DONE and "depends_on" in one:
                run, notebook = one.get("reused_from", folder.name), folder / one["notebook"]
                done = Earlier(run, notebook, one.get("outputs", {}), one["depends_on"], one.get("kept", {}))
                self._earlier.setdefault(one["stage"], []).append(done)

    def find(self, label: str, now: Mapping[str, str]) -> Earlier | None:
        """The newest success with the same fingerprint, whose results still stand; None where there is none."""
        for earlier in self._earlier.get(label, []):
            if earlier.depends_on == now and not self._fallen(label, earlier):
                return earlier
        return None

    def why_not(self, label: str, now: Mapping[str, str]) -> list[str]:
        """Why an execution would not be skipped, against its newest success: a clause each."""
        if not self._earlier.get(label):
            return ["no earlier run has done it"]
        newest = self._earlier[label][0]
        return fingerprint.differences(newest.depends_on, now) or self._fallen(label, newest)

    def _fallen(self, label: str, earlier: Earlier) -> list[str]:
        """What an earlier execution made and is not there any more."""
        found = [] if earlier.notebook.exists() else [f"its executed notebook {earlier.notebook.name} is gone"]
        for text, before in earlier.kept.items():
            if text not in fingerprint.files(text):
                found.append(f"{text} is gone")
            elif fingerprint.contents(text)[text] != before:
                found.append(f"{text} has changed since it was made")
        if found:
            return found
        stage, _, name = label.partition(" ")
        return backends.missing_artifacts(self._parameters, stage, name or stage, earlier.run)
