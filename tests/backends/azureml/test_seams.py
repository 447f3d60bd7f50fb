"""The modules of each SDK's package, and the details of jobs that both read from the run history."""

import inspect

import pytest

from lib.backends.azureml import seams
from lib.backends.azureml.job import Job, JobDetails
from lib.backends.azureml.v1.jobs import RunJob


@pytest.mark.parametrize("module", seams.MODULES)
def test_a_module_has_documented_functions(module):
    functions = [
        function
        for name, function in vars(seams.load_module("v1", module)).items()
        if inspect.isfunction(function) and not name.startswith("_")
    ]
    assert functions and all(function.__doc__ for function in functions)


def test_a_job_of_the_sdk_keeps_the_protocol():
    expected = {name for name in vars(Job) if not name.startswith("_")}
    assert {name for name in vars(RunJob) if not name.startswith("_")} == expected


def test_the_details_of_a_job_come_from_the_run_history():
    details = JobDetails.from_run_history(
        {
            "startTimeUtc": "2026-11-30T10:00:00Z",
            "error": {"error": {"code": "UserError", "message": "out of memory"}},
            "warnings": [{"message": "a warning"}],
            "logFiles": {"system_logs/a.txt": "https://a", "user_logs/std_log.txt": "https://b"},
        }
    )
    assert details == JobDetails("2026-11-30T10:00:00Z", None, "out of memory", "https://b")
    assert JobDetails.from_run_history({"warnings": [{}, {"message": "a warning"}]}).message == "a warning"
    assert JobDetails.from_run_history({}) == JobDetails(None, None, "", None)
