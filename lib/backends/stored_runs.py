"""The experiments and finished runs of an MLflow tracking store: how stages find what earlier stages made."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any

from lib.errors import DataError, StageError

if TYPE_CHECKING:
    from mlflow.entities import Run

MODEL = "model"
STAGE_TAG = "stage"
OUTPUT_TAG_PREFIX = "output."
SHA256_TAG = "model_sha256"
_MAX_RUNS = 500

# mlflow reads this at import, so it is set before any module imports mlflow.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


class StoredRuns:
    """The experiments and finished runs of one MLflow tracking store.

    Parameters
    ----------
    uri : str
        MLflow tracking URI. The model registry uses the same URI.
    artifact_root : str or None
        Artifact location for new experiments; None for the server's default.
    """

    def __init__(self, uri: str, artifact_root: str | None = None):
        self.uri = uri
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
                f"{experiment.experiment_id}), or set the parameter `name` to another name."
            )
        return experiment.experiment_id

    def newest_output(self, experiment: str, stage: str, name: str) -> Any:
        """Return an output of a stage from the newest finished run that published it; None if no run did."""
        for run in self._finished_runs(experiment, f"tags.{STAGE_TAG} = '{stage}'"):
            if OUTPUT_TAG_PREFIX + name in run.data.tags:
                return json.loads(run.data.tags[OUTPUT_TAG_PREFIX + name])
        return None

    def newest_candidates(self, experiment: str, train_data: str | None, target_column: str, task: str) -> list[str]:
        """Return the ids of the newest finished train and AutoML runs on the given data, one per training function.

        Parameters
        ----------
        experiment : str
            Name of the experiment, which is the use case's name.
        train_data : str
            URI of the training rows. Runs on other rows are ignored; None for runs on any rows.
        target_column, task : str
            Runs for another target or task are ignored.

        Returns
        -------
        list of str
            Ids of MLflow runs, in the order of the training functions' names.
        """
        newest: dict[str, str] = {}
        for stage in ("train", "automl"):
            condition = f"tags.{STAGE_TAG} = '{stage}'"
            if train_data is not None:
                condition += f" and params.train_data = '{train_data}'"
            for run in self._finished_runs(experiment, condition):
                if (run.data.params["target_column"], run.data.params["task"]) == (target_column, task):
                    newest.setdefault(run.data.params["training_function"], run.info.run_id)
        return [newest[name] for name in sorted(newest)]

    def find_stage_run(self, experiment: str, stage: str, name: str, run_name: str) -> Run | None:
        """Return the MLflow run that a stage finished in a run of the chain; None if the stage has not finished.

        `name` is the name of the MLflow run, `run_name` that of the run folder.
        """
        return next(iter(self._finished_runs(experiment, stage_run_filter(stage, name, run_name))), None)

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
        if SHA256_TAG not in run.data.tags:
            raise DataError(
                f"candidates: the MLflow run {run.info.run_id!r} logged no model. In candidates, list only "
                "finished runs of the train notebook."
            )
        return f"{run.info.artifact_uri}/{MODEL}", run.data.tags[SHA256_TAG]


def stage_run_filter(stage: str, name: str, run_name: str) -> str:
    """Return the MLflow filter for a stage's MLflow runs, called `name`, that belong to the run folder `run_name`."""
    return f"tags.{STAGE_TAG} = '{stage}' and tags.run_name = '{run_name}' and attributes.run_name = '{name}'"
