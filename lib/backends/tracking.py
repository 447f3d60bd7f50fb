"""MLflow tracking for every backend: logs the runs, outputs, charts and models of stages."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.automl import DONE
from lib.backends import model_files
from lib.backends.stored_runs import MODEL, OUTPUT_TAG_PREFIX, SHA256_TAG, STAGE_TAG, StoredRuns, stage_run_filter
from lib.errors import DataError
from lib.scoring.model_folder import BASELINE_FILE, ModelError, compute_digest, verify, write_sums
from lib.secrets import known_values

if TYPE_CHECKING:
    import pandas as pd

    from lib.charts import Chart

_MAX_VALUE_LENGTH = 5000


class Tracking(StoredRuns):
    """An MLflow tracking store, to which stages log their runs, outputs and models.

    Parameters
    ----------
    uri : str
        MLflow tracking URI. The model registry uses the same URI.
    artifact_root : str or None
        Artifact location for new experiments; None for the server's default.
    download : callable, optional
        Returns a local copy of the artifacts at a URI. The default downloads with MLflow.
    """

    def __init__(self, uri: str, artifact_root: str | None = None, download: Callable[[str], str | Path] | None = None):
        super().__init__(uri, artifact_root)
        self._download = download or _download_with_mlflow

    @contextlib.contextmanager
    def run(self, experiment: str, stage: str, name: str, tags: Mapping[str, str]) -> Iterator[str]:
        """Start the MLflow run of a stage. The run ends as failed if the ``with`` block raises an exception.

        Yields
        ------
        str
            Id of the run.
        """
        import mlflow

        self._end_killed_runs(experiment, stage, name, tags.get("run_name"))
        all_tags = {STAGE_TAG: stage, **{key: value for key, value in tags.items() if value}}
        with mlflow.start_run(experiment_id=self.experiment_id(experiment), run_name=name, tags=all_tags) as run:
            yield run.info.run_id

    def _end_killed_runs(self, experiment: str, stage: str, mlflow_name: str, run_name: str | None) -> None:
        """End the MLflow runs that a killed process left open in an earlier attempt of this run.

        `mlflow_name` is the name of the MLflow run, `run_name` that of the run folder.
        """
        if not run_name:
            return
        open_runs = f"{stage_run_filter(stage, mlflow_name, run_name)} and attributes.status = 'RUNNING'"
        for run in self.client.search_runs([self.experiment_id(experiment)], open_runs):
            self.client.set_terminated(run.info.run_id, "KILLED")

    def log_outputs(self, run_id: str, outputs: Mapping[str, Any]) -> None:
        """Store a stage's outputs as tags, so that a notebook opened by hand can find them."""
        for name, value in outputs.items():
            self.client.set_tag(run_id, OUTPUT_TAG_PREFIX + name, known_values.mask(json.dumps(value)))

    def log_chart(self, chart: Chart, name: str) -> None:
        """Log a chart as a PNG file in ``charts/`` of the active run."""
        import mlflow

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{name}.png"
            file.write_bytes(chart.png)
            mlflow.log_artifact(str(file), "charts")

    def log_table(self, frame: pd.DataFrame, name: str) -> None:
        """Log a small table as a CSV file in ``tables/`` of the active run."""
        import mlflow

        mlflow.log_text(known_values.mask(frame.to_csv()), f"tables/{name}.csv")

    def log_traceback(self) -> None:
        """Log the traceback of the error being handled as ``traceback.txt`` of the active run."""
        import mlflow

        mlflow.log_text(known_values.mask(traceback.format_exc()), "traceback.txt")

    def log_child_run(
        self, parent: str, name: str, hyperparameters: Mapping[str, Any], scores: Mapping[str, float], outcome: str
    ) -> None:
        """Log a model of an AutoML search as a child run of the search.

        Parameters
        ----------
        parent : str
            Id of the parent run.
        name : str
            Name of the model.
        hyperparameters : mapping
        scores : mapping of str to float
            Value of each metric.
        outcome : str
            `DONE` if the model was trained, otherwise the reason for the failure.
        """
        from mlflow.entities import Metric, Param, RunTag

        experiment, now = self.client.get_run(parent).info.experiment_id, int(time.time() * 1000)
        tags = {"mlflow.parentRunId": parent, "outcome": outcome[:_MAX_VALUE_LENGTH]}
        run_id = self.client.create_run(experiment, run_name=name, tags=tags).info.run_id
        self.client.log_batch(
            run_id,
            metrics=[Metric(key.replace(" ", "_"), value, now, 0) for key, value in scores.items()],
            params=[Param(key, str(value)[:_MAX_VALUE_LENGTH]) for key, value in hyperparameters.items()],
            tags=[RunTag("mlflow.source.type", "LOCAL")],
        )
        self.client.set_terminated(run_id, "FINISHED" if outcome == DONE else "FAILED")

    def log_model(self, model: Any, sample: pd.DataFrame, features: pd.DataFrame, baseline: Any) -> str:
        """Log a scikit-learn pipeline to the active run with its signature, input example, code and baseline.

        The folder is written by ``save_model`` and logged as artifacts. MLflow's ``log_model`` needs a logged-models
        API, which Azure does not have.

        Parameters
        ----------
        model : Pipeline
        sample : DataFrame of shape (n_samples, n_columns)
            A few rows of raw columns; the input example.
        features : DataFrame of shape (n_rows, n_columns)
            All training rows. They determine the type of each column and whether a request may omit it.
        baseline : dict
            Statistics of the training rows, which are stored as ``baseline.json`` in the model folder.

        Returns
        -------
        str
            SHA-256 of the folder, to be verified before the model is loaded.
        """
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / MODEL
            model_files.save(model, folder, sample, features)
            _write_baseline(folder, baseline)
            model_files.add_fast_model(model, folder)
            return _log_folder(folder)

    def log_model_folder(self, files: Path, baseline: Any) -> str:
        """Add code and a baseline to a copy of a model folder, and log the copy to the active run.

        The model is not loaded.

        Returns
        -------
        str
            SHA-256 of the folder, to be verified before the model is loaded.
        """
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / MODEL
            shutil.copytree(files, folder)
            model_files.add_code(folder)
            _write_baseline(folder, baseline)
            return _log_folder(folder)

    def model_folder(self, source: str, sha256: str) -> Path:
        """Download a model folder and verify its hash.

        Parameters
        ----------
        source : str
            URI of the model's artifacts.
        sha256 : str
            The hash that `log_model` returned.

        Raises
        ------
        DataError
            If the folder is missing or was changed; the message names the files that were changed. The model is not
            loaded then, because a changed file could run any code.
        """
        from mlflow.exceptions import MlflowException

        try:
            folder = Path(self._download(source))
        except (MlflowException, OSError) as error:
            raise DataError(
                f"The model files at {source} cannot be read: {error}. Train and register the model again."
            ) from error
        try:
            verify(folder, sha256)
        except ModelError as error:
            raise DataError(f"The model files at {source} have changed since they were logged. {error}") from None
        return folder

    def load_model(self, folder: Path) -> Any:
        """Load the scikit-learn pipeline of a folder that `model_folder` returned.

        Raises
        ------
        IncompatibleModelError
            If the model was saved by another release and cannot be loaded by this one.
        """
        return model_files.load(folder)


def _write_baseline(folder: Path, baseline: Any) -> None:
    """Write the statistics of the training rows into a model folder."""
    (folder / BASELINE_FILE).write_text(json.dumps(baseline, indent=1), encoding="utf-8")


def _log_folder(folder: Path) -> str:
    """Log a model folder to the active run and return its SHA-256."""
    import mlflow

    write_sums(folder)
    sha256 = compute_digest(folder)
    mlflow.log_artifacts(str(folder), MODEL)
    mlflow.set_tag(SHA256_TAG, sha256)
    return sha256


def _download_with_mlflow(source: str) -> str:
    """Download the artifacts at a URI with MLflow, and return the path of the local copy."""
    import mlflow

    return mlflow.artifacts.download_artifacts(artifact_uri=source)
