"""An endpoint on Azure as the product's deploy stage writes it: blue and green, taken back where it fails."""

from collections import Counter

import pytest

pytest.importorskip("azureml.core", reason='azureml-core is missing: make install GROUPS="azure dev"')

from tests.azure.use_cases import asked

# A deployment copies a model, starts a server and asks it: half a minute, and several times as long on a busy machine.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("azurite"), pytest.mark.timeout(3600)]
FAILURES = {
    "deployment.failed": "its container crashed",
    "deployment.out_of_memory": "ran out of memory",
    "deployment.quota": "Ask for more on the page Quotas",
    "deployment.image_build_failed": "image could not be built",
    "deployment.never_ready": "was not ready after 20 seconds",
    "endpoint.unhealthy": "answered 502",
}


class UseCase:
    """Two registered versions of one model."""

    def __init__(self, azure):
        self.azure, self.name = azure, f"rollout-{azure.mark}"
        assert self.ask("models")["answer"]["versions"] == ["1", "2"]

    def ask(self, what, *assignments):
        return asked(self.azure, what, f"name={self.name}", *assignments)

    def deploy(self, version, *assignments):
        return self.ask(f"deploy:{version}", *assignments)["answer"]

    @property
    def shares(self):
        traffic = self.azure.endpoint(self.name).body["properties"]["traffic"]
        return {name: share for name, share in traffic.items() if share}

    @property
    def deployments(self):
        return list(self.azure.endpoint(self.name).deployments)

    def answers_of(self, deployed, times):
        """Which deployment answered how many of some requests."""
        posts = [self.azure.post(self.name, deployed["url"], deployed["request"]) for _ in range(times)]
        return Counter(post.headers["azureml-model-deployment"] for post in posts)


@pytest.fixture
def use_case(azure):
    return UseCase(azure)


def test_a_new_version_gets_a_share_that_is_raised_or_rolled_back(azure, use_case):
    first = use_case.deploy(1)
    assert use_case.shares == {"blue": 100} and use_case.answers_of(first, 2) == {"blue": 2}
    second = use_case.deploy(2, "endpoint_traffic=20")
    assert use_case.shares == {"blue": 80, "green": 20}
    assert use_case.answers_of(second, 10) == {"blue": 8, "green": 2}
    assert "blue 100 %, green 0 %" in use_case.ask("roll_back")["answer"]["detail"]
    assert use_case.shares == {"blue": 100}
    assert use_case.ask("shift:0:10")["answer"]["version"] == "1"
    assert azure.endpoint(use_case.name).body["properties"]["mirrorTraffic"] == {"green": 10}
    assert "only to a version without traffic" in use_case.ask("shift:30:10")["message"]
    assert use_case.ask("shift:70:0")["answer"]["version"] == "2"
    assert use_case.ask("shift:100:0")["answer"]["version"] == "2"
    assert use_case.deployments == ["green"] and use_case.answers_of(second, 3) == {"green": 3}
    assert "has no second version deployed" in use_case.ask("roll_back")["message"]
    azure.keeps_contract("rollout")
    assert use_case.ask("teardown")["answer"]["lines"] == [f"endpoint {use_case.name}: not deployed"]
    assert azure.endpoint(use_case.name) is None


def test_what_fails_is_taken_back_and_the_version_before_serves_on(azure, use_case):
    first = use_case.deploy(1)
    for fault, told in FAILURES.items():
        azure.faults.in_service(fault)
        seconds = 20 if fault == "deployment.never_ready" else 600
        message = use_case.ask("deploy:2", f"endpoint_timeout_seconds={seconds}")["message"]
        azure.faults.clear()
        assert told in message and "blue serves on as before" in message
        assert use_case.shares == {"blue": 100} and use_case.deployments == ["blue"]
        assert "The end of its log" in message or fault in ("deployment.quota", "deployment.image_build_failed")
    assert use_case.answers_of(first, 2) == {"blue": 2}
    use_case.deploy(2)
    assert azure.live(use_case.name) == {"green": "2"} and use_case.deployments == ["green"]


def test_a_first_version_that_does_not_answer_leaves_nothing_behind(azure, use_case):
    azure.faults.in_service("endpoint.unhealthy")
    message = use_case.ask("deploy:1")["message"]
    assert "answered 502" in message and "nothing is left running" in message
    assert azure.endpoint(use_case.name) is None


def test_a_new_version_is_shown_requests_before_it_answers_any(azure, use_case):
    use_case.deploy(1)
    use_case.deploy(2, "endpoint_mirror=20")
    assert azure.live(use_case.name) == {"green": "2"}
    written = [entry.request for entry in azure.calls if entry.method == "PUT" and "mirrorTraffic" in entry.request]
    assert any('"mirrorTraffic": {"green": 20}' in one for one in written)
