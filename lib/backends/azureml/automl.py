"""AutoML: a search on the cluster, followed while it runs; its best model comes as files that nothing here opens.

The model's pickle names classes of AutoML's runtime, which has no wheels for this Python, and unpickling runs code. So
its files are brought, hashed and logged as they are, and only the cluster or an endpoint ever loads them: see
`remote_model`.
"""

from __future__ import annotations

import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.automl import DONE, LEADERBOARD, SearchResult
from lib.backends.azureml import automl_metric, cost
from lib.backends.azureml.cancellation import CANCELLED_EXTERNALLY, TERMINAL_STATUSES, cancel_job
from lib.backends.azureml.error_translation import identify_error, retry, translate_errors
from lib.backends.azureml.remote_model import MARK
from lib.errors import MillraceError, StageError
from lib.scoring.model_folder import digest

if TYPE_CHECKING:
    import pandas as pd

    from lib.backends.azureml.compute import Clusters
    from lib.backends.azureml.connection import Connection
    from lib.backends.azureml.cost import Meter
    from lib.backends.azureml.datasets import Tables
    from lib.parameters import Parameters

MODEL = "outputs/mlflow-model"
_POLL_SECONDS = 5.0
_TASKS = {"binary": "classification", "multiclass": "classification", "regression": "regression"}
# Its names of our families of models; it has none of CatBoost.
_LEARNERS = {
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
# AutoML's own names; of its primary metrics only the errors of a regression are better when lower.
_LOWER_IS_BETTER = "_error"
_STAGE = "train"  # AutoML runs where training runs


def settings(parameters: Parameters) -> dict[str, Any]:
    """Parameters in AutoML's own words.

    Raises
    ------
    ParameterError
        Where the primary metric has no counterpart there.
    """
    translated = {
        "task": _TASKS[parameters.task],
        "primary_metric": automl_metric(parameters),
        "label_column_name": parameters.target_column,
        "iterations": parameters.max_trials,
        "experiment_timeout_hours": parameters.automl_budget_minutes / 60,
        "max_concurrent_iterations": parameters.max_nodes,
        "n_cross_validations": parameters.n_cross_validations or None,
        "validation_size": parameters.validation_fraction or None,
        "enable_voting_ensemble": parameters.ensemble,
        "allowed_models": _learners(parameters.allowed_models, parameters.task) or None,
        "blocked_models": _learners(parameters.blocked_models, parameters.task) or None,
    }
    return {name: value for name, value in translated.items() if value is not None}


def _learners(families: Sequence[str], task: str) -> list[str]:
    return [one for family in families for one in _LEARNERS.get(family, {}).get(_TASKS[task], ())]


class Search:
    """A search on the training cluster.

    Parameters
    ----------
    connection, tables, clusters, meter
        Parts of the backend.
    parameters : Parameters
        ``automl_budget_minutes``, ``max_trials`` and the others of that section, and what is to be learnt.
    """

    def __init__(
        self, connection: Connection, tables: Tables, clusters: Clusters, meter: Meter, parameters: Parameters
    ):
        self._connection, self._tables, self._clusters, self._meter = connection, tables, clusters, meter
        self._parameters = parameters

    def run(self, train_data: str, test_data: str, report: Callable[[str], None]) -> SearchResult:
        """Search, and bring the best model as files; see `backends.base.ModelSearch`.

        Interrupted here, the search is cancelled there.

        Raises
        ------
        StageError
            With what went wrong and what to do.
        """
        started = time.monotonic()
        run = self._submitted(train_data)
        report(f"AutoML {run.id} on {self._clusters.name_for(_STAGE)}: {run.get_portal_url()}")
        try:
            status = self._followed(run, report)
        except BaseException:
            cancel_job(run, report)
            raise
        if status != "Completed":
            raise self._failure(run, status)
        board = self.leaderboard(run)
        if not (board["outcome"] == DONE).any():
            raise StageError(f"AutoML {run.id} tried no model to its end. Raise automl_budget_minutes.")
        best = board.index[0]
        board.loc[best, "weight"] = 1.0
        runs = board.pop("run")
        folder = self._brought(runs[best])
        return SearchResult(board, best, time.monotonic() - started, folder=folder, sha256=digest(folder))

    def leaderboard(self, run: Any) -> pd.DataFrame:
        """Models of a search by AutoML's own score, the best first, as `SearchResult` has them, and their runs."""
        import pandas as pd

        lower = settings(self._parameters)["primary_metric"].endswith(_LOWER_IS_BETTER)
        began = retry(run.get_details, f"look at AutoML {run.id}").get("startTimeUtc")
        rows = [_row(child, began) for child in self._children(run)]
        frame = pd.DataFrame(rows, columns=["model", *LEADERBOARD, "run"]).set_index("model")
        return frame.sort_values("score", ascending=lower, na_position="last", kind="stable")

    def _children(self, run: Any) -> list[Any]:
        return retry(lambda: list(run.get_children()), f"list the models of AutoML {run.id}")

    def _brought(self, run_id: str) -> Path:
        """Folder with the files of a model, marked as one that its own environment alone may open."""
        folder = Path(tempfile.mkdtemp(prefix="automl-"))

        def bring() -> None:
            self._connection.workspace.get_run(run_id).download_files(f"{MODEL}/", str(folder), append_prefix=True)

        retry(bring, f"bring the model of {run_id}")
        (folder / MODEL / MARK).write_text(json.dumps({"run": run_id}), encoding="utf-8")
        return folder / MODEL

    def _submitted(self, train_data: str) -> Any:
        from azureml.core import Experiment
        from azureml.train.automl import AutoMLConfig

        cluster = self._clusters.get(self._clusters.name_for(_STAGE))
        with translate_errors("submit the AutoML search"):
            config = AutoMLConfig(
                **settings(self._parameters),
                training_data=self._tables.dataset(train_data),
                compute_target=cluster,
                # Wheels from the package index are "non-prod" to this client, which then looks for environments that
                # are not there.
                force_curated_environment=True,
                enable_early_stopping=True,
                # Two thirds of a short search would go into ensembles of what it has, and an explanation of each.
                enable_stack_ensemble=False,
                model_explainability=False,
                save_mlflow=True,
                debug_log=str(Path(tempfile.gettempdir()) / "millrace-automl.log"),
                verbosity=logging.ERROR,
            )
            experiment = Experiment(self._connection.workspace, self._parameters.name)
            return experiment.submit(config, show_output=False)

    def _followed(self, run: Any, report: Callable[[str], None]) -> str:
        name = settings(self._parameters)["primary_metric"]
        machine, started, told, pause = self._clusters.machine_for(_STAGE), None, set(), threading.Event()
        hourly = cost.hourly_price(machine, self._parameters.prices) if machine in self._parameters.prices else 0.0
        while True:
            status = retry(run.get_status, f"ask how AutoML {run.id} is")
            if status == "Running" or status in TERMINAL_STATUSES:
                started = started or time.monotonic()
                # It may use every machine of the cluster at once.
                self._meter.note(run.id, time.monotonic() - started, hourly * self._parameters.max_nodes)
                for child in self._children(run):
                    score = _number(child.properties.get("score"))
                    if score == score and child.id not in told:
                        told.add(child.id)
                        report(f"{child.properties.get('run_algorithm', child.id)}: {name} {score:.4g}")
            if status in TERMINAL_STATUSES:
                return status
            pause.wait(_POLL_SECONDS)

    def _failure(self, run: Any, status: str) -> MillraceError:
        if status == "Canceled":
            return StageError(f"AutoML {run.id} {CANCELLED_EXTERNALLY}\nThe search: {run.get_portal_url()}")
        details = retry(run.get_details, f"ask how AutoML {run.id} ended")
        said = ((details.get("error") or {}).get("error") or {}).get("message") or f"it ended as {status}"
        return StageError(
            f"AutoML {run.id} {status.lower()}. {identify_error(StageError(said)).meaning} Azure says: {said}\n"
            f"The search: {run.get_portal_url()}"
        )


def _row(child: Any, began: str | None) -> tuple:
    """A child run as a row of the leaderboard: the model's name, `LEADERBOARD`, its run."""
    nan, properties = float("nan"), child.properties
    details = retry(child.get_details, f"look at the model {child.id}")
    algorithm = properties.get("run_algorithm") or "model"
    score = _number(properties.get("score"))
    outcome = DONE if score == score else f"{details.get('status', '')}: no score".lower()
    done = _seconds_between(began, details.get("endTimeUtc"))
    name = f"{algorithm} {properties.get('iteration', child.id[-4:])}"
    return (name, algorithm, score, _number(properties.get("fit_time")), done, nan, nan, 0.0, outcome, child.id)


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")


def _seconds_between(first: str | None, last: str | None) -> float:
    """Seconds between two moments as the run history writes them, with more digits than Python reads."""
    if not (first and last):
        return float("nan")
    begin, end = (datetime.fromisoformat(one[:19]) for one in (first, last))
    return (end - begin).total_seconds()
