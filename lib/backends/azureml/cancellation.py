"""Cancelling: what ends here ends there, so that nothing is left running."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.error_translation import retry
from lib.errors import MillraceError

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from lib.backends.azureml.connection import Connection

TERMINAL_STATUSES = ("Completed", "Failed", "Canceled", "NotResponding")
CANCELLED_EXTERNALLY = "was cancelled in the studio or by `run_all.py teardown`, not by this run."
_POLL_SECONDS = 3.0
_CANCEL_MINUTES = 5
_JOBS, _UNENDED = ("azureml.scriptrun", "automl"), ("RUNNING", "SCHEDULED")


def cancel_job(run: Any, report: Callable[[str], None]) -> None:
    """Cancel a job, and wait until it has ended: nothing is left running."""
    deadline = time.monotonic() + _CANCEL_MINUTES * 60
    pause = threading.Event()
    asked = False
    while time.monotonic() < deadline:
        try:
            if retry(run.get_status, f"ask how job {run.id} is") in TERMINAL_STATUSES:
                report(f"job {run.id} has ended")
                return
            if not asked:
                retry(run.cancel, f"cancel job {run.id}")
                asked = True
        except MillraceError as error:
            report(f"Job {run.id} may still run: cancel it at {run.get_portal_url()}. {error}")
            return
        pause.wait(_POLL_SECONDS)
    report(f"Job {run.id} has not ended {_CANCEL_MINUTES} minutes after it was cancelled: see {run.get_portal_url()}")


def cancel_jobs(connection: Connection, client: MlflowClient, name: str) -> list[str]:
    """Cancel the jobs of a use case that have not ended, whoever submitted them; a line for each.

    Parameters
    ----------
    connection : Connection
    client : MlflowClient
        On the same workspace.
    name : str
    """

    def find() -> list[Any]:
        experiment = client.get_experiment_by_name(name)
        found = client.search_runs([experiment.experiment_id], max_results=1000) if experiment else []
        runs = [connection.workspace.get_run(one.info.run_id) for one in found if one.info.status in _UNENDED]
        # A stage that runs at an orchestrator is an MLflow run too, and no job.
        return [run for run in runs if run.type in _JOBS]

    lines = []
    for run in retry(find, f"list the jobs of {name}"):
        retry(run.cancel, f"cancel job {run.id}")
        lines.append(f"job {run.id}: cancelled")
    return lines
