"""A model that only its own environment can open, asked by a job on the cluster: nothing of it is unpickled here.

It stands where a scikit-learn estimator would, so that evaluate and deploy score it as any other.
"""

from __future__ import annotations

import json
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.backends.azureml import cost, environment, snapshot
from lib.backends.azureml.cancellation import cancel_job
from lib.backends.azureml.error_translation import identify_error, retry, translate_errors
from lib.backends.azureml.job_executor import ClusterExecutor, ending
from lib.backends.azureml.scoring_job import MODEL, OUTPUT, ROWS
from lib.errors import StageError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from lib.backends.azureml.connection import Connection
    from lib.parameters import Parameters

# A file of this name in a model's folder says that only the folder's own conda.yaml can open it.
MARK = "own_environment.json"


def is_remote(folder: Path) -> bool:
    """Whether a model's folder is to be opened in its own environment alone."""
    return (folder / MARK).is_file()


class RemoteModel:
    """The model of a folder.

    Parameters
    ----------
    folder : Path
    jobs : ScoringJobs
    """

    def __init__(self, folder: Path, jobs: ScoringJobs):
        self._folder, self._jobs = folder, jobs
        self._asked: pd.DataFrame | None = None
        self._answer: dict[str, Any] = {}

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Predictions for some rows, shape (rows,)."""
        return self._of(X, "predictions")

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Probabilities of the classes, shape (rows, classes)."""
        return self._of(X, "probabilities")

    @property
    def classes_(self) -> np.ndarray:
        """The classes, as the last answer told them."""
        import numpy as np

        return np.asarray(self._answer["classes"])

    def _of(self, X: pd.DataFrame, what: str) -> np.ndarray:
        import numpy as np

        if self._asked is not X:  # whoever wants labels and probabilities asks twice for the same rows
            self._asked, self._answer = X, self._jobs.answer(self._folder, X)
        return np.asarray(self._answer[what])


class ScoringJobs:
    """Jobs that ask a model.

    Parameters
    ----------
    connection : Connection
    executor : ClusterExecutor
        Of the stage that trains; its cluster is used.
    parameters : Parameters
    """

    def __init__(self, connection: Connection, executor: ClusterExecutor, parameters: Parameters):
        self._connection, self._executor, self._parameters = connection, executor, parameters

    def answer(self, folder: Path, X: pd.DataFrame) -> dict[str, Any]:
        """What the model of a folder says of some rows: predictions and, of classes, probabilities.

        Raises
        ------
        StageError
            Where the job does not complete.
        """
        run = self._submitted(folder, X)
        print(f"job {run.id} asks the model about {len(X):,} rows: {run.get_portal_url()}")
        minutes = (self._parameters.get("timeout_minutes") or {}).get("train") or cost.MAX_JOB_MINUTES
        try:
            status = self._executor.followed(run, minutes, threading.Event(), lambda line: None)
        except BaseException:
            cancel_job(run, print)
            raise
        if status != "Completed":
            said = ending(run, status)
            raise StageError(
                f"The scoring job {run.id} {status.lower()}. {identify_error(StageError(said)).meaning} "
                f"Azure says: {said}\nThe job: {run.get_portal_url()}"
            )
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "answer.json"
            retry(lambda: run.download_file(OUTPUT, str(file)), f"bring the answers of job {run.id}")
            return json.loads(file.read_text(encoding="utf-8"))

    def _submitted(self, folder: Path, X: pd.DataFrame) -> Any:
        import pyarrow.parquet as pq
        from azureml.core import Experiment, ScriptRunConfig

        from lib.backends.azureml.datasets import to_dataset_types
        from lib.data import tables

        with tempfile.TemporaryDirectory(prefix="scoring-") as place:
            snapshot.pack_scoring(Path(place), folder, MODEL)
            pq.write_table(to_dataset_types(tables.pandas_to_arrow(X)), Path(place) / ROWS)
            with translate_errors("submit the job that asks the model"):
                config = ScriptRunConfig(
                    source_directory=place,
                    command=["python", "scoring_job.py"],
                    compute_target=self._executor.cluster,
                    environment=environment.for_model(self._connection.workspace, folder),
                )
                return Experiment(self._connection.workspace, self._parameters.name).submit(
                    config, tags={"stage": "scoring"}
                )
