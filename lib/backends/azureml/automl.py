"""AutoML: a search on the cluster, followed while it runs; its best model comes as files that nothing here opens.

The model's pickle names classes of AutoML's runtime, which has no wheels for this Python, and unpickling runs code. So
its files are brought, hashed and registered as they are, and only the cluster or an endpoint ever loads them.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lib import metrics
from lib.backends.azureml import cost
from lib.backends.azureml.cancelling import ENDED, cancelled_there
from lib.backends.azureml.explain import explaining, explanation, patiently
from lib.errors import MillraceError, ParameterError, StageError
from lib.serving.model_folder import digest

if TYPE_CHECKING:
    from lib.backends.azureml.compute import Clusters
    from lib.backends.azureml.connection import Connection
    from lib.backends.azureml.cost import Meter
    from lib.backends.azureml.data import Tables
    from lib.backends.models import ModelRegistry, ModelVersion
    from lib.parameters import Parameters

MODEL = "outputs/mlflow-model"
_POLL_SECONDS = 5.0
_TASKS = {"binary": "classification", "multiclass": "classification", "regression": "regression"}
# AutoML's own names; of its primary metrics only the errors of a regression are better when lower.
_LOWER_IS_BETTER = "_error"
_STAGE = "train"  # AutoML runs where training runs


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes
    ----------
    leaderboard : DataFrame
        A row for each model, the best first: its algorithm, its score, its seconds, its run.
    run_id : str
        Of the best model.
    folder : Path
        Its files. Nothing here unpickles them.
    sha256 : str
        Of the folder.
    """

    leaderboard: pd.DataFrame
    run_id: str
    folder: Path
    sha256: str


def settings(parameters: Parameters) -> dict[str, Any]:
    """Parameters in AutoML's own words.

    Raises
    ------
    ParameterError
        Where the primary metric has no counterpart there.
    """
    metric = metrics.get(parameters.primary_metric, parameters.task)
    if metric.automl_name is None:
        known = [one.name for one in metrics.of_task(parameters.task) if one.automl_name]
        raise ParameterError(
            f"primary_metric: AutoML on Azure does not optimise {metric.name}. It knows: {', '.join(known)}."
        )
    translated = {
        "task": _TASKS[parameters.task],
        "primary_metric": metric.automl_name,
        "label_column_name": parameters.target_column,
        "iterations": parameters.max_trials,
        "experiment_timeout_hours": parameters.automl_budget_minutes / 60,
        "max_concurrent_iterations": parameters.max_nodes,
        "n_cross_validations": parameters.n_cross_validations or None,
        "allowed_models": parameters.allowed_models or None,
        "blocked_models": parameters.blocked_models or None,
    }
    return {name: value for name, value in translated.items() if value is not None}


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

    def run(self, train_data: str, cancelled: threading.Event, say: Callable[[str], None]) -> Found:
        """Search, and bring the best model.

        Parameters
        ----------
        train_data : str
            Address of the training rows.
        cancelled : Event
            Once set, the search is cancelled there.
        say : callable
            Gets a line for each model that is done.

        Raises
        ------
        StageError
            With what went wrong and what to do.
        """
        run = self._submitted(train_data)
        say(f"AutoML {run.id} on {self._clusters.name_for(_STAGE)}: {run.get_portal_url()}")
        try:
            status = self._followed(run, cancelled, say)
        except BaseException:
            cancelled_there(run, say)
            raise
        if status != "Completed":
            raise self._failure(run, status)
        board = self.leaderboard(run)
        if board.empty:
            raise StageError(f"AutoML {run.id} tried no model to its end. Raise automl_budget_minutes.")
        best = board["run"].iloc[0]
        folder = Path(tempfile.mkdtemp(prefix="automl-"))

        def bring() -> None:
            self._connection.workspace.get_run(best).download_files(f"{MODEL}/", str(folder), append_prefix=True)

        patiently(bring, f"bring the model of {best}")
        return Found(board, best, folder / MODEL, digest(folder / MODEL))

    def leaderboard(self, run: Any) -> pd.DataFrame:
        """Models of a search by AutoML's own score, the best first; those without one are left out."""
        name = settings(self._parameters)["primary_metric"]
        with explaining(f"list the models of AutoML {run.id}"):
            rows = [_row(child) for child in run.get_children()]
        frame = pd.DataFrame(rows, columns=["algorithm", "score", "seconds", "run"]).dropna(subset="score")
        return frame.sort_values("score", ascending=name.endswith(_LOWER_IS_BETTER)).reset_index(drop=True)

    def _submitted(self, train_data: str) -> Any:
        from azureml.core import Experiment
        from azureml.train.automl import AutoMLConfig

        cluster = self._clusters.get(self._clusters.name_for(_STAGE))
        with explaining("submit the AutoML search"):
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

    def _followed(self, run: Any, cancelled: threading.Event, say: Callable[[str], None]) -> str:
        name = settings(self._parameters)["primary_metric"]
        machine, started, told = self._clusters.machine_for(_STAGE), None, set()
        hourly = cost.price(machine, self._parameters.prices) if machine in self._parameters.prices else 0.0
        while True:
            status = patiently(run.get_status, f"ask how AutoML {run.id} is")
            if status == "Running" or status in ENDED:
                started = started or time.monotonic()
                # It may use every machine of the cluster at once.
                self._meter.note(run.id, time.monotonic() - started, hourly * self._parameters.max_nodes)
                for row in self.leaderboard(run).itertuples():
                    if row.run not in told:
                        told.add(row.run)
                        say(f"{row.algorithm}: {name} {row.score:.4g}")
            if status in ENDED:
                return status
            if cancelled.wait(_POLL_SECONDS):
                raise StageError(f"AutoML {run.id} was cancelled, as asked.")

    def _failure(self, run: Any, status: str) -> MillraceError:
        details = patiently(run.get_details, f"ask how AutoML {run.id} ended")
        said = ((details.get("error") or {}).get("error") or {}).get("message") or f"it ended as {status}"
        return StageError(
            f"AutoML {run.id} {status.lower()}. {explanation(StageError(said)).meaning} Azure says: {said}\n"
            f"The search: {run.get_portal_url()}"
        )


def registered(found: Found, registry: ModelRegistry, source: str, tags: dict[str, str]) -> ModelVersion:
    """Version of the best model in the one registry, with its hash; the tag ``production`` is not touched.

    Parameters
    ----------
    found : Found
    registry : ModelRegistry
        Of the use case.
    source : str
        Artifact URI of the best model's run.
    tags : dict of str
    """
    best = found.leaderboard.iloc[0]
    return registry.register(
        found.run_id, f"{source}/{MODEL}", found.sha256, {"training_function": f"automl {best.algorithm}", **tags}
    )


def _row(child: Any) -> tuple[str, float | None, float | None, str]:
    properties = child.properties
    score = properties.get("score")
    fitted = properties.get("fit_time")
    try:
        value = float(score) if score not in (None, "", "nan") else None
    except ValueError:
        value = None
    return properties.get("run_algorithm", ""), value, float(fitted) if fitted else None, child.id
