"""The files of a run that the report reads: its record, its parameters and the results in its executed notebooks."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lib.evidence.verifier import DATA, MANIFEST, PROJECT
from lib.outputs import read_evidence

RECORD, PARAMETERS = "run.json", "parameters.yaml"
REPORT = "report.html"
_DONE = ("succeeded", "reused")


@dataclass(frozen=True)
class RunFiles:
    """What a run has left behind.

    Attributes
    ----------
    folder : Path
    state : mapping
        The content of ``run.json``.
    parameters : mapping
        The resolved parameters.
    results : mapping
        What each stage published, by its label such as "train linear", see ``StageResult.describe``; stages that did
        not get that far are left out.
    """

    folder: Path
    state: Mapping[str, Any]
    parameters: Mapping[str, Any]
    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def project_files(self) -> Mapping[str, str]:
        """SHA-256 of each file of the project, from the manifest; empty for a run that was not sealed."""
        return self._sealed_files.get(PROJECT, {})

    @property
    def data_files(self) -> Mapping[str, str]:
        """SHA-256 of each data file that the parameters name, from the manifest; empty if the run was not sealed."""
        return self._sealed_files.get(DATA, {})

    @functools.cached_property
    def _sealed_files(self) -> Mapping[str, Mapping[str, str]]:
        file = self.folder / MANIFEST
        return json.loads(file.read_bytes())["files"] if file.is_file() else {}

    @property
    def name(self) -> str:
        """Name of the use case."""
        return str(self.state.get("name", ""))

    @property
    def status(self) -> str:
        """Status of the run, such as "succeeded"."""
        return str(self.state.get("status", "unknown"))

    @property
    def stages(self) -> list[Mapping[str, Any]]:
        """All executions, in the order in which they began."""
        return list(self.state.get("stages", []))

    def facts(self, label: str) -> Mapping[str, Any]:
        """Return the facts of the newest execution with this label; empty if there are none."""
        return next((stage["facts"] for stage in reversed(self.stages) if _has_facts(stage, label)), {})

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of all finished stages, by name."""
        done = [stage for stage in self.stages if stage.get("status") in _DONE]
        return {name: value for stage in done for name, value in stage.get("outputs", {}).items()}


def _has_facts(stage: Mapping[str, Any], label: str) -> bool:
    return stage.get("stage") == label and bool(stage.get("facts"))


def read_run(folder: Path, state: Mapping[str, Any] | None = None) -> RunFiles:
    """Read the record, the parameters and the published results of a run.

    Parameters
    ----------
    folder : Path
    state : mapping, optional
        The record, if it was already read.
    """
    state = state or json.loads((folder / RECORD).read_text(encoding="utf-8"))
    file = folder / PARAMETERS
    parameters = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}
    newest = {stage["stage"]: stage["notebook"] for stage in state["stages"] if "notebook" in stage}
    results = {label: read_evidence(folder / notebook) for label, notebook in newest.items()}
    return RunFiles(folder, state, parameters or {}, {label: result for label, result in results.items() if result})
