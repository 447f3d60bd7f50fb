"""Jobs as both SDKs offer them: the request for a job, and a submitted job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lib.backends.azureml.seams import ClusterDetails, EnvironmentReference

LOG_FILE = "std_log.txt"
TERMINAL_STATUSES = ("Completed", "Failed", "Canceled", "NotResponding")


@dataclass(frozen=True)
class JobRequest:
    """A job to submit.

    Attributes
    ----------
    folder : Path
        The code, which is uploaded.
    command : tuple of str
    experiment : str
    cluster : ClusterDetails
    environment : EnvironmentReference
    timeout_seconds : int or None
        Time limit that Azure enforces, from the start of the job.
    inputs : mapping of str to str
        Registered tables by parameter, for the job's lineage: ``azureml:<name>:<version>``.
    variables, tags : mapping of str to str
        Environment variables and tags of the job.
    identity : str
        Resource id of the user-assigned identity of a job on serverless compute.
    """

    folder: Path
    command: tuple[str, ...]
    experiment: str
    cluster: ClusterDetails
    environment: EnvironmentReference
    timeout_seconds: int | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    identity: str = ""


@dataclass(frozen=True)
class SearchRequest:
    """An AutoML search to submit.

    Attributes
    ----------
    settings : mapping of str to object
        As `automl.automl_settings` returns them.
    table : str
        Address of the training rows: ``azureml:<name>:<version>``.
    experiment : str
    cluster : ClusterDetails
    folder : str
        Folder of the datastore for files that only the search reads.
    identity : str
        Resource id of the user-assigned identity of a search on serverless compute.
    """

    settings: Mapping[str, Any]
    table: str
    experiment: str
    cluster: ClusterDetails
    folder: str
    identity: str = ""


@dataclass(frozen=True)
class JobDetails:
    """The state of a job.

    Attributes
    ----------
    started, ended : str or None
        Times of the start and the end, as the run history states them.
    message : str
        Azure's error message, or its first warning; empty if there is none.
    log_url : str or None
        Signed URL of the log; None if there is no log yet.
    """

    started: str | None
    ended: str | None
    message: str
    log_url: str | None

    @classmethod
    def from_run_history(cls, details: Mapping[str, Any]) -> JobDetails:
        """Return the details from the run history's reply to ``runs/<id>/details``."""
        message = ((details.get("error") or {}).get("error") or {}).get("message")
        warnings = [warning.get("message") for warning in details.get("warnings") or ()]
        logs = sorted((details.get("logFiles") or {}).items())
        return cls(
            details.get("startTimeUtc"),
            details.get("endTimeUtc"),
            message or next(filter(None, warnings), None) or "",
            next((url for name, url in logs if name.endswith(LOG_FILE)), None),
        )


@dataclass(frozen=True)
class ModelRun:
    """The run of one model of an AutoML search.

    Attributes
    ----------
    id : str
    properties : mapping of str to str
        Properties that AutoML sets, such as ``run_algorithm`` and ``score``.
    status : str
    ended : str or None
    """

    id: str
    properties: Mapping[str, str]
    status: str
    ended: str | None


class Job(Protocol):
    """A submitted job. The methods raise the SDK's exceptions; callers translate and retry them."""

    @property
    def id(self) -> str:
        """Id of the job, which is also the id of its MLflow run."""

    @property
    def url(self) -> str:
        """The job's page in Azure ML studio."""

    def status(self) -> str:
        """Return the current status, such as ``"Running"`` or ``"Completed"``."""

    def details(self) -> JobDetails:
        """Return times, error message and log."""

    def files(self) -> list[str]:
        """Return the paths of the job's files."""

    def download(self, path: str, target: Path) -> None:
        """Download one file."""

    def download_folder(self, folder: str, target: Path) -> None:
        """Download a folder to ``target/<folder>``."""

    def model_runs(self) -> list[ModelRun]:
        """Return the runs of the models of an AutoML search."""

    def cancel(self) -> None:
        """Request the cancellation of the job."""
