"""Execution of a stage's notebooks as jobs on a cluster."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lib.backends.azureml import cost, environment
from lib.backends.azureml.cancellation import cancel_job
from lib.backends.azureml.datasets import DATASET_URI
from lib.backends.azureml.error_translation import identify_error, retry, translate_errors
from lib.backends.azureml.job import LOG_FILE, TERMINAL_STATUSES, Job, JobRequest
from lib.backends.azureml.job_errors import is_transient, job_error_message, make_job_error, retry_pause_seconds
from lib.backends.azureml.job_log import LogReader
from lib.backends.azureml.notebook_job import FAILURE_FILE, OUTPUTS_FOLDER
from lib.backends.azureml.prices import known_prices
from lib.backends.azureml.seams import ClusterDetails
from lib.backends.azureml.snapshot import pack
from lib.errors import MillraceError, StageError
from lib.paths import resolve
from lib.tables.files.file_types import PARQUET_SUFFIXES, TEXT_SUFFIXES
from lib.tables.schema_source import SchemaSource

if TYPE_CHECKING:
    from lib.backends.azureml.compute import Clusters
    from lib.backends.azureml.connection import Connection
    from lib.backends.azureml.cost import Meter
    from lib.backends.azureml.datasets import Datasets
    from lib.parameters import Parameters

_POLL_SECONDS = 3.0
_MAX_ATTEMPTS = 3
_MAX_QUEUE_MINUTES = 120
_POLLS_PER_QUEUE_CHECK = 20
_QUEUED_STATUSES = ("Queued", "NotStarted", "Preparing", "Provisioning", "Starting")


class ClusterExecutor:
    """An executor that runs a stage's notebooks as jobs on a cluster; see `backends.base.NotebookExecutor`.

    Parameters
    ----------
    connection : Connection
    datasets : Datasets
    clusters : Clusters
    meter : Meter
    parameters : Parameters
    stage : str
    """

    def __init__(
        self,
        connection: Connection,
        datasets: Datasets,
        clusters: Clusters,
        meter: Meter,
        parameters: Parameters,
        stage: str,
    ):
        self._connection, self._datasets, self._clusters, self._meter = connection, datasets, clusters, meter
        self._parameters, self._stage = parameters, stage
        self.slots = clusters.slots(stage)
        self.remote_runs: dict[str, list[str]] = {}  # ids of the jobs, by name of the executed notebook

    @property
    def cluster(self) -> ClusterDetails:
        """The stage's cluster, which is created if it does not exist."""
        return self._clusters.get_or_create(self._clusters.name_for(self._stage))

    def execute(
        self,
        notebook: Path,
        executed: Path,
        parameters: Mapping[str, Any],
        *,
        timeout_minutes: float | None,
        cancelled: threading.Event,
        report: Callable[[str], None],
    ) -> None:
        """Execute a notebook as a job and wait until it ends; see `backends.base.NotebookExecutor`.

        A job that fails because of its machine or an Azure error is submitted again.
        """
        timeout_minutes = timeout_minutes or cost.MAX_JOB_MINUTES
        for attempt in range(1, _MAX_ATTEMPTS + 1):
            job = self._submit(notebook, executed, parameters, timeout_minutes)
            self.remote_runs.setdefault(executed.name, []).append(job.id)
            report(f"job {job.id} on {self._clusters.name_for(self._stage)}: {job.url}")
            status = self._wait_or_cancel(job, executed, timeout_minutes, cancelled, report)
            cell_failure = self._download_results(job, executed)
            if status == "Completed":
                return
            message = "" if cell_failure else job_error_message(job, status)
            error = make_job_error(job, status, cell_failure, message, executed, timeout_minutes)
            if attempt == _MAX_ATTEMPTS or not is_transient(message):
                raise error
            report(f"{error} Submitting it again ({attempt + 1} of {_MAX_ATTEMPTS}).")
            if cancelled.wait(retry_pause_seconds(message, attempt)):
                raise StageError(f"Job {job.id} was not submitted again: the run was cancelled, as requested.")

    def _submit(self, notebook: Path, executed: Path, parameters: Mapping[str, Any], timeout_minutes: float) -> Job:
        """Submit a notebook as a job."""
        use_case = None
        if "use_case" in parameters:  # the file with the values parameters of the use case, which the chain wrote
            text = resolve(parameters["use_case"]).read_text(encoding="utf-8")
            use_case = self._register_tables(yaml.safe_load(text))
        parameters = self._register_tables(parameters)
        cluster = self.cluster
        tags = {"stage": self._stage, "run_name": self._parameters.get("run_name") or ""}
        with tempfile.TemporaryDirectory(prefix="snapshot-") as folder:
            pack(Path(folder), notebook, executed.name, parameters, use_case)
            request = JobRequest(
                folder=Path(folder),
                command=("python", "-m", "lib.backends.azureml.notebook_job"),
                experiment=self._parameters.name,
                cluster=cluster,
                environment=environment.get_or_register(self._connection, cluster.vm_size),
                timeout_seconds=int(timeout_minutes * 60),
                inputs=_table_inputs({**(use_case or {}), **parameters}),
                variables={"MLFLOW_DISABLE_TELEMETRY": "true"},
                tags={name: value for name, value in tags.items() if value},
                identity=self._parameters.managed_identity,
            )
            with translate_errors(f"submit {notebook.name}"):
                return self._connection.sdk("jobs").submit(self._connection.workspace, request)

    def _register_tables(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Register the local tables in parameters, and return them with dataset addresses in place of paths."""
        values = dict(parameters)
        if "data" in values and self._stage == "preprocess":  # no other stage reads the table
            source = SchemaSource.from_parameters(values) if "schema" in values else None
            values["data"] = self._register_table(values["data"], values.get("encoding") or "", source)
        if "options" in values:
            values["options"] = {name: self._register_table(value) for name, value in values["options"].items()}
        return values

    def _register_table(self, value: Any, encoding: str = "", schema_source: SchemaSource | None = None) -> Any:
        """Return the dataset address if a value is the path of a local table; otherwise the value itself."""
        is_table = isinstance(value, str) and value.lower().endswith(TEXT_SUFFIXES + PARQUET_SUFFIXES)
        if not is_table or not resolve(value).is_file():
            return value
        return self._datasets.ensure_registered(value, encoding, schema_source)

    def _wait_or_cancel(
        self,
        job: Job,
        executed: Path,
        timeout_minutes: float,
        cancelled: threading.Event,
        report: Callable[[str], None],
    ) -> str:
        """Wait for a job and return its final status. If waiting fails, cancel the job and download what it wrote."""
        try:
            return self.wait_for_job(job, timeout_minutes, cancelled, report)
        except BaseException:
            cancel_job(job, report)
            try:
                self._download_results(job, executed)
            except MillraceError as error:  # the original error is more important
                report(str(error))
            raise

    def wait_for_job(
        self, job: Job, timeout_minutes: float, cancelled: threading.Event, report: Callable[[str], None]
    ) -> str:
        """Wait until a job ends, and return its final status.

        Parameters
        ----------
        job : Job
        timeout_minutes : float
            Time limit from the start of the job.
        cancelled : Event
            Once set, waiting ends with an error.
        report : callable
            Receives the status changes and the lines of the log.

        Raises
        ------
        StageError
            If the caller has to cancel the job: on a timeout, a cancellation, a cost above ``max_cost_usd``, or a
            cluster that does not provide a machine.
        """
        log = LogReader(job, report)
        last_status, queued_polls = "", 0
        submitted, started = time.monotonic(), None
        usd_per_hour = self._usd_per_hour()
        while True:
            status = retry(job.status, f"get the status of job {job.id}")
            if status != last_status:
                report(status.lower())
                last_status = status
            if status in ("Running", "Finalizing", *TERMINAL_STATUSES):
                started = started or time.monotonic()
                log.report_new_lines()
                self._meter.record(job.id, time.monotonic() - started, usd_per_hour)
            if status in TERMINAL_STATUSES:
                return status
            queued_polls = queued_polls + 1 if status in _QUEUED_STATUSES else 0
            if queued_polls and queued_polls % _POLLS_PER_QUEUE_CHECK == 0:
                self._check_queue(job, submitted, report)
            if started and time.monotonic() - started > timeout_minutes * 60:
                raise StageError(
                    f"The notebook did not finish within {timeout_minutes:g} minutes, so job {job.id} is cancelled. "
                    "Raise timeout_minutes, use fewer rows, or choose a larger machine."
                )
            if cancelled.wait(_POLL_SECONDS):
                raise StageError(f"Job {job.id} was cancelled, as requested.")

    def _usd_per_hour(self) -> float:
        """Return the price of the stage's machine in US dollars per hour; 0 if the parameters have no price for it."""
        machine, prices = self._clusters.machine_for(self._stage), known_prices(self._parameters)
        return cost.hourly_price(machine, prices) if machine in prices else 0.0

    def _check_queue(self, job: Job, submitted: float, report: Callable[[str], None]) -> None:
        """Raise an error if a queued job will not get a machine; otherwise report how long the job has waited.

        `submitted` is the time of the submission by the monotonic clock.
        """
        cluster, minutes = self._clusters.name_for(self._stage), (time.monotonic() - submitted) / 60
        message = self._clusters.allocation_errors(cluster)
        known = identify_error(StageError(message))
        if message and not known.is_retryable:
            raise StageError(f"The cluster {cluster} cannot allocate a machine. {known.meaning} Azure says: {message}")
        if minutes > _MAX_QUEUE_MINUTES:
            raise StageError(
                f"Job {job.id} has waited {minutes:.0f} minutes for a machine of {cluster}, so it is cancelled. Choose "
                "another gpu_vm_size, or vm_priority: dedicated."
            )
        reason = f", because {known.cause[0].lower()}{known.cause[1:]}" if message else ""
        report(f"has waited {minutes:.0f} minutes for a machine of {cluster}{reason}")

    def _download_results(self, job: Job, executed: Path) -> dict[str, Any] | None:
        """Download the executed notebook and the log of a job.

        Returns
        -------
        dict or None
            The exception of the cell that failed, as `notebook_job` wrote it; None if no cell failed.
        """
        with translate_errors(f"download the outputs of job {job.id}"):
            files = job.files()
            for name in files:
                if name == f"{OUTPUTS_FOLDER}/{executed.name}":
                    job.download(name, executed)
                elif name.endswith(LOG_FILE):
                    job.download(name, executed.with_suffix(".log"))
            if f"{OUTPUTS_FOLDER}/{FAILURE_FILE}" not in files:
                return None
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / FAILURE_FILE
                job.download(f"{OUTPUTS_FOLDER}/{FAILURE_FILE}", file)
                return json.loads(file.read_text(encoding="utf-8"))


def _table_inputs(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters that are addresses of registered tables. As inputs, they appear in the job's lineage."""
    return {
        name: value for name, value in parameters.items() if isinstance(value, str) and DATASET_URI.fullmatch(value)
    }
