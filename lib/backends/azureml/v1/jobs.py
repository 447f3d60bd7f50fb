"""Jobs in SDK version 1: runs of the run history."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.backends.azureml.job import Job, JobDetails, JobRequest, ModelRun
from lib.backends.azureml.v1 import tables
from lib.backends.azureml.v1.clusters import native_cluster
from lib.backends.azureml.v1.workspace import Workspace

_JOB_TYPES = ("azureml.scriptrun", "automl")

# The SDK hashes the folder of a job and caches it in the home folder, which is not thread-safe.
_submission_lock = threading.Lock()


class RunJob:
    """A job; see `job.Job`. `native` is azureml-core's run."""

    def __init__(self, native: Any):
        self.native = native

    @property
    def id(self) -> str:
        """Id of the run."""
        return self.native.id

    @property
    def url(self) -> str:
        """The run's page in Azure ML studio."""
        return self.native.get_portal_url()

    def status(self) -> str:
        """Return the current status."""
        return self.native.get_status()

    def details(self) -> JobDetails:
        """Return times, error message and log."""
        return JobDetails.from_run_history(self.native.get_details())

    def files(self) -> list[str]:
        """Return the paths of the run's files."""
        return self.native.get_file_names()

    def download(self, path: str, target: Path) -> None:
        """Download one file."""
        self.native.download_file(path, str(target))

    def download_folder(self, folder: str, target: Path) -> None:
        """Download a folder to ``target/<folder>``."""
        self.native.download_files(prefix=f"{folder}/", output_directory=str(target), append_prefix=True)

    def model_runs(self) -> list[ModelRun]:
        """Return the runs of the models of an AutoML search."""
        runs = []
        for child in self.native.get_children():
            details = child.get_details()
            runs.append(ModelRun(child.id, child.properties, details.get("status", ""), details.get("endTimeUtc")))
        return runs

    def cancel(self) -> None:
        """Request the cancellation of the run."""
        self.native.cancel()


def submit(workspace: Workspace, request: JobRequest) -> Job:
    """Submit a job."""
    from azureml.core import Environment, Experiment, ScriptRunConfig

    environment = Environment.get(workspace.native, request.environment.name, request.environment.version)
    with _submission_lock:
        config = ScriptRunConfig(
            source_directory=str(request.folder),
            command=list(request.command),
            compute_target=native_cluster(workspace, request.cluster.name),
            environment=environment,
            max_run_duration_seconds=request.timeout_seconds,
        )
        config.run_config.environment_variables.update(request.variables)
        for name, address in request.inputs.items():
            # Declared as an input, a dataset appears in the job's lineage.
            config.run_config.data[name] = tables.native_dataset(workspace, address).as_named_input(name)
        experiment = Experiment(workspace.native, request.experiment)
        return RunJob(experiment.submit(config, tags=dict(request.tags)))


def get(workspace: Workspace, job_id: str) -> Job:
    """Return the job, or the MLflow run, of this id."""
    return RunJob(workspace.native.get_run(job_id))


def find_jobs(workspace: Workspace, runs: Sequence[Any]) -> list[Job]:
    """Return the jobs among some MLflow runs. A stage that runs on a user's machine is a run but not a job."""
    natives = [workspace.native.get_run(run.info.run_id) for run in runs]
    return [RunJob(native) for native in natives if native.type in _JOB_TYPES]
