"""Reuse of the results of earlier executions whose inputs, code and results have not changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import backends
from lib.chain import fingerprint
from lib.chain import record as records
from lib.chain.moved_workspace import follow_workspace
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
        The outputs that the notebook published.
    fingerprint : dict of str
        Fingerprint of the execution, see `fingerprint.compute`.
    file_hashes : dict of str
        SHA-256 of each file that the outputs name.
    """

    run: str
    notebook: Path
    outputs: dict[str, Any]
    fingerprint: dict[str, str]
    file_hashes: dict[str, str]


class EarlierResults:
    """The successful executions of a use case's earlier runs.

    Parameters
    ----------
    parameters : Parameters
        ``name``, ``runs_folder``, and those of the backend.
    """

    def __init__(self, parameters: Parameters):
        self._parameters = parameters
        self._executions: dict[str, list[EarlierExecution]] = {}  # by label, newest first
        for folder in records.list_newest_first(resolve(parameters.runs_folder)):
            try:
                state = records.read(folder)
            except DataError:
                continue  # the run was killed before its first record was complete
            if state.get("name") == parameters.name:
                self._add_run(folder, follow_workspace(state, parameters))

    def _add_run(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Add the successful executions of a run, given its folder and the content of its record."""
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

    def find(self, label: str, current: Mapping[str, str]) -> EarlierExecution | None:
        """Return the newest execution with a fingerprint whose results still exist unchanged; None if there is none."""
        for execution in self._executions.get(label, []):
            if execution.fingerprint == current and not self._describe_missing_results(label, execution):
                return execution
        return None

    def explain_run(self, label: str, current: Mapping[str, str]) -> list[str]:
        """Return why an execution cannot be skipped: a clause for each change since its newest success."""
        if not self._executions.get(label):
            return ["no earlier run has finished it"]
        newest = self._executions[label][0]
        return fingerprint.describe_differences(newest.fingerprint, current) or self._describe_missing_results(
            label, newest
        )

    def _describe_missing_results(self, label: str, execution: EarlierExecution) -> list[str]:
        """Return a clause for each result of an execution that is gone or has changed."""
        clauses = []
        if not execution.notebook.exists():
            clauses.append(f"the executed notebook {execution.notebook.name} is gone")
        for address, sha256 in execution.file_hashes.items():
            current_sha256 = fingerprint.hash_files(address).get(address)
            if current_sha256 is None:
                clauses.append(f"{address} is gone")
            elif current_sha256 != sha256:
                clauses.append(f"{address} has changed since that run")
        if clauses:
            return clauses
        stage, _, name = label.partition(" ")
        return backends.missing_artifacts(self._parameters, stage, name or stage, execution.run)
