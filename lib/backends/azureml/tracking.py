"""Tracking: MLflow on the workspace, whose failures in the middle of a stage are told as Azure's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from lib.backends.azureml.explain import explaining_azures
from lib.backends.tracking import Tracking


class WorkspaceTracking(Tracking):
    """MLflow on a workspace; see `Tracking`."""

    @contextlib.contextmanager
    def run(self, experiment: str, stage: str, name: str, tags: Mapping[str, str]) -> Iterator[str]:
        """Run of a stage; what Azure refuses its body is explained, what the body itself does wrong passes."""
        with explaining_azures(f"go on with {name}"), super().run(experiment, stage, name, tags) as run_id:
            yield run_id

    def keep_outputs(self, run_id: str, outputs: Mapping[str, Any]) -> None:
        """Note what a stage handed on; see `Tracking`."""
        with explaining_azures("note the outputs"):
            super().keep_outputs(run_id, outputs)

    def newest_output(self, experiment: str, stage: str, name: str) -> Any:
        """What a stage handed on last; see `Tracking`."""
        with explaining_azures(f"find the newest {name}"):
            return super().newest_output(experiment, stage, name)
