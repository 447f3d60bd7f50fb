"""MLflow tracking for every backend: runs, metrics, artifacts, models and stage outputs."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.automl import DONE
from lib.backends import model_files
from lib.errors import DataError, StageError
from lib.scoring.model_folder import BASELINE_FILE, digest

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import Run

    from lib.charts import Chart

MODEL = "model"
_STAGE_TAG = "stage"
_OUTPUT_TAG_PREFIX = "output."
_SHA256_TAG = "model_sha256"
_MAX_VALUE_LENGTH = 5000
_MAX_RUNS = 500

# mlflow reads this at import, so it is set before any module imports mlflow.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


class Tracking:
    """The runs of one MLflow tracking store.

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
        self.uri = uri
        self._download = download or _download_with_mlflow
        self._artifact_root = artifact_root
        logging.getLogger("mlflow.tracking.fluent").setLevel(logging.WARNING)
        import mlflow

        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        self.client = mlflow.MlflowClient()

    def experiment_id(self, name: str) -> str:
        """Return the id of an experiment, which is created if it does not exist.

        Raises
        ------
        StageError
            If the experiment was deleted.
        """
        from mlflow.exceptions import MlflowException

        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            location = f"{self._artifact_root}/{name}" if self._artifact_root else None
            try:
                return self.client.create_experiment(name, artifact_location=location)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                return self.experiment_id(name)  # another run has just created it
        if experiment.lifecycle_stage == "deleted":
            raise StageError(
                f"The MLflow experiment {name} was deleted. Restore it (mlflow experiments restore --experiment-id "
                f"{experiment.experiment_id}), or change the parameter name."
            )
        return experiment.experiment_id

    @contextlib.contextmanager
    def run(self, experiment: str, stage: str, name: str, tags: Mapping[str, str]) -> Iterator[str]:
        """Start the MLflow run of a stage. The run ends as failed if the body raises an exception.

        Yields
        ------
        str
            Id of the run.
        """
        import mlflow

        self._end_killed_runs(experiment, stage, name, tags.get("run_name"))
        all_tags = {_STAGE_TAG: stage, **{key: value for key, value in tags.items() if value}}
        with mlflow.start_run(experiment_id=self.experiment_id(experiment), run_name=name, tags=all_tags) as run:
            yield run.info.run_id

    def _end_killed_runs(self, experiment: str, stage: str, mlflow_name: str, run_name: str | None) -> None:
        """End the MLflow runs that a killed process left open in an earlier attempt of this run.

        `mlflow_name` is the name of the MLflow run, `run_name` that of the run folder.
        """
        if not run_name:
            return
        running = f"{_stage_run_filter(stage, mlflow_name, run_name)} and attributes.status = 'RUNNING'"
        for run in self.client.search_runs([self.experiment_id(experiment)], running):
            self.client.set_terminated(run.info.run_id, "KILLED")

    def log_outputs(self, run_id: str, outputs: Mapping[str, Any]) -> None:
        """Store a stage's outputs as tags, so that a notebook opened by hand can find them."""
        for name, value in outputs.items():
            self.client.set_tag(run_id, _OUTPUT_TAG_PREFIX + name, json.dumps(value))

    def newest_output(self, experiment: str, stage: str, name: str) -> Any:
        """Return an output of the newest finished run of a stage that has one; None if no run does."""
        for run in self._finished_runs(experiment, f"tags.{_STAGE_TAG} = '{stage}'"):
            if _OUTPUT_TAG_PREFIX + name in run.data.tags:
                return json.loads(run.data.tags[_OUTPUT_TAG_PREFIX + name])
        return None

    def newest_candidates(self, experiment: str, train_data: str, target_column: str, task: str) -> list[str]:
        """Return the newest run of each training function for a target and training data, sorted by function name."""
        newest: dict[str, str] = {}
        for stage in ("train", "automl"):
            condition = f"tags.{_STAGE_TAG} = '{stage}' and params.train_data = '{train_data}'"
            for run in self._finished_runs(experiment, condition):
                if (run.data.params["target_column"], run.data.params["task"]) == (target_column, task):
                    newest.setdefault(run.data.params["training_function"], run.info.run_id)
        return [newest[name] for name in sorted(newest)]

    def find_stage_run(self, experiment: str, stage: str, name: str, run_name: str) -> Run | None:
        """Return the finished MLflow run of a stage within the run `run_name`, if there is one."""
        return next(iter(self._finished_runs(experiment, _stage_run_filter(stage, name, run_name))), None)

    def _finished_runs(self, experiment_name: str, condition: str) -> list[Run]:
        """Return the finished runs that match a filter, newest first."""
        experiment = self.client.get_experiment_by_name(experiment_name)
        if experiment is None:
            return []
        runs = self.client.search_runs(
            [experiment.experiment_id], condition, order_by=["attributes.start_time DESC"], max_results=_MAX_RUNS
        )
        # The search cannot filter by status: Azure uses status names of its own.
        return [run for run in runs if run.info.status == "FINISHED"]

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

        mlflow.log_text(frame.to_csv(), f"tables/{name}.csv")

    def log_traceback(self) -> None:
        """Log the traceback of the error being handled as ``traceback.txt`` of the active run."""
        import mlflow

        mlflow.log_text(traceback.format_exc(), "traceback.txt")

    def log_child_run(
        self, parent: str, name: str, settings: Mapping[str, Any], numbers: Mapping[str, float], outcome: str
    ) -> None:
        """Log a model that AutoML tried as a child run.

        Parameters
        ----------
        parent : str
            Id of the parent run.
        name : str
        settings : mapping
            Hyperparameters of the model.
        numbers : mapping of str to float
            Metrics of the model.
        outcome : str
            `DONE`, or the reason for the failure.
        """
        from mlflow.entities import Metric, Param, RunTag

        experiment, now = self.client.get_run(parent).info.experiment_id, int(time.time() * 1000)
        tags = {"mlflow.parentRunId": parent, "outcome": outcome[:_MAX_VALUE_LENGTH]}
        run_id = self.client.create_run(experiment, run_name=name, tags=tags).info.run_id
        self.client.log_batch(
            run_id,
            metrics=[Metric(key.replace(" ", "_"), value, now, 0) for key, value in numbers.items()],
            params=[Param(key, str(value)[:_MAX_VALUE_LENGTH]) for key, value in settings.items()],
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
            Statistics of the training rows, stored as ``baseline.json`` in the model folder.

        Returns
        -------
        str
            SHA-256 of the folder, to be verified before the model is loaded.
        """
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent) / MODEL
            model_files.save(model, folder, sample, features)
            _write_baseline(folder, baseline)
            model_files.add_fast_model(model, folder)
            return _log_folder(folder)

    def log_model_folder(self, files: Path, baseline: Any) -> str:
        """Log an existing model folder with code and a baseline to the active run, without loading the model.

        Returns
        -------
        str
            SHA-256 of the folder, to be verified before the model is loaded.
        """
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent) / MODEL
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
            If the folder is missing or was changed. It is not loaded then, because unpickling can run any code.
        """
        from mlflow.exceptions import MlflowException

        try:
            folder = Path(self._download(source))
        except (MlflowException, OSError) as error:
            raise DataError(
                f"The model files at {source} cannot be read: {error}. Train and register the model again."
            ) from error
        if digest(folder) != sha256:
            raise DataError(
                f"The model files at {source} have changed since they were logged: their SHA-256 differs. They are "
                "not loaded, because a changed file could run any code. Restore them, or train and register the model "
                "again."
            )
        return folder

    def load_model(self, folder: Path) -> Any:
        """Load the scikit-learn pipeline of a folder that `model_folder` returned.

        Raises
        ------
        IncompatibleModelError
            If the model was saved by another release and cannot be loaded by this one.
        """
        return model_files.load(folder)

    def candidate_run(self, run_id: str) -> Run:
        """Return the MLflow run of a candidate.

        Raises
        ------
        DataError
            If there is no such run.
        """
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_run(run_id)
        except MlflowException as error:
            raise DataError(
                f"candidates: there is no MLflow run {run_id!r} in {self.uri}. Run the train notebook first, or "
                "correct the run id."
            ) from error

    @staticmethod
    def model_source(run: Run) -> tuple[str, str]:
        """Return the URI and the SHA-256 of the model that a run logged.

        Raises
        ------
        DataError
            If the run logged no model.
        """
        if _SHA256_TAG not in run.data.tags:
            raise DataError(
                f"candidates: the MLflow run {run.info.run_id!r} logged no model. In candidates, list "
                "only runs of the train notebook that have finished."
            )
        return f"{run.info.artifact_uri}/{MODEL}", run.data.tags[_SHA256_TAG]


def _stage_run_filter(stage: str, name: str, run_name: str) -> str:
    """Return the MLflow filter for a stage's runs within the run `run_name`."""
    return f"tags.{_STAGE_TAG} = '{stage}' and tags.run_name = '{run_name}' and attributes.run_name = '{name}'"


def _write_baseline(folder: Path, baseline: Any) -> None:
    (folder / BASELINE_FILE).write_text(json.dumps(baseline, indent=1), encoding="utf-8")


def _log_folder(folder: Path) -> str:
    """Log a model folder to the active run and return its SHA-256."""
    import mlflow

    sha256 = digest(folder)
    mlflow.log_artifacts(str(folder), MODEL)
    mlflow.set_tag(_SHA256_TAG, sha256)
    return sha256


def _download_with_mlflow(source: str) -> str:
    import mlflow

    return mlflow.artifacts.download_artifacts(artifact_uri=source)
