"""Tracking: MLflow on the workspace, whose failures in the middle of a stage are told as Azure's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lib.backends.azureml.error_translation import translate_known_errors
from lib.backends.azureml.remote_model import RemoteModel, ScoringJobs, is_remote
from lib.backends.tracking import Tracking


class WorkspaceTracking(Tracking):
    """MLflow on a workspace; see `Tracking`.

    Parameters
    ----------
    uri : str
    download : callable
        Gives a local copy of the artifacts at a URI.
    jobs : callable
        Gives the `ScoringJobs` that ask models which nothing here may open.
    """

    def __init__(self, uri: str, download: Callable[[str], Path], jobs: Callable[[], ScoringJobs]):
        super().__init__(uri, download=download)
        self._jobs = jobs

    def load_model(self, folder: Path) -> Any:
        """Model of a folder; one of AutoML's is asked on the cluster, and stays unopened here."""
        return RemoteModel(folder, self._jobs()) if is_remote(folder) else super().load_model(folder)

    @contextlib.contextmanager
    def run(self, experiment: str, stage: str, name: str, tags: Mapping[str, str]) -> Iterator[str]:
        """Run of a stage; what Azure refuses its body is translate_error, what the body itself does wrong passes."""
        with translate_known_errors(f"go on with {name}"), super().run(experiment, stage, name, tags) as run_id:
            yield run_id

    def log_outputs(self, run_id: str, outputs: Mapping[str, Any]) -> None:
        """Note what a stage handed on; see `Tracking`."""
        with translate_known_errors("note the outputs"):
            super().log_outputs(run_id, outputs)

    def newest_output(self, experiment: str, stage: str, name: str) -> Any:
        """What a stage handed on last; see `Tracking`."""
        with translate_known_errors(f"find the newest {name}"):
            return super().newest_output(experiment, stage, name)
