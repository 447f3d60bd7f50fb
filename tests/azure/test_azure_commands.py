"""`run_all.py doctor`, the cost limit of a run, and `run_all.py teardown` on an Azure workspace."""

import re

import pytest

from tests.azure.use_cases import Chain, call_backend

WRONG_SECRET = b'{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}'
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("azurite")]


@pytest.fixture
def chain(azure, sdk):
    return Chain(azure, "penguins", sdk, training_functions=["linear"])


def parse_checks(output):
    """Return the doctor's results by the name of the check; results of failed checks start with "NOT OK"."""
    checks = re.findall(r"^(ok|NOT OK) +(\S+(?: \S+)*?)  +(.+)$", output, re.MULTILINE)
    return {name: result if ok == "ok" else f"{ok} {result}" for ok, name, result in checks}


def test_the_doctor_checks_everything_and_creates_nothing(azure, chain, sdk):
    checks = parse_checks(chain.run("doctor"))
    expected = {"packages", "Python", "clock", "login", "workspace", "roles", "storage", "data store", "cluster"}
    assert expected | {"quota", "endpoint", "prices"} == checks.keys()
    assert not [result for result in checks.values() if result.startswith("NOT OK")]
    assert "service principal" in checks["login"] and "4 x Standard_NC4as_T4_v3 are 16 cores" in checks["quota"]
    assert chain.parameters["gpu_cluster"] not in azure.store.computes
    azure.assert_matches_contract(f"doctor_{sdk}")


def test_the_doctor_reports_problems_with_remedies(azure, chain, monkeypatch):
    monkeypatch.setattr(azure.store, "denied_actions", ["*/write"])
    monkeypatch.setitem(azure.store.core_limits, "TotalLowPriorityCores", 8)
    checks = parse_checks(chain.run("doctor", code=1, location="westeurope"))
    failed = {name: result for name, result in checks.items() if result.startswith("NOT OK")}
    assert failed.keys() == {"workspace", "roles", "quota"}
    assert "location is westeurope" in failed["workspace"] and "assign it" in failed["roles"]
    assert "request more quota" in failed["quota"]


def test_the_doctor_continues_after_a_failed_login(azure, chain):
    azure.faults.on_wire("oauth2/v2.0/token", 401, times=10**6, body=WRONG_SECRET)
    output = chain.run("doctor", code=1)
    checks = parse_checks(output)
    assert "AZURE_CLIENT_SECRET" in checks.get("login", ""), output
    assert checks["packages"].endswith("all as locked")


def test_a_run_above_max_cost_does_not_start(azure, chain):
    output = chain.run(code=3, max_cost_usd=0.01)
    assert "more than max_cost_usd (0.01 $)" in output and "train: 1 x 15 minutes" in output
    assert not azure.store.computes.get(chain.parameters["gpu_cluster"]) and not chain.runs.exists()


def test_teardown_cancels_jobs_and_deletes_clusters(azure, chain, sdk):
    running = chain.start()
    cluster = chain.parameters["gpu_cluster"]
    while cluster not in azure.store.computes or not azure.store.computes[cluster].busy:
        assert running.poll() is None, running.communicate()[0]
        azure.cloud.journal.wait(1)
    assert re.search(r"job \S+: cancelled", chain.run("teardown"))
    output, _ = running.communicate(timeout=900)
    assert running.returncode == 1 and "was cancelled" in output
    assert chain.job_statuses == ["Canceled"]
    assert f"cluster {cluster}: deleted" in chain.run("teardown", "--everything")
    assert cluster not in azure.store.computes
    assert call_backend(azure, "teardown", f"name={chain.name}", sdk=sdk)["result"]["lines"] == []
