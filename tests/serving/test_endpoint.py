"""The life of an endpoint: versions change behind one URL, and a failed deployment leaves the live one alone."""

import contextlib
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

import lib
from lib.errors import EndpointError
from lib.scoring.model_folder import compute_digest
from lib.serving.deploying.endpoint import LocalEndpoint
from tests.processes import has_ended
from tests.served_models import ROW, Client

ROOT = Path(lib.__file__).parents[1]
DEPLOY = """
import os, signal, sys
from lib.serving.deploying.endpoint import LocalEndpoint

endpoint = LocalEndpoint(sys.argv[1], "flights")
"""


def run_elsewhere(script, *arguments):
    """Run a script in another process, wait for its end, and return its exit code."""
    command = [sys.executable, "-c", DEPLOY + script, *arguments]
    return subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode


def processes(endpoint):
    """Return the ids of an endpoint's running processes."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(
            word.startswith(str(endpoint.folder)) for word in words
        ):
            found.append(process.pid)
    return found


def unchanged(endpoint, before):
    """Return whether an endpoint serves as before, with the same processes and no others."""
    after = endpoint.status()
    known = {after.pid, *after.workers}
    templates = {psutil.Process(worker).ppid() for worker in after.workers}
    same = (after.version, after.url) == (before.version, before.url) and set(after.workers) <= set(before.workers)
    return same and set(processes(endpoint)) - templates <= known


def wait_until(true, seconds=20):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.contextmanager
def steady_load(url, key):
    """Send requests from three clients, one of which reconnects each time; yield counts by outcome."""
    counts, stop = {}, threading.Event()

    def ask(keep):
        client = Client(url, key)
        while not stop.is_set():
            if not keep:
                client = Client(url, key)
            try:
                status, content, _ = client.ask()
                outcome = status if status != 200 else content["model"]["version"]
            except Exception as error:
                outcome = repr(error)
                client = Client(url, key)
            counts[outcome] = counts.get(outcome, 0) + 1

    threads = [threading.Thread(target=ask, args=[keep]) for keep in (True, True, False)]
    for thread in threads:
        thread.start()
    try:
        yield counts
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.fixture(scope="module")
def live(models, endpoint):
    """Return an endpoint whose version 1 was deployed by a process that has ended."""
    assert run_elsewhere("endpoint.deploy(sys.argv[2], '1')", endpoint.folder, models / "classifier") == 0
    return endpoint


def version(endpoint):
    return Client(endpoint.status().url, endpoint.keys()["primary"]).ask()[1]["model"]["version"]


def test_endpoint_outlives_the_process_that_deployed_it(live):
    status = live.status()
    assert (status.state, status.version) == ("running", "1") and version(live) == "1"
    assert os.getsid(status.pid) == status.pid


@pytest.mark.slow
def test_redeployment_under_load_fails_no_request(models, live):
    before, checked = live.status(), []
    with steady_load(before.url, live.keys()["primary"]) as counts:
        wait_until(lambda: counts.get("1", 0) > 20)

        def check(url, key):
            checked.append(Client(url, key).ask()[1]["model"]["version"])
            assert "2" not in counts

        after = live.deploy(models / "classifier", "2", check=check)
        wait_until(lambda: counts.get("2", 0) > 20)
    assert checked == ["2"] and counts.keys() == {"1", "2"}
    # The previous version stands by in the same router.
    assert (after.url, after.pid, after.version) == (before.url, before.pid, "2")
    assert "version 1 stands by" in after.other_version


def test_interrupted_check_leaves_the_live_version_alone(models, live):
    before = live.status()
    in_use = f"process {os.getpid()}, since .* is deploying, changing or stopping the endpoint flights"

    def check(url, key):
        with pytest.raises(EndpointError, match=in_use):
            LocalEndpoint(live.folder, "flights").deploy(models / "classifier", "other", timeout_seconds=0.1)
        with pytest.raises(EndpointError, match=in_use):
            LocalEndpoint(live.folder, "flights").stop()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        live.deploy(models / "classifier", "bad", check=check)
    assert unchanged(live, before) and version(live) == before.version
    assert not list((live.folder / "deployments").glob("bad*"))


def test_failed_start_shows_the_log(models, live, tmp_path):
    before = live.status()
    shutil.copytree(models / "classifier", tmp_path / "broken")
    (tmp_path / "broken" / "model.pkl").write_bytes(b"no pickle")
    with pytest.raises(EndpointError, match="(?s)Version broken did not start.*UnpicklingError"):
        live.deploy(tmp_path / "broken", "broken")
    assert unchanged(live, before)


def test_changed_model_is_never_unpickled(models, live, tmp_path):
    expected = compute_digest(models / "classifier")
    shutil.copytree(models / "classifier", tmp_path / "changed")
    with (tmp_path / "changed" / "model.pkl").open("ab") as file:
        file.write(b"!")
    before = live.status()
    with pytest.raises(EndpointError, match=f"not the one that was registered.*{expected}"):
        live.deploy(tmp_path / "changed", "changed", sha256=expected)
    assert unchanged(live, before)


def test_killed_deployment_leaves_no_process(models, live):
    before = live.status()
    script = "endpoint.deploy(sys.argv[2], 'x', check=lambda *_: os.kill(os.getpid(), signal.SIGKILL))"
    assert run_elsewhere(script, live.folder, models / "classifier") == -signal.SIGKILL
    wait_until(lambda: unchanged(live, before))


def test_killed_endpoint_returns_under_the_same_url(models, live):
    before = live.status()
    os.kill(before.pid, signal.SIGKILL)
    wait_until(lambda: live.status().state == "died")
    assert live.status().pid is None
    after = live.deploy(models / "classifier", "4")
    assert (after.state, after.url, after.version) == ("running", before.url, "4")


def test_stop_can_be_repeated(live):
    pid = live.status().pid
    assert live.stop().state == "stopped" and live.stop().state == "stopped"
    assert processes(live) == [] and has_ended(pid)


def test_stop_leaves_other_programs_alone(live):
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        folder = live.folder / "deployments" / "old"
        folder.mkdir(parents=True)
        (folder / "process.json").write_text(f'{{"pid": {bystander.pid}}}')
        assert live.stop().state == "stopped" and bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_port_in_use_fails_before_anything_starts(models, tmp_path):
    endpoint = LocalEndpoint(tmp_path / "endpoint", "busy")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(EndpointError, match=rf"port {port}.*process {os.getpid()}.*-p endpoint_port=0"):
            endpoint.deploy(models / "classifier", "1", port=port)
    assert not list(endpoint.folder.glob("deployments/*")) and not endpoint.log.exists()
    assert endpoint.status().state == "never deployed" and endpoint.keys() == {} and endpoint.logs() == ""


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 0), ("127.0.0.1", 70_000)])
def test_invalid_address_is_refused(models, tmp_path, host, port):
    with pytest.raises(EndpointError, match="endpoint_host"):
        LocalEndpoint(tmp_path, "nowhere").deploy(models / "classifier", "1", host=host, port=port)


def test_logs_returns_the_last_lines(tmp_path):
    endpoint = LocalEndpoint(tmp_path, "logs")
    endpoint.log.write_text("\n".join(map(str, itertools.islice(itertools.count(), 100))))
    assert endpoint.logs(2) == "98\n99"


class TestStart:
    @pytest.fixture
    def stopped(self, models, tmp_path):
        """Return an endpoint that was stopped, and its status before."""
        endpoint = LocalEndpoint(tmp_path / "endpoint", "flights")
        sha256 = compute_digest(models / "classifier")
        endpoint.deploy(models / "classifier", "7", sha256=sha256, workers=1, allowed_hosts=["models.example"])
        before = endpoint.status()
        endpoint.stop()
        yield endpoint, before
        endpoint.stop()

    def test_start_brings_version_port_keys_and_settings_back(self, stopped):
        endpoint, before = stopped
        assert "endpoint start flights" in endpoint.status().detail
        keys = endpoint.keys()
        after = endpoint.start()
        assert (after.state, after.url, after.version, endpoint.keys()) == ("running", before.url, "7", keys)
        client = Client(after.url, keys["secondary"])
        assert client.ask(Host="models.example")[0] == 200 and client.ask(Host="evil.example")[0] == 421
        assert endpoint.start().pid == after.pid and len(endpoint.status().workers) == 1

        # As after a restart of the machine: the router did not note that it ended.
        os.kill(after.pid, signal.SIGKILL)
        wait_until(lambda: endpoint.status().state == "died")
        again = endpoint.start()
        assert (again.url, again.version) == (before.url, "7") and version(endpoint) == "7"

    def test_changed_copy_is_not_started(self, stopped):
        endpoint, _ = stopped
        (model,) = endpoint.folder.glob("deployments/*/model")
        (model / "baseline.json").write_text("{}")
        with pytest.raises(EndpointError, match="not the one that was registered"):
            endpoint.start()
        assert endpoint.status().state == "stopped"
        wait_until(lambda: processes(endpoint) == [])  # the router notices that nothing is live


@pytest.mark.slow
class TestFaults:
    """Faults of processes, each with a model whose `predict` or whose loading hangs."""

    @pytest.fixture
    def hanging(self, models, tmp_path):
        """Return the folder of a model that starts a child and hangs if the column `note` says so."""
        import cloudpickle
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer

        from lib.scoring.model import load_model

        def hang(rows):
            if "hang" in set(rows["note"]):
                if os.fork() == 0:
                    time.sleep(300)
                time.sleep(300)
            return rows

        shutil.copytree(models / "classifier", tmp_path / "hanging")
        steps = load_model(models / "classifier").estimator.steps
        with (tmp_path / "hanging" / "model.pkl").open("wb") as file:
            cloudpickle.dump(make_pipeline(FunctionTransformer(hang), *(step for _, step in steps)), file)
        return tmp_path / "hanging"

    @pytest.fixture
    def hung(self, hanging, tmp_path):
        """Return an endpoint of which one worker hangs, and the thread of the client."""
        endpoint = LocalEndpoint(tmp_path / "endpoint", "flights")
        endpoint.deploy(hanging, "1", timeout_seconds=120)
        client = Client(endpoint.status().url, endpoint.keys()["primary"])
        answers = []
        body = json.dumps({"data": [{**ROW, "note": "hang"}]})
        thread = threading.Thread(target=lambda: answers.append(_status_of(client, body)))
        thread.start()
        wait_until(lambda: len(processes(endpoint)) > 4)  # the router, the loader, two workers and the child
        yield endpoint, answers, thread
        thread.join()
        endpoint.stop()

    def test_stop_leaves_no_hung_worker(self, hung):
        endpoint, answers, thread = hung
        began = time.monotonic()
        assert endpoint.stop().state == "stopped" and time.monotonic() - began < 25
        thread.join()
        wait_until(lambda: processes(endpoint) == [])
        assert answers == [503]

    def test_killed_router_leaves_no_hung_worker(self, hung):
        endpoint, answers, thread = hung
        os.kill(endpoint.status().pid, signal.SIGKILL)
        wait_until(lambda: processes(endpoint) == [])
        thread.join()
        assert answers == [None]

    def test_hung_worker_is_replaced_after_the_time_limit(self, hanging, tmp_path):
        endpoint = LocalEndpoint(tmp_path / "endpoint", "flights")
        endpoint.deploy(hanging, "1", timeout_seconds=20)
        client = Client(endpoint.status().url, endpoint.keys()["primary"])
        try:
            for _ in range(2):
                body = json.dumps({"data": [{**ROW, "note": "hang"}]})
                assert client.ask(body=body)[0] == 504 and client.ask()[0] == 200
            wait_until(lambda: len(endpoint.status().workers) == 2)
            assert len(processes(endpoint)) == 4 and "supervision" not in endpoint.status().detail
        finally:
            endpoint.stop()

    def test_killed_deployment_stops_loading(self, models, hanging, tmp_path):
        endpoint = LocalEndpoint(tmp_path / "endpoint", "flights")
        before = endpoint.deploy(models / "classifier", "1")
        (hanging / "code" / "lib" / "scoring" / "worker.py").write_text("import time\ntime.sleep(300)\n")
        deployment = subprocess.Popen(
            [sys.executable, "-c", DEPLOY + "endpoint.deploy(sys.argv[2], 'x')", endpoint.folder, hanging],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            wait_until(lambda: _loads(endpoint, "x-"))
            deployment.kill()
            deployment.wait()
            wait_until(lambda: not _loads(endpoint, "x-"))
            assert unchanged(endpoint, before) and version(endpoint) == "1"
        finally:
            endpoint.stop()


def _status_of(client, body):
    """Return the status of an answer; None if the endpoint closed the connection."""
    try:
        return client.ask(body=body)[0]
    except (ConnectionError, http.client.HTTPException):
        return None


def _loads(endpoint, deployment):
    """Return whether a process loads the model of a deployment."""
    folder = f"{endpoint.folder}/deployments/{deployment}"
    return any(word.startswith(folder) for pid in processes(endpoint) for word in _command_line(pid))


def _command_line(pid):
    try:
        return psutil.Process(pid).cmdline()
    except psutil.Error:
        return []
