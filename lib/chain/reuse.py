"""Reuse of earlier executions whose inputs, code and results have not changed."""

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
class EarlierExecution:
    """A successful execution in an earlier run.

    Attributes
    ----------
    run : str
        Name of the run that executed the notebook.
    notebook : Path
        The executed notebook.
    outputs : dict
        Its outputs.
    fingerprint : dict of str
        Its fingerprint, see `fingerprint.compute`.
    file_hashes : dict of str
        SHA-256 of each file that its outputs name.
    """

    run: str
    notebook: Path
    outputs: dict[str, Any]
    fingerprint: dict[str, str]
    file_hashes: dict[str, str]


class Reuse:
    """The successful executions of a use case's earlier runs.

    Parameters
    ----------
    parameters : Parameters
        ``name``, ``runs_folder``, and those of the backend.
    """

    def __init__(self, parameters: Parameters):
        self._parameters = parameters
        self._executions: dict[str, list[EarlierExecution]] = {}  # by label, newest first
        for folder in records.newest_first(resolve(parameters.runs_folder)):
            try:
                state = records.read(folder)
            except DataError:
                continue  # the run was killed while it wrote its first record
            if state.get("name") == parameters.name:
                self._add_run(folder, state)

    def _add_run(self, folder: Path, state: Mapping[str, Any]) -> None:
        for stage in state["stages"]:
            if stage["status"] in records.DONE and "fingerprint" in stage:
                execution = EarlierExecution(
                    run=stage.get("reused_from", folder.name),
                    notebook=folder / stage["notebook"],
                    outputs=stage.get("outputs", {}),
                    fingerprint=stage["fingerprint"],
                    file_hashes=stage.get("file_hashes", {}),
                )
                self._executions.setdefault(stage["stage"], []).append(execution)

    def find(self, label: str, now: Mapping[str, str]) -> EarlierExecution | None:
        """Return the newest execution with this fingerprint whose results still exist unchanged, or None."""
        for execution in self._executions.get(label, []):
            if execution.fingerprint == now and not self._missing_results(label, execution):
                return execution
        return None

    def reasons_to_run(self, label: str, now: Mapping[str, str]) -> list[str]:
        """Return why an execution cannot be skipped: what changed since its newest success, a clause each."""
        if not self._executions.get(label):
            return ["no earlier run has finished it"]
        newest = self._executions[label][0]
        return fingerprint.differences(newest.fingerprint, now) or self._missing_results(label, newest)

    def _missing_results(self, label: str, execution: EarlierExecution) -> list[str]:
        """Return which results of an execution are gone or have changed, a clause each."""
        missing = []
        if not execution.notebook.exists():
            missing.append(f"its executed notebook {execution.notebook.name} is gone")
        for address, sha256 in execution.file_hashes.items():
            current = fingerprint.hash_files(address).get(address)
            if current is None:
                missing.append(f"{address} is gone")
            elif current != sha256:
                missing.append(f"{address} has changed since it was made")
        if missing:
            return missing
        stage, _, name = label.partition(" ")
        return backends.missing_artifacts(self._parameters, stage, name or stage, execution.run)
