"""Running: a stage's notebook as a job on a cluster; its executed copy, its outputs and its log come back."""

from __future__ import annotations

import json
import re
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import errors
from lib.backends.azureml import cost, environment
from lib.backends.azureml.cancellation import CANCELLED_EXTERNALLY, TERMINAL_STATUSES, cancel_job
from lib.backends.azureml.datasets import DATASET
from lib.backends.azureml.error_translation import identify_error, retry, translate_errors
from lib.backends.azureml.job_log import LogReader
from lib.backends.azureml.notebook_job import FAILURE_FILE, OUTPUTS_FOLDER
from lib.backends.azureml.snapshot import pack
from lib.data.endings import PARQUET_SUFFIXES, TEXT_SUFFIXES
from lib.errors import MillraceError, StageError
from lib.paths import display_path, resolve

if TYPE_CHECKING:
    from lib.backends.azureml.compute import Clusters
    from lib.backends.azureml.connection import Connection
    from lib.backends.azureml.cost import Meter
    from lib.backends.azureml.datasets import Tables
    from lib.parameters import Parameters

_POLL_SECONDS = 3.0
_ATTEMPTS = 3
_QUEUE_MINUTES = 120
_QUOTA_POLLS = 20
# Azure puts the end of the log behind it, in which any word can stand.
_OWN_FAULT = re.compile(r"exit(ed with)?( status)? code", re.IGNORECASE)

# Submitting walks and hashes folders and keeps a cache in the home folder; it is not made for threads.
_submitting = threading.Lock()


class NotebookFailed(StageError):
    """A cell of the notebook raised, in the job.

    Attributes
    ----------
    exit_code : int
        That of the error which the cell raised, where it was raised on purpose.
    """

    def __init__(self, message: str, exit_code: int = 1):
        super().__init__(message)
        self.exit_code = exit_code


class ClusterExecutor:
    """Executes the notebooks of a stage on its cluster, several at once.

    Parameters
    ----------
    connection, tables, clusters, meter
        Parts of the backend.
    parameters : Parameters
    stage : str
    """

    def __init__(
        self,
        connection: Connection,
        tables: Tables,
        clusters: Clusters,
        meter: Meter,
        parameters: Parameters,
        stage: str,
    ):
        self._connection, self._tables, self._clusters, self._meter = connection, tables, clusters, meter
        self._parameters, self._stage = parameters, stage
        self.slots = clusters.places(stage)

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
        """Execute a notebook as a job, and wait for it; see `backends.base.NotebookExecutor`.

        A job that ends for want of its machine, or by an error of Azure's own, is submitted anew.
        """
        timeout_minutes = timeout_minutes or cost.MAX_JOB_MINUTES
        for attempt in range(1, _ATTEMPTS + 1):
            run = self._submitted(notebook, executed, parameters, timeout_minutes)
            report(f"job {run.id} on {self._clusters.name_for(self._stage)}: {run.get_portal_url()}")
            try:
                status = self.followed(run, timeout_minutes, cancelled, report)
            except BaseException:
                cancel_job(run, report)
                try:
                    self._bring_back(run, executed)
                except MillraceError as error:  # why it ended counts more than what it left
                    report(str(error))
                raise
            failure = self._bring_back(run, executed)
            if status == "Completed":
                return
            said = "" if failure else ending(run, status)
            error = self._failure(run, status, failure, said, executed)
            # What the notebook did it does again; what happened to the machine need not.
            passes = said and not _OWN_FAULT.search(said) and identify_error(StageError(said)).again
            if not passes or attempt == _ATTEMPTS:
                raise error
            report(f"{error} It is submitted again ({attempt + 1} of {_ATTEMPTS}).")

    @property
    def cluster(self) -> Any:
        """Cluster of the stage, made where it is not there."""
        return self._clusters.get(self._clusters.name_for(self._stage))

    def _submitted(self, notebook: Path, executed: Path, parameters: Mapping[str, Any], timeout_minutes: float) -> Any:
        from azureml.core import Experiment, ScriptRunConfig

        parameters = self._resolved(parameters)
        cluster = self.cluster
        with tempfile.TemporaryDirectory(prefix="snapshot-") as folder, _submitting:
            surroundings = environment.get_or_register(self._connection.workspace, cluster.vm_size)
            pack(Path(folder), notebook, executed.name, parameters)
            config = ScriptRunConfig(
                source_directory=folder,
                command=["python", "-m", "lib.backends.azureml.notebook_job"],
                compute_target=cluster,
                environment=surroundings,
                max_run_duration_seconds=int(timeout_minutes * 60),
            )
            config.run_config.environment_variables["MLFLOW_DISABLE_TELEMETRY"] = "true"
            for name, value in parameters.items():
                if isinstance(value, str) and DATASET.fullmatch(value):
                    # Named as its input, a dataset shows in the job's lineage.
                    config.run_config.data[name] = self._tables.dataset(value).as_named_input(name)
            tags = {"stage": self._stage, "run_name": str(parameters.get("run_name", ""))}
            with translate_errors(f"submit {notebook.name}"):
                experiment = Experiment(self._connection.workspace, self._parameters.name)
                return experiment.submit(config, tags={name: value for name, value in tags.items() if value})

    def _resolved(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters as the job needs them: a table on this machine is named by its address in the store."""
        resolved = dict(parameters)
        if "data" in resolved:
            resolved["data"] = self._address(resolved["data"], resolved.get("encoding") or "")
        if "options" in resolved:
            resolved["options"] = {name: self._address(value) for name, value in resolved["options"].items()}
        return resolved

    def _address(self, value: Any, encoding: str = "") -> Any:
        is_table = isinstance(value, str) and value.lower().endswith(TEXT_SUFFIXES + PARQUET_SUFFIXES)
        return self._tables.registered(value, encoding) if is_table and resolve(value).is_file() else value

    def followed(
        self, run: Any, timeout_minutes: float, cancelled: threading.Event, report: Callable[[str], None]
    ) -> str:
        """Status that a job ended with; whatever has to end it before is raised."""
        log, seen, queued_polls = LogReader(run, report), "", 0
        submitted, started = time.monotonic(), None
        hourly = (
            cost.hourly_price(self._clusters.machine_for(self._stage), self._parameters.prices)
            if self._priced()
            else 0.0
        )
        while True:
            status = retry(run.get_status, f"ask how job {run.id} is")
            if status != seen:
                report(f"{status.lower()}")
                seen = status
            if status in ("Running", "Finalizing") or status in TERMINAL_STATUSES:
                started = started or time.monotonic()
                log.read()
                self._meter.note(run.id, time.monotonic() - started, hourly)
            if status in TERMINAL_STATUSES:
                return status
            queued_polls = queued_polls + 1 if status in ("Queued", "NotStarted", "Preparing", "Starting") else 0
            if queued_polls and queued_polls % _QUOTA_POLLS == 0:
                self._see_why_it_waits(run, submitted, report)
            if started and time.monotonic() - started > timeout_minutes * 60:
                raise StageError(
                    f"The notebook did not end within {timeout_minutes:g} minutes, so job {run.id} is cancelled. "
                    "Give it more time, fewer rows or a larger machine."
                )
            if cancelled.wait(_POLL_SECONDS):
                raise StageError(f"Job {run.id} was cancelled, as asked.")

    def _priced(self) -> bool:
        return self._clusters.machine_for(self._stage) in (self._parameters.prices or {})

    def _see_why_it_waits(self, run: Any, submitted: float, report: Callable[[str], None]) -> None:
        name = self._clusters.name_for(self._stage)
        trouble, minutes = self._clusters.trouble(name), (time.monotonic() - submitted) / 60
        if trouble:
            found = identify_error(StageError(trouble))
            raise StageError(f"The cluster {name} gets no machine. {found.meaning} Azure says: {trouble}")
        if minutes > _QUEUE_MINUTES:
            raise StageError(
                f"Job {run.id} has waited {minutes:.0f} minutes for a machine of {name}, so it is cancelled. Choose "
                "another gpu_vm_size, or vm_priority: dedicated."
            )
        report(f"waits for a machine of {name} since {minutes:.0f} minutes")

    def _bring_back(self, run: Any, executed: Path) -> dict[str, Any] | None:
        """Bring the executed notebook and the log; what a cell raised, where one did."""
        with translate_errors(f"bring the outputs of job {run.id}"):
            there = run.get_file_names()
            for name in there:
                if name == f"{OUTPUTS_FOLDER}/{executed.name}":
                    run.download_file(name, str(executed))
                elif name.endswith("std_log.txt"):
                    run.download_file(name, str(executed.with_suffix(".log")))
            if f"{OUTPUTS_FOLDER}/{FAILURE_FILE}" not in there:
                return None
            with tempfile.TemporaryDirectory() as scratch:
                file = Path(scratch) / FAILURE_FILE
                run.download_file(f"{OUTPUTS_FOLDER}/{FAILURE_FILE}", str(file))
                return json.loads(file.read_text(encoding="utf-8"))

    def _failure(
        self, run: Any, status: str, failure: dict[str, Any] | None, said: str, executed: Path
    ) -> MillraceError:
        """What a person needs of a job that did not complete."""
        where = f"Notebook: {display_path(executed)}" if executed.is_file() else f"The job: {run.get_portal_url()}"
        if failure is not None:
            kind = getattr(errors, failure["name"], None)
            on_purpose = isinstance(kind, type) and issubclass(kind, MillraceError)
            what = failure["text"] if on_purpose else f"{failure['name']}: {failure['text']}"
            first = (failure["source"].strip().splitlines() or [""])[0]
            cell = f"Cell [{failure['cell']}]: {first}"
            return NotebookFailed("\n".join([what, where, cell]), kind.exit_code if on_purpose else 1)
        if status == "Canceled":
            return StageError(f"Job {run.id} {CANCELLED_EXTERNALLY}\n{where}")
        found = identify_error(StageError(said))
        log = executed.with_suffix(".log")
        tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:] if log.is_file() else []
        return StageError(
            "\n".join([f"Job {run.id} {status.lower()}. {found.meaning} Azure says: {said}", where, *tail])
        )


def ending(run: Any, status: str) -> str:
    """What Azure says of a job that did not complete."""
    details = retry(run.get_details, f"ask how job {run.id} ended")
    return ((details.get("error") or {}).get("error") or {}).get("message") or f"it ended as {status}"
