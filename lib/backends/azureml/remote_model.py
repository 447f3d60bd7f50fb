"""A model that can be loaded only in its own environment; jobs on the cluster score rows with the model.

The model is never unpickled on this machine. `RemoteModel` has the methods of a scikit-learn estimator, so that the
evaluate and deploy stages can use it like any other model.
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
from lib.backends.azureml.job import Job, JobRequest
from lib.backends.azureml.job_errors import job_error_message
from lib.backends.azureml.job_executor import ClusterExecutor
from lib.backends.azureml.scoring_job import MODEL, OUTPUT, ROWS
from lib.errors import StageError
from lib.tables.files import pandas_conversion

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from lib.backends.azureml.connection import Connection
    from lib.parameters import Parameters

# A file that marks a model folder as loadable only in the environment of its own conda.yaml.
MARKER_FILE = "own_environment.json"


def is_remote(folder: Path) -> bool:
    """Return whether only the model's own environment can load the model of a folder."""
    return (folder / MARKER_FILE).is_file()


class RemoteModel:
    """An estimator whose predictions are made by jobs on the cluster.

    Parameters
    ----------
    folder : Path
        The model folder.
    jobs : ScoringJobs
    """

    def __init__(self, folder: Path, jobs: ScoringJobs):
        self._folder, self._jobs = folder, jobs
        self._scored_rows: pd.DataFrame | None = None
        self._result: dict[str, Any] = {}

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return the predictions, shape (n_rows,)."""
        return self._score(X, "predictions")

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        """Return the class probabilities, shape (n_rows, n_classes)."""
        return self._score(X, "probabilities")

    @property
    def classes_(self) -> np.ndarray:
        """The classes, available after the first prediction."""
        import numpy as np

        return np.asarray(self._result["classes"])

    def _score(self, X: pd.DataFrame, key: str) -> np.ndarray:
        """Return one entry of a scoring job's result for some rows: ``"predictions"`` or ``"probabilities"``."""
        import numpy as np

        # A job returns both labels and probabilities, so consecutive calls with the same rows need one job.
        if self._scored_rows is not X:
            self._scored_rows, self._result = X, self._jobs.score(self._folder, X)
        return np.asarray(self._result[key])


class ScoringJobs:
    """Jobs that score rows with a model.

    Parameters
    ----------
    connection : Connection
    executor : ClusterExecutor
        Executor of the train stage. Scoring jobs run on the same cluster.
    parameters : Parameters
    """

    def __init__(self, connection: Connection, executor: ClusterExecutor, parameters: Parameters):
        self._connection, self._executor, self._parameters = connection, executor, parameters

    def score(self, folder: Path, X: pd.DataFrame) -> dict[str, Any]:
        """Score rows with the model saved in a folder, as a job on the cluster.

        Returns
        -------
        dict
            ``predictions`` and, for a classifier, ``probabilities`` and ``classes``.

        Raises
        ------
        StageError
            If the job does not complete.
        """
        job = self._submit(folder, X)
        print(f"job {job.id} scores {len(X):,} rows: {job.url}")
        timeout_minutes = (self._parameters.get("timeout_minutes") or {}).get("train") or cost.MAX_JOB_MINUTES
        try:
            status = self._executor.wait_for_job(job, timeout_minutes, threading.Event(), lambda line: None)
        except BaseException:
            cancel_job(job, print)
            raise
        if status != "Completed":
            message = job_error_message(job, status)
            raise StageError(
                f"The scoring job {job.id} ended as {status.lower()}. {identify_error(StageError(message)).meaning} "
                f"Azure says: {message}\nJob: {job.url}"
            )
        with tempfile.TemporaryDirectory() as output_folder:
            file = Path(output_folder) / "answer.json"
            retry(lambda: job.download(OUTPUT, file), f"download the predictions of job {job.id}")
            return json.loads(file.read_text(encoding="utf-8"))

    def _submit(self, folder: Path, X: pd.DataFrame) -> Job:
        """Submit a job that scores rows with the model in a folder."""
        import pyarrow.parquet as pq

        from lib.backends.azureml.datasets import to_dataset_types

        with tempfile.TemporaryDirectory(prefix="scoring-") as job_folder:
            snapshot.pack_scoring(Path(job_folder), folder, MODEL)
            pq.write_table(to_dataset_types(pandas_conversion.pandas_to_arrow(X)), Path(job_folder) / ROWS)
            request = JobRequest(
                folder=Path(job_folder),
                command=("python", "scoring_job.py"),
                experiment=self._parameters.name,
                cluster=self._executor.cluster,
                environment=environment.for_model(self._connection, folder),
                tags={"stage": "scoring"},
                identity=self._parameters.managed_identity,
            )
            with translate_errors("submit the scoring job"):
                return self._connection.sdk("jobs").submit(self._connection.workspace, request)
