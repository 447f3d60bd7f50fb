"""Blue-green deployments on Azure by the deploy stage, and their rollback after failures."""

from collections import Counter

import pytest

pytest.importorskip("azure.ai.ml", reason='azure-ai-ml is missing: make install GROUPS="azure dev"')

from tests.azure.use_cases import call_backend

# A deployment takes half a minute, and several times as long on a busy machine.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("azurite"), pytest.mark.timeout(3600)]
FAILURES = {
    "deployment.failed": "the container crashed",
    "deployment.out_of_memory": "ran out of memory",
    "deployment.quota": "Request more on the Quotas page",
    "deployment.image_build_failed": "image could not be built",
    "deployment.never_ready": "has not finished after 20 seconds",
    "endpoint.unhealthy": "answered 502",
}


class UseCase:
    """A use case with two registered model versions."""

    def __init__(self, azure):
        self.azure, self.name = azure, f"rollout-{azure.first_call}"
        assert self.call("models")["result"]["versions"] == ["1", "2"]

    def call(self, operation, *assignments):
        """Run one operation of the backend for this use case."""
        return call_backend(self.azure, operation, f"name={self.name}", *assignments)

    def deploy(self, version, *assignments):
        return self.call(f"deploy:{version}", *assignments)["result"]

    @property
    def shares(self):
        traffic = self.azure.endpoint(self.name).body["properties"]["traffic"]
        return {name: share for name, share in traffic.items() if share}

    @property
    def deployments(self):
        return list(self.azure.endpoint(self.name).deployments)

    def count_responses(self, deployment, requests):
        """Send requests, and count how many each deployment answers."""
        responses = [self.azure.post(self.name, deployment["url"], deployment["request"]) for _ in range(requests)]
        return Counter(response.headers["azureml-model-deployment"] for response in responses)


@pytest.fixture
def use_case(azure):
    return UseCase(azure)


def test_traffic_is_shifted_and_rolled_back(azure, use_case):
    first = use_case.deploy(1)
    assert use_case.shares == {"blue": 100} and use_case.count_responses(first, 2) == {"blue": 2}
    second = use_case.deploy(2, "endpoint_traffic_percent=20")
    assert use_case.shares == {"blue": 80, "green": 20}
    assert use_case.count_responses(second, 10) == {"blue": 8, "green": 2}
    assert "blue 100 %, green 0 %" in use_case.call("roll_back")["result"]["detail"]
    assert use_case.shares == {"blue": 100}
    assert use_case.call("shift:0:10")["result"]["version"] == "1"
    assert azure.endpoint(use_case.name).body["properties"]["mirrorTraffic"] == {"green": 10}
    assert "only to a version without traffic" in use_case.call("shift:30:10")["message"]
    assert use_case.call("shift:70:0")["result"]["version"] == "2"
    assert use_case.call("shift:100:0")["result"]["version"] == "2"
    assert use_case.deployments == ["green"] and use_case.count_responses(second, 3) == {"green": 3}
    assert "has no second version deployed" in use_case.call("roll_back")["message"]
    azure.assert_matches_contract("rollout")
    assert use_case.call("teardown")["result"]["lines"] == [f"endpoint {use_case.name}: not deployed"]
    assert azure.endpoint(use_case.name) is None


def test_failed_deployments_are_rolled_back(azure, use_case):
    first = use_case.deploy(1)
    for fault, expected in FAILURES.items():
        azure.faults.in_service(fault)
        seconds = 20 if fault == "deployment.never_ready" else 600
        message = use_case.call("deploy:2", f"endpoint_timeout_seconds={seconds}")["message"]
        azure.faults.clear()
        assert expected in message and "blue keeps serving" in message
        assert use_case.shares == {"blue": 100} and use_case.deployments == ["blue"]
        assert "The end of the deployment's log" in message or fault in (
            "deployment.quota",
            "deployment.image_build_failed",
        )
    assert use_case.count_responses(first, 2) == {"blue": 2}
    use_case.deploy(2)
    assert azure.live_versions(use_case.name) == {"green": "2"} and use_case.deployments == ["green"]


def test_a_failed_first_deployment_leaves_no_endpoint(azure, use_case):
    azure.faults.in_service("endpoint.unhealthy")
    message = use_case.call("deploy:1")["message"]
    assert "answered 502" in message and "nothing is left running" in message
    assert azure.endpoint(use_case.name) is None


def test_requests_are_mirrored_before_the_traffic_moves(azure, use_case):
    use_case.deploy(1)
    use_case.deploy(2, "endpoint_mirror_percent=20")
    assert azure.live_versions(use_case.name) == {"green": "2"}
    requests = [entry.request for entry in azure.calls if entry.method == "PUT" and "mirrorTraffic" in entry.request]
    assert any('"mirrorTraffic": {"green": 20}' in request for request in requests)
