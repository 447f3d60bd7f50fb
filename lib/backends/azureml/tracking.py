"""MLflow tracking on a workspace, with translated errors of Azure."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lib.backends.azureml.error_translation import translate_known_errors
from lib.backends.azureml.remote_model import RemoteModel, ScoringJobs, is_remote
from lib.backends.tracking import Tracking


class WorkspaceTracking(Tracking):
    """MLflow tracking on a workspace; see `Tracking`.

    Parameters
    ----------
    uri : str
    download : callable
        Returns a local copy of the artifacts at a URI.
    create_scoring_jobs : callable
        Returns the `ScoringJobs` that score rows with models that cannot be loaded on this machine.
    """

    def __init__(self, uri: str, download: Callable[[str], Path], create_scoring_jobs: Callable[[], ScoringJobs]):
        super().__init__(uri, download=download)
        self._create_scoring_jobs = create_scoring_jobs

    def load_model(self, folder: Path) -> Any:
        """Load the model of a folder. A model of AutoML is not loaded here: jobs on the cluster score rows with it."""
        return RemoteModel(folder, self._create_scoring_jobs()) if is_remote(folder) else super().load_model(folder)

    @contextlib.contextmanager
    def run(self, experiment: str, stage: str, name: str, tags: Mapping[str, str]) -> Iterator[str]:
        """Start the MLflow run of a stage; translate Azure's errors, but not those of the stage's own code."""
        with translate_known_errors(f"continue with {name}"), super().run(experiment, stage, name, tags) as run_id:
            yield run_id

    def log_outputs(self, run_id: str, outputs: Mapping[str, Any]) -> None:
        """Store the outputs of a stage; see `Tracking`."""
        with translate_known_errors("store the stage's outputs"):
            super().log_outputs(run_id, outputs)

    def newest_output(self, experiment: str, stage: str, name: str) -> Any:
        """Return the newest output of a stage; see `Tracking`."""
        with translate_known_errors(f"find the newest {name}"):
            return super().newest_output(experiment, stage, name)
