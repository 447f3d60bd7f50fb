"""The loopback Azure for the tests, and client processes that use it."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

CLIENTS = Path(__file__).with_name("clients")
HAS_SDK = importlib.util.find_spec("azure") and importlib.util.find_spec("azure.ai")
SDK_MODULES = {"v1": "azureml.core", "v2": "azure.ai.ml"}
TIMEOUT_SECONDS = 1500


def pytest_collection_modifyitems(items):
    """Give every test in this folder a timeout for busy machines."""
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))


@pytest.fixture(scope="session")
def azurite():
    """Skip tests that store blobs if Azurite is not available. The loopback itself needs neither npm nor an SDK."""
    pytest.importorskip("azure.storage.blob", reason='it is missing: make install GROUPS="azure dev"')
    if not shutil.which("npm"):
        pytest.skip("npm is missing, which installs Azurite: nodejs.org")


@pytest.fixture(params=SDK_MODULES)
def sdk(request):
    """Run a test with each SDK: the values of the parameter azure_sdk."""
    pytest.importorskip(SDK_MODULES[request.param], reason='it is missing: make install GROUPS="azure azure-v1 dev"')
    return request.param


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    """Start one loopback Azure per process, because starting it takes longer than most tests."""
    from tests.azure.loopback import LoopbackAzure

    with LoopbackAzure(tmp_path_factory.mktemp("loopback")) as cloud:
        yield cloud


class Session:
    """The loopback Azure as seen by one test: its calls, its faults and its client processes.

    Parameters
    ----------
    cloud : LoopbackAzure
    folder : Path
    """

    def __init__(self, cloud, folder):
        self.cloud, self.folder = cloud, folder
        self.home = folder / "home"
        self.home.mkdir()
        self.faults, self.store = cloud.faults, cloud.store
        self.first_call = cloud.journal.mark()
        self._earlier_failures = len(cloud.failures)

    @property
    def calls(self):
        """The calls since the start of the test."""
        return self.cloud.journal.since(self.first_call)

    @property
    def environment(self):
        """The environment variables of client processes."""
        from tests.azure.loopback import names

        return self.cloud.environment(self.home) | {
            "LOOPBACK_WORKSPACE": names.WORKSPACE, "LOOPBACK_SUBSCRIPTION": names.SUBSCRIPTION,
            "LOOPBACK_RESOURCE_GROUP": names.RESOURCE_GROUP,
        }  # fmt: skip

    def start(self, *command, **overrides):
        """Start a Python process with the SDKs that can reach no host but this Azure."""
        if not HAS_SDK:
            pytest.skip('azure-ai-ml is missing: make install GROUPS="azure dev"')
        self.cloud.warm_up()
        options = {
            "cwd": self.folder, "env": self.environment, "text": True, "start_new_session": True,
            "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT,
        }  # fmt: skip
        return subprocess.Popen([sys.executable, *map(str, command)], **options | overrides)

    def client(self, name, *arguments, environment=None):
        """Run a script of clients/ and return the JSON that it prints at the end."""
        variables = self.environment | (environment or {})
        process = self.start(CLIENTS / f"{name}.py", *arguments, env=variables)
        output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        assert process.returncode == 0, f"{output[-6000:]}\n{self.problems()}"
        # The SDK may print dots before the JSON, and its threads may print lines after it.
        last_json = next(line for line in reversed(output.splitlines()) if '{"' in line)
        return json.loads(last_json[last_json.index("{") :])

    def problems(self):
        """Describe the calls without a route and the failures of the loopback itself."""
        return "\n".join(self.cloud.journal.faults(self.calls) + self.cloud.failures[self._earlier_failures :])

    def read_blob(self, uri):
        """Read the single file of a dataset (``azureml:<dataset>:<version>``) or at a path of a datastore."""
        if "://" not in uri:
            _, name, version = uri.split(":")
            if name in self.store.data:  # SDK version 2
                [(container, path)] = self.cloud.registry.blob_locations(self.store.data[name][version]["dataUri"])
                return self.cloud.blobs.get(container, path)
            definition = json.loads(self.store.datasets[name]["versions"][int(version) - 1]["dataflow"])
            uri = re.search(r"azureml://[^\"\s]+", definition["meta"]["RsDataflow"])[0]
        [(container, path)] = self.cloud.registry.blob_locations(uri)
        return self.cloud.blobs.get(container, path)

    def endpoint(self, use_case):
        """Return the stored endpoint of a use case, or None."""
        endpoints = self.store.endpoints.values()
        return next((stored for stored in endpoints if use_case in (stored.body["tags"] or {}).values()), None)

    def live_versions(self, use_case):
        """Return the model version of each deployment with traffic."""
        endpoint = self.endpoint(use_case)
        models = {name: deployment.body["properties"]["model"] for name, deployment in endpoint.deployments.items()}
        traffic = endpoint.body["properties"]["traffic"]
        return {name: re.search(r"[:/](\d+)$", models[name])[1] for name, share in traffic.items() if share}

    def post(self, use_case, url, body):
        """Send a request with the endpoint's key, and return the response."""
        web = requests.Session()
        web.trust_env, web.verify = False, str(self.cloud.authority)
        web.proxies = {"https": self.cloud.url}
        key = self.endpoint(use_case).keys["primaryKey"]
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        response = web.post(url, data=body, headers=headers, timeout=120)
        assert response.status_code == 200, response.text
        return response

    def assert_matches_contract(self, scenario):
        """Compare the calls of the test with contracts/<scenario>.txt."""
        from tests.azure.loopback import contract

        differences = "\n".join(contract.differences(self.calls, scenario))
        assert not differences, f"contracts/{scenario}.txt (write it anew with {contract.WRITE}=1):\n{differences}"


@pytest.fixture
def azure(cloud, tmp_path):
    """Provide a session; the test fails if a call had no route or the loopback itself failed."""
    session = Session(cloud, tmp_path)
    yield session
    cloud.faults.clear()
    for run in list(cloud.store.runs.values()):
        if not run.ended:
            cloud.cancel(run)
    assert not session.problems(), session.problems()
