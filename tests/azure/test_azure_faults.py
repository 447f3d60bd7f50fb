"""What can go wrong on Azure, and what a user reads then: the product's backend against a loopback Azure that fails."""

import functools

import pytest

pytest.importorskip("azureml.core", reason='azureml-core is missing: make install GROUPS="azure dev"')

from tests.azure.loopback import names
from tests.azure.use_cases import asked

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("azurite")]
BLOBS = rf"PUT {names.STORAGE_ACCOUNT}\.blob\.core\.windows\.net.*faults"
ANY = 10**6


@pytest.fixture
def ask(azure):
    return functools.partial(asked, azure)


def test_tables_and_json_go_to_the_datastore_and_back(ask):
    assert ask("tables")["answer"] == {"rows": 2, "json": {"a": 1}}


def test_columns_that_nobody_may_see_are_left_out_and_told(ask):
    assert ask("left_out:b")["answer"] == {"columns": ["a", "c"], "told": {"notes": [], "unread": ["b"]}}
    assert "There is no column 'bb'" in ask("left_out:bb")["message"]


def test_a_notebook_runs_as_a_job_and_comes_back_with_its_log(ask):
    found = ask("job")
    assert found["answer"] == {"executed": True}
    assert "log brought back: True" in found["said"]
    assert any("cell of the notebook" in line for line in found["said"])


# Who we are, and where


def test_a_workspace_that_is_not_there(ask):
    found = ask("checks", "workspace_name=mlw-other")
    assert (
        "mlw-other" in found["message"]
        and "Compare subscription_id, resource_group and workspace_name" in found["message"]
    )


def test_a_wrong_secret(ask):
    assert "Make a new one, and set AZURE_CLIENT_SECRET" in ask("checks", AZURE_CLIENT_SECRET="wrong")["message"]


def test_a_token_that_expires_in_mid_run(azure, ask):
    expired = {"code": "ExpiredAuthenticationToken", "message": "The access token has expired."}
    azure.faults.on_wire("mlflow/registered-models/search", 401, times=ANY, **expired)
    found = ask("checks")
    assert "The login has expired" in found["message"] and "--resume RUN" in found["message"]


def test_a_token_that_expires_while_a_job_is_followed(azure, ask):
    expired = {"code": "ExpiredAuthenticationToken", "message": "The access token has expired."}
    azure.faults.on_wire("GET .*/history/.*/details", 401, times=ANY, **expired)
    found = ask("job")
    assert "could not read the log of job" in found["message"] and "The login has expired" in found["message"]
    assert list(azure.store.runs.values())[-1].dto["status"] == "Canceled"


# Storage


@pytest.mark.parametrize("code", ["AuthorizationPermissionMismatch", "AuthorizationFailure"])
def test_a_storage_that_lets_nobody_in(azure, ask, code):
    azure.faults.on_wire(BLOBS, 403, code=code, message="This request is not authorized.", times=ANY)
    assert "Give it the role Storage Blob Data Contributor" in ask("tables")["message"]


def test_a_connection_dropped_in_an_upload(azure, ask):
    azure.faults.on_wire(BLOBS, drop="upload")
    assert ask("tables")["answer"] == {"rows": 2, "json": {"a": 1}}
    assert any(entry.fault == "dropped upload" for entry in azure.calls)


# Bursts, which pass


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_burst_of_errors_passes(azure, ask, status):
    azure.faults.on_wire(BLOBS, status, headers={"Retry-After": "1"}, times=2)
    azure.faults.on_wire(rf"{names.API_HOST}/dataset", status, headers={"Retry-After": "1"}, times=2)
    assert ask("tables")["answer"] == {"rows": 2, "json": {"a": 1}}
    assert sum(bool(entry.fault) for entry in azure.calls) == 4


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_burst_of_errors_passes_where_a_job_is_submitted_and_followed(azure, ask, status):
    for match in ("POST .*/snapshotrun", "POST .*/snapshots/getblob", "GET .*/history/.*/runs/", "PUT .*/environments"):
        azure.faults.on_wire(match, status, headers={"Retry-After": "1"}, times=2)
    assert ask("job")["answer"] == {"executed": True}


def test_a_burst_that_does_not_end_is_told(azure, ask):
    azure.faults.on_wire(rf"POST {names.API_HOST}/dataset", 429, headers={"Retry-After": "1"}, times=ANY)
    message = ask("tables")["message"]
    assert "Azure asks to slow down" in message and "Wait some minutes" in message


def test_something_of_the_same_name_is_there_already(azure, ask):
    azure.faults.on_wire(rf"POST {names.API_HOST}/dataset", 409, code="UserError", message="already registered")
    assert ask("tables")["answer"] == {"rows": 2, "json": {"a": 1}}


def test_something_of_the_same_name_stays_there(azure, ask):
    azure.faults.on_wire(rf"POST {names.API_HOST}/dataset", 409, code="UserError", message="there already", times=ANY)
    assert "Wait for that run, or use another name. Azure says: There is already" in ask("tables")["message"]


def test_a_table_that_was_registered_before_is_taken_as_it_is(azure, ask):
    ask("tables")
    known = next(name for name in azure.store.datasets if name.startswith("faults-"))
    said = f"The dataset has been registered as {known}:1 (name:version)."
    azure.faults.on_wire(rf"POST {names.API_HOST}/dataset", 400, code="UserError", message=said)
    assert ask("tables")["answer"] == {"rows": 2, "json": {"a": 1}}


def test_another_run_registers_the_datastore_at_the_same_moment(azure, ask):
    ask("tables")
    absent = {"code": "NotFound", "message": "Could not find the datastore."}
    azure.faults.on_wire(rf"GET {names.API_HOST}/datastore.*/datastores/millrace", 404, times=2, **absent)
    assert ask("tables")["answer"] == {"rows": 2, "json": {"a": 1}}
    assert any(entry.status == 400 and entry.route.endswith("/datastores") for entry in azure.calls)


# Clusters and jobs


def test_no_quota_for_a_cluster(azure, ask):
    azure.store.computes.pop("gpu-quota", None)
    azure.faults.in_service("compute.quota")
    found = ask("job", "gpu_cluster=gpu-quota")
    assert "Ask for more on the page Quotas" in found["message"]


def test_a_cluster_that_gets_no_machine(azure, ask):
    azure.faults.in_service("job.quota")
    found = ask("job")
    assert "gets no machine" in found["message"] and "Ask for more on the page Quotas" in found["message"]
    assert list(azure.store.runs.values())[-1].dto["status"] == "Canceled"


def test_a_node_that_is_preempted(azure, ask):
    azure.faults.in_service("job.preempted")
    found = ask("job")
    assert found["answer"] == {"executed": True}
    assert found["said"].count("queued") == 2


def test_an_image_that_cannot_be_built(azure, ask):
    azure.faults.in_service("job.image_build_failed")
    assert "20_image_build_log.txt" in ask("job")["message"]


def test_a_job_out_of_memory(azure, ask):
    azure.faults.in_service("job.out_of_memory")
    assert "Choose a larger gpu_vm_size, or fewer rows" in ask("job")["message"]


def test_cancelled_here_is_cancelled_there(azure, ask):
    found = ask("cancel")
    assert "was cancelled" in found["message"] and "log brought back: True" in found["said"]
    newest = list(azure.store.runs.values())[-1]
    assert newest.dto["status"] == "Canceled" and newest.process.popen.poll() is not None
