"""The errors of jobs that did not complete."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib import errors
from lib.backends.azureml.cancellation import CANCELLED_EXTERNALLY
from lib.backends.azureml.error_translation import identify_error, retry
from lib.errors import MillraceError, StageError
from lib.paths import display_path

_LOG_TAIL_LINES = 5
# Azure's message if the notebook's process failed. The end of the log follows, whose words say nothing about Azure.
_EXIT_CODE = re.compile(r"exit(ed with)?( status)? code", re.IGNORECASE)


class NotebookFailed(StageError):
    """A cell of a notebook raised an exception in the job.

    Attributes
    ----------
    exit_code : int
        Exit code of a Millrace error; 1 for any other exception.
    """

    def __init__(self, message: str, exit_code: int = 1):
        super().__init__(message)
        self.exit_code = exit_code


def make_job_error(
    run: Any, status: str, cell_failure: dict[str, Any] | None, message: str, executed: Path
) -> MillraceError:
    """Return the error for a job that did not complete.

    Parameters
    ----------
    run : azureml.core.Run
    status : str
        Final status of the job.
    cell_failure : dict or None
        The exception of a cell, as `notebook_job` wrote it; None if no cell failed.
    message : str
        Azure's error message.
    executed : Path
        Local copy of the executed notebook, which may be missing. The log has the same name and the suffix ``.log``.
    """
    location = f"Notebook: {display_path(executed)}" if executed.is_file() else f"Job: {run.get_portal_url()}"
    if cell_failure is not None:
        return _make_cell_error(cell_failure, location)
    if status == "Canceled":
        return StageError(f"Job {run.id} {CANCELLED_EXTERNALLY}\n{location}")
    meaning = identify_error(StageError(message)).meaning
    log = executed.with_suffix(".log")
    log_lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.is_file() else []
    summary = f"Job {run.id} ended as {status.lower()}. {meaning} Azure says: {message}"
    return StageError("\n".join([summary, location, *log_lines[-_LOG_TAIL_LINES:]]))


def _make_cell_error(cell_failure: Mapping[str, Any], location: str) -> NotebookFailed:
    """Return the error for an exception that a cell raised. The message has the exception's type unless it is ours."""
    message, exit_code = f"{cell_failure['name']}: {cell_failure['text']}", 1
    shown_exit_code = errors.shown_exit_code(cell_failure["traceback"])
    if shown_exit_code is not None:
        message, exit_code = cell_failure["text"], shown_exit_code
    first_line = (cell_failure["source"].strip().splitlines() or [""])[0]
    return NotebookFailed(f"{message}\n{location}\nCell [{cell_failure['cell']}]: {first_line}", exit_code)


def is_transient(message: str) -> bool:
    """Return whether another attempt of a job may succeed, by Azure's error message.

    An empty message or an exit code means that the notebook itself failed, and would fail again.
    """
    return bool(message) and not _EXIT_CODE.search(message) and identify_error(StageError(message)).is_retryable


def job_error_message(run: Any, status: str) -> str:
    """Return Azure's error message for a job that did not complete."""
    details = retry(run.get_details, f"read the error of job {run.id}")
    return ((details.get("error") or {}).get("error") or {}).get("message") or f"the job ended as {status.lower()}"
