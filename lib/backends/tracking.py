"""MLflow tracking, the same on every backend: runs, metrics, artifacts, models, and what a stage handed on."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.automl import DONE
from lib.backends import model_files
from lib.errors import DataError, StageError
from lib.scoring.model_folder import BASELINE_FILE, digest

if TYPE_CHECKING:
    import pandas as pd

    from lib.charts import Chart

MODEL = "model"
_STAGE = "stage"
_OUTPUT = "output."
_SHA256 = "model_sha256"
_LONGEST_TAG = 5000

# Set before mlflow is imported anywhere: it reads this at import, and a run tells nobody but its user.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


class Tracking:
    """Runs of one tracking store.

    Parameters
    ----------
    uri : str
        MLflow's tracking URI; the model registry is there too.
    artifact_root : str or None
        Where artifacts of new experiments go; None leaves it to the server.
    download : callable, optional
        Gives a local copy of the artifacts at a URI; by default MLflow does.
    """

    def __init__(self, uri: str, artifact_root: str | None = None, download: Callable[[str], str | Path] | None = None):
        self.uri = uri
        self._download = download or _downloaded
        self._artifact_root = artifact_root
        logging.getLogger("mlflow.tracking.fluent").setLevel(logging.WARNING)
        import mlflow

        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        self.client = mlflow.MlflowClient()

    def experiment(self, name: str) -> str:
        """Id of an experiment, made where it is not there."""
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is None:
            location = f"{self._artifact_root}/{name}" if self._artifact_root else None
            try:
                return self.client.create_experiment(name, artifact_location=location)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                return self.experiment(name)  # another run made it meanwhile
        if found.lifecycle_stage == "deleted":
            raise StageError(f"The MLflow experiment {name} is deleted. Restore it, or give the use case another name.")
        return found.experiment_id

    @contextlib.contextmanager
    def run(self, experiment: str, stage: str, name: str, tags: Mapping[str, str]) -> Iterator[str]:
        """Run of a stage, ended as failed where its body raises.

        Yields
        ------
        str
            Id of the run.
        """
        import mlflow

        self._end_cut_off(experiment, stage, name, tags.get("run_name"))
        all_tags = {_STAGE: stage, **{key: value for key, value in tags.items() if value}}
        with mlflow.start_run(experiment_id=self.experiment(experiment), run_name=name, tags=all_tags) as run:
            yield run.info.run_id

    def _end_cut_off(self, experiment: str, stage: str, name: str, run_name: str | None) -> None:
        """End what an earlier attempt of the chain's same run has left running: its process was killed."""
        if not run_name:
            return
        where = f"{_within(stage, name, run_name)} and attributes.status = 'RUNNING'"
        for run in self.client.search_runs([self.experiment(experiment)], where):
            self.client.set_terminated(run.info.run_id, "KILLED")

    def keep_outputs(self, run_id: str, outputs: Mapping[str, Any]) -> None:
        """Note at a stage's run what it handed on, for notebooks that are opened by hand."""
        for name, value in outputs.items():
            self.client.set_tag(run_id, _OUTPUT + name, json.dumps(value))

    def newest_output(self, experiment: str, stage: str, name: str) -> Any:
        """What the newest finished run of a stage handed on under a name.

        Returns
        -------
        object or None
            None where no run did.
        """
        for run in self._finished(experiment, f"tags.{_STAGE} = '{stage}'"):
            if _OUTPUT + name in run.data.tags:
                return json.loads(run.data.tags[_OUTPUT + name])
        return None

    def newest_candidates(self, experiment: str, train_data: str, target_column: str, task: str) -> list[str]:
        """Runs that learnt a target from some data: of each training function the newest, by its name."""
        newest: dict[str, str] = {}
        found = [
            run
            for stage in ("train", "automl")
            for run in self._finished(experiment, f"tags.{_STAGE} = '{stage}' and params.train_data = '{train_data}'")
        ]
        for run in found:
            if (run.data.params["target_column"], run.data.params["task"]) != (target_column, task):
                continue
            newest.setdefault(run.data.params["training_function"], run.info.run_id)
        return [newest[name] for name in sorted(newest)]

    def run_of(self, experiment: str, stage: str, name: str, run_name: str) -> Any:
        """Finished run of a stage within a run of the chain; None where there is none."""
        return next(iter(self._finished(experiment, _within(stage, name, run_name))), None)

    def _finished(self, experiment: str, where: str) -> list:
        found = self.client.get_experiment_by_name(experiment)
        if found is None:
            return []
        newest_first = ["attributes.start_time DESC"]
        runs = self.client.search_runs([found.experiment_id], where, order_by=newest_first, max_results=500)
        # Looked at here: Azure filters by statuses of its own names.
        return [run for run in runs if run.info.status == "FINISHED"]

    def log_chart(self, chart: Chart, name: str) -> None:
        """Log a chart as PNG under ``charts/`` of the active run."""
        import mlflow

        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / f"{name}.png"
            file.write_bytes(chart.png)
            mlflow.log_artifact(str(file), "charts")

    def log_table(self, frame: pd.DataFrame, name: str) -> None:
        """Log a small table as CSV under ``tables/`` of the active run."""
        import mlflow

        mlflow.log_text(frame.to_csv(), f"tables/{name}.csv")

    def log_child(
        self, parent: str, name: str, settings: Mapping[str, Any], numbers: Mapping[str, float], outcome: str
    ) -> None:
        """Run below another one: a model that was tried, its settings and metrics, and why it failed if it did."""
        from mlflow.entities import Metric, Param, RunTag

        experiment, now = self.client.get_run(parent).info.experiment_id, int(time.time() * 1000)
        tags = {"mlflow.parentRunId": parent, "outcome": outcome[:_LONGEST_TAG]}
        run_id = self.client.create_run(experiment, run_name=name, tags=tags).info.run_id
        self.client.log_batch(
            run_id,
            metrics=[Metric(key.replace(" ", "_"), value, now, 0) for key, value in numbers.items()],
            params=[Param(key, str(value)[:_LONGEST_TAG]) for key, value in settings.items()],
            tags=[RunTag("mlflow.source.type", "LOCAL")],
        )
        self.client.set_terminated(run_id, "FINISHED" if outcome == DONE else "FAILED")

    def log_model(self, model: Any, sample: pd.DataFrame, features: pd.DataFrame, baseline: Any) -> str:
        """Log a scikit-learn pipeline to the active run, with its signature, an example, the code and the baseline.

        MLflow's ``log_model`` needs a logged-models API that Azure answers with 404; a folder written by
        ``save_model`` and logged as artifacts works on every backend.

        Parameters
        ----------
        model : Pipeline
        sample : DataFrame of shape (few rows, columns)
            Raw columns; the input example.
        features : DataFrame of shape (rows, columns)
            All rows there are. They tell a column's type, and whether a request may leave it out: a few rows do not.
        baseline : dict
            Statistics of the training rows, kept beside the model as ``baseline.json``.

        Returns
        -------
        str
            SHA-256 of the folder, which whoever loads it compares first.
        """
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / MODEL
            model_files.save(model, folder, sample, features)
            _add_baseline(folder, baseline)
            model_files.add_fast_model(model, folder)
            return _logged(folder)

    def log_model_folder(self, files: Path, baseline: Any) -> str:
        """Log a model that came as files to the active run, with the baseline; nothing of it is opened.

        Returns
        -------
        str
            SHA-256 of the folder, which whoever loads it compares first.
        """
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / MODEL
            shutil.copytree(files, folder)
            model_files.add_code(folder)
            _add_baseline(folder, baseline)
            return _logged(folder)

    def model_folder(self, source: str, sha256: str) -> Path:
        """Local folder of a model, once it is the one that was logged.

        Parameters
        ----------
        source : str
            URI of its artifacts.
        sha256 : str
            What `log_model` returned.

        Raises
        ------
        DataError
            Where the folder is gone or not the same: an altered pickle can run anything, so it is not loaded.
        """
        from mlflow.exceptions import MlflowException

        try:
            folder = Path(self._download(source))
        except (MlflowException, OSError) as error:
            raise DataError(
                f"The model's files at {source} cannot be read: {error}. Train and register it again."
            ) from error
        if digest(folder) != sha256:
            raise DataError(
                f"The model's files at {source} are not those that were logged (SHA-256 differs), so they are not "
                "loaded. Restore them, or train and register the model again."
            )
        return folder

    def load_model(self, folder: Path) -> Any:
        """Scikit-learn pipeline from a folder that `model_folder` gave."""
        return model_files.load(folder)

    def candidate(self, run_id: str) -> Any:
        """MLflow run of a candidate.

        Raises
        ------
        DataError
            Where there is none.
        """
        from mlflow.exceptions import MlflowException

        try:
            return self.client.get_run(run_id)
        except MlflowException as error:
            raise DataError(
                f"candidates: there is no MLflow run {run_id!r} in {self.uri}. Run the train notebook first."
            ) from error

    @staticmethod
    def source_of(run: Any) -> tuple[str, str]:
        """URI of the model that a run logged, and its SHA-256.

        Raises
        ------
        DataError
            Where it logged none.
        """
        if _SHA256 not in run.data.tags:
            raise DataError(
                f"candidates: the MLflow run {run.info.run_id!r} logged no model. Name runs that the train notebook "
                "finished."
            )
        return f"{run.info.artifact_uri}/{MODEL}", run.data.tags[_SHA256]


def _within(stage: str, name: str, run_name: str) -> str:
    """Condition of runs of a stage within a run of the chain."""
    return f"tags.{_STAGE} = '{stage}' and tags.run_name = '{run_name}' and attributes.run_name = '{name}'"


def _add_baseline(folder: Path, baseline: Any) -> None:
    (folder / BASELINE_FILE).write_text(json.dumps(baseline, indent=1), encoding="utf-8")


def _logged(folder: Path) -> str:
    """Log a model's folder to the active run; its SHA-256."""
    import mlflow

    sha256 = digest(folder)
    mlflow.log_artifacts(str(folder), MODEL)
    mlflow.set_tag(_SHA256, sha256)
    return sha256


def _downloaded(source: str) -> str:
    import mlflow

    return mlflow.artifacts.download_artifacts(artifact_uri=source)
