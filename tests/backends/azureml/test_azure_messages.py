"""Messages as Azure words them: each is told as its cause and the next step, and repeated only if it may pass."""

import json
from pathlib import Path

import pytest

from lib.backends.azureml import job_errors
from lib.backends.azureml.error_translation import identify_error, retry, translate_error
from lib.backends.azureml.job import JobDetails
from lib.backends.azureml.known_errors import KNOWN_ERRORS, UNKNOWN_ERROR
from lib.errors import StageError
from tests.backends.azureml.azure_messages import MESSAGES


class HttpError(Exception):
    """An error with the attributes that the translation reads in errors of azure-core."""

    def __init__(self, text, status):
        super().__init__(text)
        if status:
            self.status_code = status


def error_of(message):
    return HttpError(message.text, message.status)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: f"{message.known}: {message.source}")
def test_a_message_is_explained(message):
    known = identify_error(error_of(message))
    assert known.name == message.known
    assert message.next_step in known.meaning
    assert known.is_retryable is message.may_pass


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: f"{message.known}: {message.source}")
def test_a_message_is_explained_without_its_status(message):
    # An error of a long-running operation or of a job has a text, but no status.
    if message.known not in ("Azure server error", "too many requests"):
        known = identify_error(StageError(message.text))
        assert known is not UNKNOWN_ERROR and known.is_retryable is message.may_pass


def test_the_table_has_fifty_messages_of_every_subject():
    assert len({message.text for message in MESSAGES}) >= 76
    assert len({message.known for message in MESSAGES}) >= 50


def test_every_known_error_has_a_cause_and_a_next_step():
    for known in KNOWN_ERRORS:
        assert known.cause.endswith(".") and known.next_step.endswith("."), known.name
        assert known.waits == tuple(sorted(known.waits)), known.name


def test_the_message_for_the_user_has_cause_next_step_and_azures_text():
    message = next(message for message in MESSAGES if message.known == "capacity")
    text = str(translate_error(error_of(message), "deploy version 2"))
    known = identify_error(error_of(message))
    assert known.cause in text and known.next_step in text and message.text in text


def fail_times(error, times):
    """Return a function that fails a number of times and then returns "done"."""
    remaining = [error] * times

    def call():
        if remaining:
            raise remaining.pop()
        return "done"

    return call


def test_a_lack_of_machines_is_waited_for_with_an_end():
    error, pauses = HttpError("(AllocationFailed) Allocation failed.", 409), []
    assert retry(fail_times(error, 3), "deploy", sleep=pauses.append) == "done"
    assert pauses == [60, 120, 240]
    with pytest.raises(StageError, match="no free machine"):
        retry(fail_times(error, 99), "deploy", sleep=pauses.append)
    assert 1500 < sum(pauses[3:]) < 3600


def test_an_endpoint_that_is_being_updated_is_waited_for():
    error = HttpError("Cannot create a deployment because it is in Updating provisioning state.", 400)
    pauses = []
    assert retry(fail_times(error, 20), "deploy", sleep=pauses.append) == "done"
    assert sum(pauses) == 300


class EndedJob:
    """A job that ended, with the details of the run history."""

    id = "train_1"
    url = "https://ml.azure.com/runs/train_1"

    def __init__(self, **details):
        self._details = details

    def details(self):
        return JobDetails.from_run_history(self._details)


START = "2026-11-30T10:00:00.1234567Z"


@pytest.mark.parametrize(
    ("status", "details", "is_time_limit"),
    [
        ("Canceled", {"startTimeUtc": START, "endTimeUtc": "2026-11-30T10:15:00.5Z"}, True),
        ("Canceled", {"startTimeUtc": START, "endTimeUtc": "2026-11-30T10:04:00.5Z"}, False),
        ("Canceled", {"startTimeUtc": None, "endTimeUtc": None}, False),
        ("Canceled", {"warnings": [{"message": "The job exceeded its time limit (maxRunDurationSeconds)."}]}, True),
        ("Failed", {"error": {"error": {"message": "JobExceededTimeLimit"}}}, True),
        ("Failed", {"error": {"error": {"message": "AllocationFailed"}}}, False),
    ],
)
def test_a_time_limit_is_no_cancellation(status, details, is_time_limit):
    job = EndedJob(**details)
    message = job_errors.job_error_message(job, status)
    text = str(job_errors.make_job_error(job, status, None, message, Path("none.ipynb"), timeout_minutes=15))
    assert ("did not finish within its time limit of 15 minutes" in text) is is_time_limit
    assert ("was cancelled in the studio" in text) is (status == "Canceled" and not is_time_limit)
    assert not (is_time_limit and job_errors.is_transient(message)), json.dumps(details)


def test_a_job_without_a_machine_is_submitted_again_after_a_minute():
    assert job_errors.is_transient("AllocationFailed: no capacity")
    assert job_errors.retry_pause_seconds("AllocationFailed: no capacity", 1) == 60
    assert job_errors.retry_pause_seconds("AllocationFailed: no capacity", 99) == 900
    assert job_errors.retry_pause_seconds("RequestDisallowedByPolicy", 1) == 0
