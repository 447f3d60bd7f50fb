"""Cancellation of jobs on the cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from lib.backends.azureml.error_translation import retry
from lib.backends.azureml.job import TERMINAL_STATUSES, Job
from lib.errors import MillraceError
from lib.invocation import command

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from lib.backends.azureml.connection import Connection

CANCELLED_EXTERNALLY = f"was cancelled in the studio or by `{command('teardown')}`, not by this run."
_POLL_SECONDS = 3.0
_CANCEL_TIMEOUT_MINUTES = 5
_ACTIVE_STATUSES = ("RUNNING", "SCHEDULED")


def cancel_job(job: Job, report: Callable[[str], None]) -> None:
    """Cancel a job and wait until it has ended, because a running job costs money.

    If this fails, the failure is reported but not raised: the caller raises the error that led to the cancellation.

    Parameters
    ----------
    job : Job
    report : callable
        Receives the outcome.
    """
    deadline = time.monotonic() + _CANCEL_TIMEOUT_MINUTES * 60
    pause = threading.Event()
    is_cancel_requested = False
    while time.monotonic() < deadline:
        try:
            if retry(job.status, f"get the status of job {job.id}") in TERMINAL_STATUSES:
                report(f"job {job.id} has ended")
                return
            if not is_cancel_requested:
                retry(job.cancel, f"cancel job {job.id}")
                is_cancel_requested = True
        except MillraceError as error:
            report(f"Job {job.id} may still be running. Cancel it at {job.url}. {error}")
            return
        pause.wait(_POLL_SECONDS)
    report(
        f"Job {job.id} was cancelled but is still running after {_CANCEL_TIMEOUT_MINUTES} minutes. Check it at "
        f"{job.url}."
    )


def cancel_jobs(connection: Connection, client: MlflowClient, use_case: str) -> list[str]:
    """Cancel all active jobs of a use case, including those of other users.

    Parameters
    ----------
    connection : Connection
    client : MlflowClient
        Client of the same workspace.
    use_case : str

    Returns
    -------
    list of str
        One line for each cancelled job.
    """

    def find_active_jobs() -> list[Job]:
        experiment = client.get_experiment_by_name(use_case)
        if experiment is None:
            return []
        mlflow_runs = client.search_runs([experiment.experiment_id], max_results=1000)
        active_runs = [run for run in mlflow_runs if run.info.status in _ACTIVE_STATUSES]
        return connection.sdk("jobs").find_jobs(connection.workspace, active_runs)

    lines = []
    for job in retry(find_active_jobs, f"list the jobs of {use_case}"):
        retry(job.cancel, f"cancel job {job.id}")
        lines.append(f"job {job.id}: cancelled")
    return lines
