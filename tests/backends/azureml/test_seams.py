"""The packages of both SDKs keep one interface, and the details of jobs that both read from the run history."""

import inspect

import pytest

from lib.backends.azureml import seams
from lib.backends.azureml.job import Job, JobDetails
from lib.backends.azureml.v1.jobs import RunJob
from lib.backends.azureml.v1.workspace import Workspace as WorkspaceOfV1
from lib.backends.azureml.v2.jobs import WorkspaceJob
from lib.backends.azureml.v2.workspace import Workspace as WorkspaceOfV2


def public_names(owner):
    return {name for name in vars(owner) if not name.startswith("_")}


def functions_of(version, module):
    """Return the functions that a module defines, by name."""
    loaded = seams.load_module(version, module)
    functions = inspect.getmembers(loaded, inspect.isfunction)
    return {name: function for name, function in functions if function.__module__ == loaded.__name__}


@pytest.fixture(params=seams.MODULES)
def called_functions(request):
    """Return the functions of a module that the rest of the backend calls: those that both packages have."""
    first, second = functions_of("v1", request.param), functions_of("v2", request.param)
    shared = {name for name in first.keys() & second.keys() if not name.startswith("_")}
    return {name: (first[name], second[name]) for name in shared}


def test_both_packages_offer_the_same_functions(called_functions):
    assert called_functions
    for name, (first, second) in called_functions.items():
        assert inspect.signature(first) == inspect.signature(second), name
        assert first.__doc__ and second.__doc__, name


def test_every_function_that_is_called_exists_in_both():
    expected = {
        "automl": {"submit"},
        "clusters": {"find", "create", "list_all", "delete", "allocation_errors"},
        "environments": {"exists", "register"},
        "jobs": {"submit", "get", "find_jobs"},
        "stores": {"find", "register"},
        "tables": {"get", "read", "register"},
        "workspace": {"open_workspace"},
    }
    assert expected.keys() == set(seams.MODULES)
    for module, names in expected.items():
        for version in seams.VERSIONS:
            assert names <= functions_of(version, module).keys(), (version, module)


@pytest.mark.parametrize("implementation", [RunJob, WorkspaceJob])
def test_jobs_keep_the_protocol(implementation):
    assert public_names(Job) <= public_names(implementation)


@pytest.mark.parametrize("implementation", [WorkspaceOfV1, WorkspaceOfV2])
def test_workspaces_keep_the_protocol(implementation):
    assert public_names(seams.Workspace) <= public_names(implementation)


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
