"""AutoML searches on a cluster.

The best model is downloaded and logged as files, and is never loaded here. Its pickle refers to classes of AutoML's
runtime, which has no wheels for this Python version, and unpickling can run any code. Only the cluster and the endpoint
load the model; see `remote_model`.
"""

from __future__ import annotations

import json
import math
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.automl import DONE, LEADERBOARD, SearchResult
from lib.backends.azureml import automl_metric, cost
from lib.backends.azureml.cancellation import CANCELLED_EXTERNALLY, cancel_job
from lib.backends.azureml.error_translation import identify_error, retry, translate_errors
from lib.backends.azureml.job import TERMINAL_STATUSES, Job, ModelRun, SearchRequest
from lib.backends.azureml.job_errors import job_error_message, seconds_between
from lib.backends.azureml.remote_model import MARKER_FILE
from lib.errors import MillraceError, ParameterError, StageError
from lib.scoring.model_folder import compute_digest

if TYPE_CHECKING:
    import pandas as pd

    from lib.backends.azureml.compute import Clusters
    from lib.backends.azureml.connection import Connection
    from lib.backends.azureml.cost import Meter
    from lib.backends.azureml.datasets import Datasets
    from lib.backends.azureml.datastore import DataStore
    from lib.evaluation.row_division import RowDivision
    from lib.parameters import Parameters
    from lib.schema.table_schema import TableSchema
    from lib.scoring.feature_step import FeatureStep

MODEL_PATH = "outputs/mlflow-model"
_POLL_SECONDS = 5.0
_TASKS = {"binary": "classification", "multiclass": "classification", "regression": "regression"}
# AutoML's names of the algorithms in each model family, by type of task. It does not support CatBoost.
_ALGORITHMS: dict[str, dict[str, tuple[str, ...]]] = {
    "linear": {
        "classification": ("LogisticRegression", "LinearSVM", "SGD"),
        "regression": ("ElasticNet", "LassoLars", "SGD"),
    },
    "random_forest": {"classification": ("RandomForest",), "regression": ("RandomForest",)},
    "extra_trees": {"classification": ("ExtremeRandomTrees",), "regression": ("ExtremeRandomTrees",)},
    "gradient_boosting": {"classification": ("GradientBoosting",), "regression": ("GradientBoosting",)},
    "xgboost": {"classification": ("XGBoostClassifier",), "regression": ("XGBoostRegressor",)},
    "lightgbm": {"classification": ("LightGBM",), "regression": ("LightGBM",)},
    "neighbours": {"classification": ("KNN",), "regression": ("KNN",)},
    "neural_network": {"classification": ("TabnetClassifier",), "regression": ("TabnetRegressor",)},
}
# A lower value is better only for those primary metrics of AutoML whose names end like this.
_LOWER_IS_BETTER_SUFFIX = "_error"
# Algorithms of SDK version 1 that version 2 does not have.
_ONLY_V1 = ("TabnetClassifier", "TabnetRegressor")
_STAGE = "train"  # AutoML runs on the cluster of the train stage


def automl_settings(parameters: Parameters) -> dict[str, Any]:
    """Translate the parameters into AutoML's settings, under the names that SDK version 1 gives them.

    Raises
    ------
    ParameterError
        If AutoML cannot optimize the primary metric.
    """
    settings = {
        "task": _TASKS[parameters.task],
        "primary_metric": automl_metric(parameters),
        "label_column_name": parameters.target_column,
        "iterations": parameters.max_trials,
        "experiment_timeout_hours": parameters.automl_budget_minutes / 60,
        "max_concurrent_iterations": parameters.max_nodes,
        "n_cross_validations": parameters.n_cross_validations or None,
        "validation_size": parameters.validation_fraction or None,
        "enable_voting_ensemble": parameters.ensemble,
        "allowed_models": _algorithms(parameters, parameters.allowed_models) or None,
        "blocked_models": _algorithms(parameters, parameters.blocked_models) or None,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _algorithms(parameters: Parameters, families: Sequence[str]) -> list[str]:
    """Return AutoML's names of the algorithms in some model families."""
    task = _TASKS[parameters.task]
    names = [algorithm for family in families for algorithm in _ALGORITHMS.get(family, {}).get(task, ())]
    return [name for name in names if parameters.azure_sdk == "v1" or name not in _ONLY_V1]


class AutoMLSearch:
    """An AutoML search on the training cluster; see `backends.base.ModelSearch`.

    Parameters
    ----------
    connection : Connection
    datastore : DataStore
    datasets : Datasets
    clusters : Clusters
    meter : Meter
    parameters : Parameters
        The parameters of the AutoML section, ``target_column``, ``task`` and ``primary_metric``.
    """

    def __init__(
        self,
        connection: Connection,
        datastore: DataStore,
        datasets: Datasets,
        clusters: Clusters,
        meter: Meter,
        parameters: Parameters,
    ):
        self._connection, self._datastore, self._datasets = connection, datastore, datasets
        self._clusters, self._meter, self._parameters = clusters, meter, parameters

    def run(
        self,
        train_data: str,
        test_data: str,
        report: Callable[[str], None],
        schema: TableSchema | None = None,
        step: FeatureStep | None = None,
        division: RowDivision | None = None,
    ) -> SearchResult:
        """Search for models and download the best one; see `backends.base.ModelSearch`.

        If this call is interrupted, the search is cancelled.

        Raises
        ------
        ParameterError
            If the pipeline has features of its own.
        StageError
            If the search does not complete, or completes without a model.
        """
        if step is not None:
            raise ParameterError(
                f"automl: Azure's AutoML trains on the columns of the table, without the features {step.name} of the "
                "pipeline. Set automl: false, or leave the hook features out."
            )
        started = time.monotonic()
        job = self._submit(train_data)
        report(f"AutoML {job.id} on {self._clusters.name_for(_STAGE)}: {job.url}")
        try:
            status = self._wait(job, report)
        except BaseException:
            cancel_job(job, report)
            raise
        if status != "Completed":
            raise self._search_error(job, status)
        leaderboard = self.leaderboard(job)
        if not (leaderboard["outcome"] == DONE).any():
            raise StageError(f"AutoML {job.id} did not finish any model. Raise automl_budget_minutes.")
        best = leaderboard.index[0]
        leaderboard.loc[best, "weight"] = 1.0
        run_ids = leaderboard.pop("run")
        folder = self._download_model(run_ids[best])
        return SearchResult(leaderboard, best, time.monotonic() - started, folder=folder, sha256=compute_digest(folder))

    def leaderboard(self, job: Job) -> pd.DataFrame:
        """Return the models of a search, best first, with the columns of `SearchResult` and the column ``run``."""
        import pandas as pd

        lower_is_better = automl_settings(self._parameters)["primary_metric"].endswith(_LOWER_IS_BETTER_SUFFIX)
        search_started = retry(job.details, f"get the details of AutoML {job.id}").started
        rows = [_leaderboard_row(run, search_started) for run in self._model_runs(job)]
        frame = pd.DataFrame(rows, columns=["model", *LEADERBOARD, "run"]).set_index("model")
        return frame.sort_values("score", ascending=lower_is_better, na_position="last", kind="stable")

    def _model_runs(self, job: Job) -> list[ModelRun]:
        """Return the runs of a search's models."""
        return retry(job.model_runs, f"list the models of AutoML {job.id}")

    def _download_model(self, run_id: str) -> Path:
        """Download a model folder, and mark the model as loadable only in its own environment."""
        folder = Path(tempfile.mkdtemp(prefix="automl-"))

        def download() -> None:
            self._connection.sdk("jobs").get(self._connection.workspace, run_id).download_folder(MODEL_PATH, folder)

        retry(download, f"download the model of {run_id}")
        (folder / MODEL_PATH / MARKER_FILE).write_text(json.dumps({"run": run_id}), encoding="utf-8")
        return folder / MODEL_PATH

    def _submit(self, train_data: str) -> Job:
        """Submit a search on the training rows."""
        cluster = self._clusters.get_or_create(self._clusters.name_for(_STAGE))
        request = SearchRequest(
            settings=automl_settings(self._parameters),
            table=self._datasets.ensure_registered(train_data),
            experiment=self._parameters.name,
            cluster=cluster,
            folder=f"{self._parameters.name}/automl",
            identity=self._parameters.managed_identity,
        )
        with translate_errors("submit the AutoML search"):
            return self._connection.sdk("automl").submit(self._connection.workspace, request, self._datastore)

    def _wait(self, job: Job, report: Callable[[str], None]) -> str:
        """Wait until a search ends, report the score of each finished model, and return the final status."""
        metric = automl_settings(self._parameters)["primary_metric"]
        machine, prices = self._clusters.machine_for(_STAGE), self._parameters.prices_usd_per_hour
        usd_per_hour = cost.hourly_price(machine, prices) if machine in prices else 0.0
        started: float | None = None
        reported_ids: set[str] = set()
        pause = threading.Event()
        while True:
            status = retry(job.status, f"get the status of AutoML {job.id}")
            if status == "Running" or status in TERMINAL_STATUSES:
                started = started or time.monotonic()
                # The search may use all machines of the cluster at the same time.
                self._meter.record(job.id, time.monotonic() - started, usd_per_hour * self._parameters.max_nodes)
                self._report_scores(job, metric, reported_ids, report)
            if status in TERMINAL_STATUSES:
                return status
            pause.wait(_POLL_SECONDS)

    def _report_scores(self, job: Job, metric: str, reported_ids: set[str], report: Callable[[str], None]) -> None:
        """Report the models that have finished since the last call, and add their run ids to `reported_ids`."""
        for run in self._model_runs(job):
            score = _to_float(run.properties.get("score"))
            if not math.isnan(score) and run.id not in reported_ids:
                reported_ids.add(run.id)
                report(f"{run.properties.get('run_algorithm', run.id)}: {metric} {score:.4g}")

    def _search_error(self, job: Job, status: str) -> MillraceError:
        """Return the error for a search that did not complete."""
        location = f"Search: {job.url}"
        if status == "Canceled":
            return StageError(f"AutoML {job.id} {CANCELLED_EXTERNALLY}\n{location}")
        message = job_error_message(job, status)
        meaning = identify_error(StageError(message)).meaning
        return StageError(f"AutoML {job.id} ended as {status.lower()}. {meaning} Azure says: {message}\n{location}")


def _leaderboard_row(run: ModelRun, search_started: str | None) -> tuple:
    """Return the leaderboard row of a model: its name, the columns of `LEADERBOARD`, and its run id."""
    nan, properties = float("nan"), run.properties
    algorithm = properties.get("run_algorithm") or "model"
    name = f"{algorithm} {properties.get('iteration', run.id[-4:])}"
    score = _to_float(properties.get("score"))
    outcome = f"{run.status}: no score".lower() if math.isnan(score) else DONE
    finished_after = seconds_between(search_started, run.ended)
    fit_seconds = _to_float(properties.get("fit_time"))
    return (name, algorithm, score, fit_seconds, finished_after, nan, nan, 0.0, outcome, run.id)


def _to_float(value: Any) -> float:
    """Convert a property of a run to a number; NaN if the property is missing or not numeric."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
