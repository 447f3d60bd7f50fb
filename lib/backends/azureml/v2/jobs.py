"""Jobs in SDK version 2: command jobs. The id of a job is the id of its MLflow run."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.job import Job, JobDetails, JobRequest, ModelRun
from lib.backends.azureml.seams import SERVERLESS, ClusterDetails
from lib.backends.azureml.v2.workspace import Workspace

if TYPE_CHECKING:
    from azure.ai.ml.entities import Job as NativeJob

# The folder of a run in the datastore with the files of all runs.
_ARTIFACT_FOLDER = "ExperimentRun/dcid.{id}/"
# Every job of Millrace has this tag, because MLflow does not tell jobs from the runs of local stages.
JOB_TAG = "millrace_job"
_MAX_MODEL_RUNS = 1000


class WorkspaceJob:
    """A job, or an MLflow run; see `job.Job`."""

    def __init__(self, workspace: Workspace, job_id: str, url: str = ""):
        self._workspace, self._id, self._url = workspace, job_id, url

    @property
    def id(self) -> str:
        """Id of the job."""
        return self._id

    @property
    def url(self) -> str:
        """The job's page in Azure ML studio."""
        return self._url or self._workspace.studio_url(f"runs/{self._id}")

    def status(self) -> str:
        """Return the current status."""
        return self._workspace.client.jobs.get(self._id).status

    def details(self) -> JobDetails:
        """Return times, error message and log."""
        return JobDetails.from_run_history(self._workspace.run_history(f"runs/{self._id}/details"))

    def files(self) -> list[str]:
        """Return the paths of the job's files."""
        folder = _ARTIFACT_FOLDER.format(id=self._id)
        names = self._workspace.artifacts.list_blob_names(name_starts_with=folder)
        return [name.removeprefix(folder) for name in names]

    def download(self, path: str, target: Path) -> None:
        """Download one file."""
        target.parent.mkdir(parents=True, exist_ok=True)
        content = self._workspace.artifacts.download_blob(_ARTIFACT_FOLDER.format(id=self._id) + path).readall()
        target.write_bytes(content)

    def download_folder(self, folder: str, target: Path) -> None:
        """Download a folder to ``target/<folder>``."""
        for path in self.files():
            if path.startswith(f"{folder}/"):
                self.download(path, target / path)

    def model_runs(self) -> list[ModelRun]:
        """Return the runs of the models of an AutoML search, which are child runs in MLflow."""
        from mlflow import MlflowClient

        client = MlflowClient(self._workspace.tracking_uri)
        experiment_id = client.get_run(self._id).info.experiment_id
        condition = f"tags.mlflow.parentRunId = '{self._id}'"
        runs = client.search_runs([experiment_id], condition, max_results=_MAX_MODEL_RUNS)
        return [self._model_run(run.info.run_id) for run in runs]

    def _model_run(self, run_id: str) -> ModelRun:
        """Return a child run with AutoML's properties, which MLflow does not have."""
        run = self._workspace.run_history(f"runs/{run_id}/details")
        return ModelRun(run_id, run.get("properties") or {}, run["status"], run.get("endTimeUtc"))

    def cancel(self) -> None:
        """Request the cancellation of the job."""
        self._workspace.client.jobs.begin_cancel(self._id)


def submit(workspace: Workspace, request: JobRequest) -> Job:
    """Submit a job. Its name is chosen here, so that a call that is repeated does not start a second job."""
    from azure.ai.ml import Input, command
    from azure.ai.ml.entities import CommandJobLimits

    # In the mode "direct", a job gets the address only. The input is declared for the job's lineage.
    inputs = {name: Input(type="uri_file", path=address, mode="direct") for name, address in request.inputs.items()}
    job: Any = command(
        name=job_name(request.experiment),
        code=str(request.folder),
        command=" ".join(request.command),
        environment=f"azureml:{request.environment.name}:{request.environment.version}",
        experiment_name=request.experiment,
        inputs=inputs,
        environment_variables=dict(request.variables),
        tags={**request.tags, JOB_TAG: "command"},
    )
    set_compute(job, request.cluster, request.identity)
    if request.timeout_seconds:
        job.limits = CommandJobLimits(timeout=request.timeout_seconds)
    return create(workspace, job)


def job_name(experiment: str) -> str:
    """Return a new name for a job of an experiment."""
    return f"{experiment}_{int(time.time())}_{secrets.token_hex(4)}"


def set_compute(job: Any, cluster: ClusterDetails, identity: str) -> None:
    """Set the compute of a job: a cluster, or serverless machines with a user-assigned identity.

    https://learn.microsoft.com/azure/machine-learning/how-to-use-serverless-compute
    """
    from azure.ai.ml.entities import JobResourceConfiguration, ManagedIdentityConfiguration, QueueSettings

    if cluster.name != SERVERLESS:
        job.compute = cluster.name
        return
    job.resources = JobResourceConfiguration(instance_type=cluster.vm_size, instance_count=1)
    job.queue_settings = QueueSettings(job_tier="Spot" if cluster.is_spot else "Standard")
    if identity:
        job.identity = ManagedIdentityConfiguration(resource_id=identity)


def create(workspace: Workspace, job: NativeJob) -> Job:
    """Create a job on Azure."""
    submitted = workspace.client.jobs.create_or_update(job)
    return WorkspaceJob(workspace, submitted.name, submitted.studio_url or "")


def get(workspace: Workspace, job_id: str) -> Job:
    """Return the job, or the MLflow run, of this id."""
    return WorkspaceJob(workspace, job_id)


def find_jobs(workspace: Workspace, runs: Sequence[Any]) -> list[Job]:
    """Return the jobs among some MLflow runs. A stage that runs on a user's machine is a run but not a job."""
    return [WorkspaceJob(workspace, run.info.run_id) for run in runs if JOB_TAG in run.data.tags]
