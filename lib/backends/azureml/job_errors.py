"""The errors of jobs that did not complete."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from lib import errors
from lib.backends.azureml.cancellation import CANCELLED_EXTERNALLY
from lib.backends.azureml.error_translation import identify_error, retry
from lib.backends.azureml.job import Job
from lib.backends.azureml.known_errors import TIME_LIMIT
from lib.errors import MillraceError, StageError
from lib.paths import display_path

_LOG_TAIL_LINES = 5
# The run history states whole seconds, and a cancellation takes a moment.
_CLOCK_TOLERANCE_SECONDS = 2
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
    job: Job,
    status: str,
    cell_failure: dict[str, Any] | None,
    message: str,
    executed: Path,
    timeout_minutes: float,
) -> MillraceError:
    """Return the error for a job that did not complete.

    Parameters
    ----------
    job : Job
    status : str
        Final status of the job.
    cell_failure : dict or None
        The exception of a cell, as `notebook_job` wrote it; None if no cell failed.
    message : str
        Azure's error message.
    executed : Path
        Local copy of the executed notebook, which may be missing. The log has the same name and the suffix ``.log``.
    timeout_minutes : float
        Time limit that the job was submitted with.
    """
    location = f"Notebook: {display_path(executed)}" if executed.is_file() else f"Job: {job.url}"
    if cell_failure is not None:
        return _make_cell_error(cell_failure, location)
    if has_reached_time_limit(job, status, message, timeout_minutes):
        return StageError(
            f"Job {job.id} did not finish within its time limit of {timeout_minutes:g} minutes, so Azure ended it. "
            f"Raise timeout_minutes, use fewer rows, or choose a larger machine.\n{location}"
        )
    if status == "Canceled":
        return StageError(f"Job {job.id} {CANCELLED_EXTERNALLY}\n{location}")
    meaning = identify_error(StageError(message)).meaning
    log = executed.with_suffix(".log")
    log_lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.is_file() else []
    summary = f"Job {job.id} ended as {status.lower()}. {meaning} Azure says: {message}"
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


def retry_pause_seconds(message: str, attempt: int) -> float:
    """Return how long to wait before a job is submitted again, by Azure's error message and the attempt, from 1."""
    waits = identify_error(StageError(message)).waits
    return waits[min(attempt, len(waits)) - 1] if waits else 0.0


def job_error_message(job: Job, status: str) -> str:
    """Return Azure's error message, or its first warning, for a job that did not complete."""
    message = retry(job.details, f"read the error of job {job.id}").message
    return message or f"the job ended as {status.lower()}"


def has_reached_time_limit(job: Job, status: str, message: str, timeout_minutes: float) -> bool:
    """Return whether Azure ended a job at its time limit, which Azure reports as a cancellation or a failure.

    The message says so, or the cancelled job ran as long as the limit.
    """
    if identify_error(StageError(message)).name == TIME_LIMIT:
        return True
    if status != "Canceled":
        return False
    details = retry(job.details, f"read the times of job {job.id}")
    seconds = seconds_between(details.started, details.ended)
    return seconds >= timeout_minutes * 60 - _CLOCK_TOLERANCE_SECONDS


def seconds_between(start: str | None, end: str | None) -> float:
    """Return the seconds between two timestamps of the run history; NaN if one is missing.

    Fractions of seconds are ignored, because the run history states more digits than Python can parse.

    Examples
    --------
    >>> seconds_between("2026-11-30T10:00:00.1234567Z", "2026-11-30T10:01:30Z")
    90.0
    """
    if not (start and end):
        return float("nan")
    start_time, end_time = (datetime.fromisoformat(timestamp[:19]) for timestamp in (start, end))
    return (end_time - start_time).total_seconds()
