"""`run_all.py doctor`, the estimate of what a run costs, and `run_all.py teardown`, on a workspace of Azure."""

import re

import pytest

pytest.importorskip("azureml.core", reason='azureml-core is missing: make install GROUPS="azure dev"')

from tests.azure.use_cases import Chain, asked

WRONG_SECRET = b'{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}'
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("azurite")]


@pytest.fixture
def chain(azure):
    return Chain(azure, "penguins", training_functions=["linear"])


def lines(output):
    """What the doctor says of each thing, by its name; "NOT OK" in front where it is not."""
    found = re.findall(r"^(ok|NOT OK) +(\S+(?: \S+)*?)  +(.+)$", output, re.MULTILINE)
    return {what: said if ok == "ok" else f"{ok} {said}" for ok, what, said in found}


def test_the_doctor_finds_all_that_a_run_needs_and_makes_nothing(azure, chain):
    found = lines(chain.run("doctor"))
    looked_at = {"packages", "Python", "clock", "login", "workspace", "roles", "storage", "data store", "cluster"}
    assert looked_at | {"quota", "endpoint", "prices"} == found.keys()
    assert not [said for said in found.values() if said.startswith("NOT OK")]
    assert "service principal" in found["login"] and "4 x Standard_NC4as_T4_v3 are 16 cores" in found["quota"]
    assert chain.given["gpu_cluster"] not in azure.store.computes
    azure.keeps_contract("doctor")


def test_the_doctor_says_what_is_missing_and_what_to_do(azure, chain, monkeypatch):
    monkeypatch.setattr(azure.store, "denied_actions", ["*/write"])
    monkeypatch.setitem(azure.store.core_limits, "TotalLowPriorityCores", 8)
    found = lines(chain.run("doctor", code=1, location="westeurope"))
    wrong = {what: said for what, said in found.items() if said.startswith("NOT OK")}
    assert wrong.keys() == {"workspace", "roles", "quota"}
    assert "location says westeurope" in wrong["workspace"] and "give it" in wrong["roles"]
    assert "ask for more" in wrong["quota"]


def test_the_doctor_goes_on_where_nobody_is_let_in(azure, chain):
    azure.faults.on_wire("oauth2/v2.0/token", 401, times=10**6, body=WRONG_SECRET)
    output = chain.run("doctor", code=1)
    found = lines(output)
    assert "AZURE_CLIENT_SECRET" in found.get("login", ""), output
    assert found["packages"].endswith("all as locked")


def test_a_run_that_would_cost_too_much_does_not_start(azure, chain):
    output = chain.run(code=3, max_cost=0.01)
    assert "more than max_cost (0.01 $)" in output and "train: 1 x 15 minutes" in output
    assert not azure.store.computes.get(chain.given["gpu_cluster"]) and not chain.runs.exists()


def test_teardown_cancels_the_jobs_and_with_everything_deletes_the_clusters(azure, chain):
    running = chain.start()
    cluster = chain.given["gpu_cluster"]
    while cluster not in azure.store.computes or not azure.store.computes[cluster].busy:
        assert running.poll() is None, running.communicate()[0]
        azure.cloud.journal.wait(1)
    assert re.search(r"job \S+: cancelled", chain.run("teardown"))
    output, _ = running.communicate(timeout=900)
    assert running.returncode == 1 and "was cancelled" in output
    assert chain.jobs == ["Canceled"]
    assert f"cluster {cluster}: deleted" in chain.run("teardown", "--everything")
    assert cluster not in azure.store.computes
    assert asked(azure, "teardown", f"name={chain.name}")["answer"]["lines"] == []
