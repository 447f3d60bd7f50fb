"""The loopback Azure for the tests, and client processes in front of it."""

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
GROUP = importlib.util.find_spec("azureml") and importlib.util.find_spec("azureml.core")
TIMEOUT_SECONDS = 1500


def pytest_collection_modifyitems(items):
    """Every test here has time enough on a busy machine."""
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))


@pytest.fixture(scope="session")
def azurite():
    """For tests that keep blobs: the loopback itself needs neither npm nor an SDK."""
    pytest.importorskip("azure.storage.blob", reason='it is missing: make install GROUPS="azure dev"')
    if not shutil.which("npm"):
        pytest.skip("npm is missing, which installs Azurite: nodejs.org")


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    """One Azure for all tests of a process: what starts it takes longer than most of them."""
    from tests.azure.loopback import LoopbackAzure

    with LoopbackAzure(tmp_path_factory.mktemp("loopback")) as cloud:
        yield cloud


class Session:
    """One test's view: its calls, its faults, its client processes."""

    def __init__(self, cloud, folder):
        self.cloud, self.folder = cloud, folder
        self.home = folder / "home"
        self.home.mkdir()
        self.faults, self.store = cloud.faults, cloud.store
        self.mark = cloud.journal.mark()
        self.broken = len(cloud.failures)

    @property
    def calls(self):
        return self.cloud.journal.since(self.mark)

    @property
    def environment(self):
        from tests.azure.loopback import names

        return self.cloud.environment(self.home) | {
            "LOOPBACK_WORKSPACE": names.WORKSPACE, "LOOPBACK_SUBSCRIPTION": names.SUBSCRIPTION,
            "LOOPBACK_RESOURCE_GROUP": names.RESOURCE_GROUP,
        }  # fmt: skip

    def start(self, *command, **overrides):
        """A process that sees this Azure and no other host, and has the SDKs."""
        if not GROUP:
            pytest.skip('azureml-core is missing: make install GROUPS="azure dev"')
        self.cloud.warm_up()
        given = {"cwd": self.folder, "env": self.environment, "text": True, "start_new_session": True}
        piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen([sys.executable, *map(str, command)], **given | piped | overrides)

    def client(self, name, *arguments, environment=None):
        """What a script of clients/ prints at its end, as JSON."""
        given = self.environment | (environment or {})
        process = self.start(CLIENTS / f"{name}.py", *arguments, env=given)
        output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        assert process.returncode == 0, f"{output[-6000:]}\n{self.complaints()}"
        # The SDK's dots may stand before it, and what a thread of the SDK's says at its end behind it.
        last = next(line for line in reversed(output.splitlines()) if '{"' in line)
        return json.loads(last[last.index("{") :])

    def complaints(self):
        found = self.cloud.journal.faults(self.calls) + self.cloud.failures[self.broken :]
        return "\n".join(found)

    def blob_of(self, uri):
        """Content of the one file behind ``azureml:<dataset>:<version>`` or a path of a datastore."""
        if "://" not in uri:
            _, name, version = uri.split(":")
            definition = json.loads(self.store.datasets[name]["versions"][int(version) - 1]["dataflow"])
            uri = re.search(r"azureml://[^\"\s]+", definition["meta"]["RsDataflow"])[0]
        [(container, path)] = self.cloud.registry.places(uri)
        return self.cloud.blobs.get(container, path)

    # What serves

    def endpoint(self, use_case):
        """The endpoint of a use case, None where there is none."""
        held = self.store.endpoints.values()
        return next((one for one in held if use_case in (one.body["tags"] or {}).values()), None)

    def live(self, use_case):
        """Model version behind each deployment with traffic."""
        endpoint = self.endpoint(use_case)
        models = {name: held.body["properties"]["model"] for name, held in endpoint.deployments.items()}
        traffic = endpoint.body["properties"]["traffic"]
        return {name: re.search(r"[:/](\d+)$", models[name])[1] for name, share in traffic.items() if share}

    def post(self, use_case, url, body):
        """Answer of an endpoint to somebody who has its key."""
        web = requests.Session()
        web.trust_env, web.verify = False, str(self.cloud.authority)
        web.proxies = {"https": self.cloud.url}
        key = self.endpoint(use_case).keys["primaryKey"]
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        answer = web.post(url, data=body, headers=headers, timeout=120)
        assert answer.status_code == 200, answer.text
        return answer

    def keeps_contract(self, scenario):
        """Compare what was called with contracts/<scenario>.txt."""
        from tests.azure.loopback import contract

        differences = "\n".join(contract.differences(self.calls, scenario))
        assert not differences, f"contracts/{scenario}.txt (write it anew with {contract.WRITE}=1):\n{differences}"


@pytest.fixture
def azure(cloud, tmp_path):
    """The Azure; the test fails where a call had no route or the loopback itself broke."""
    session = Session(cloud, tmp_path)
    yield session
    cloud.faults.clear()
    for run in list(cloud.store.runs.values()):
        if not run.ended:
            cloud.cancel(run)
    assert not session.complaints(), session.complaints()
