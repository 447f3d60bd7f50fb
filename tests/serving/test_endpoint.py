"""The life of an endpoint: versions come and go behind one URL, and whatever fails leaves the old one be."""

import contextlib
import itertools
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
from lib.scoring.model_folder import digest
from lib.serving.deploying.endpoint import LocalEndpoint
from tests.processes import has_ended
from tests.served_models import Client

# The models are saved once for all files of this folder, so these stay on one worker.

ROOT = Path(lib.__file__).parents[1]
DEPLOY = """
import os, signal, sys
from lib.serving.deploying.endpoint import LocalEndpoint

endpoint = LocalEndpoint(sys.argv[1], "flights")
"""


def run_elsewhere(script, *arguments):
    """Run a script in a process of its own, and wait for its end."""
    command = [sys.executable, "-c", DEPLOY + script, *arguments]
    return subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}).returncode


def processes(endpoint):
    """All living processes of an endpoint."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(
            word.startswith(str(endpoint.folder)) for word in words
        ):
            found.append(process.pid)
    return found


def unchanged(endpoint, before):
    """Whether an endpoint serves as it did, by the same processes, and has no others."""
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
def load(url, key):
    """Steady load: two clients that keep their connection and one that does not; gives counts by outcome."""
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
    """Version 1, deployed by a process that has ended since."""
    assert run_elsewhere("endpoint.deploy(sys.argv[2], '1')", endpoint.folder, models / "classifier") == 0
    return endpoint


def version(endpoint):
    return Client(endpoint.status().url, endpoint.keys()["primary"]).ask()[1]["model"]["version"]


def test_it_outlives_the_process_that_started_it(live):
    status = live.status()
    assert (status.state, status.version) == ("running", "1") and version(live) == "1"
    assert os.getsid(status.pid) == status.pid


@pytest.mark.slow
def test_redeployment_under_load_fails_no_request(models, live):
    before, checked = live.status(), []
    with load(before.url, live.keys()["primary"]) as counts:
        wait_until(lambda: counts.get("1", 0) > 20)

        def check(url, key):
            checked.append(Client(url, key).ask()[1]["model"]["version"])
            assert "2" not in counts

        after = live.deploy(models / "classifier", "2", check=check)
        wait_until(lambda: counts.get("2", 0) > 20)
    assert checked == ["2"] and counts.keys() == {"1", "2"}
    # The version before stands by, in the same endpoint process.
    assert (after.url, after.pid, after.version) == (before.url, before.pid, "2")
    assert "version 1 stands by" in after.other_version


def test_interrupted_check_leaves_the_old_version_alone_and_nobody_else_deploys_meanwhile(models, live):
    before = live.status()

    def check(url, key):
        with pytest.raises(EndpointError, match=f"endpoint flights is being .* by process {os.getpid()}, since"):
            LocalEndpoint(live.folder, "flights").deploy(models / "classifier", "other", timeout_seconds=0.1)
        with pytest.raises(EndpointError, match=f"endpoint flights is being .* by process {os.getpid()}, since"):
            LocalEndpoint(live.folder, "flights").stop()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        live.deploy(models / "classifier", "bad", check=check)
    assert unchanged(live, before) and version(live) == before.version
    assert not list((live.folder / "deployments").glob("bad*"))


def test_model_that_dies_at_the_start_is_told_with_its_log(models, live, tmp_path):
    before = live.status()
    shutil.copytree(models / "classifier", tmp_path / "broken")
    (tmp_path / "broken" / "model.pkl").write_bytes(b"no pickle")
    with pytest.raises(EndpointError, match="(?s)Version broken did not start.*UnpicklingError"):
        live.deploy(tmp_path / "broken", "broken")
    assert unchanged(live, before)


def test_changed_model_is_never_unpickled(models, live, tmp_path):
    expected = digest(models / "classifier")
    shutil.copytree(models / "classifier", tmp_path / "changed")
    with (tmp_path / "changed" / "model.pkl").open("ab") as file:
        file.write(b"!")
    before = live.status()
    with pytest.raises(EndpointError, match=f"not the one that was registered.*{expected}"):
        live.deploy(tmp_path / "changed", "changed", sha256=expected)
    assert unchanged(live, before)


def test_deployer_that_is_killed_leaves_no_process_behind(models, live):
    before = live.status()
    script = "endpoint.deploy(sys.argv[2], 'x', check=lambda *_: os.kill(os.getpid(), signal.SIGKILL))"
    assert run_elsewhere(script, live.folder, models / "classifier") == -signal.SIGKILL
    wait_until(lambda: unchanged(live, before))


def test_after_a_kill_it_says_so_and_comes_back_under_the_same_url(models, live):
    before = live.status()
    os.kill(before.pid, signal.SIGKILL)
    wait_until(lambda: live.status().state == "died")
    assert live.status().pid is None
    after = live.deploy(models / "classifier", "4")
    assert (after.state, after.url, after.version) == ("running", before.url, "4")


def test_stop_ends_it_and_can_be_said_twice(live):
    pid = live.status().pid
    assert live.stop().state == "stopped" and live.stop().state == "stopped"
    assert processes(live) == [] and has_ended(pid)


def test_pid_of_another_program_is_left_alone(live):
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        folder = live.folder / "deployments" / "old"
        folder.mkdir(parents=True)
        (folder / "process.json").write_text(f'{{"pid": {bystander.pid}}}')
        assert live.stop().state == "stopped" and bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_busy_port_is_told_before_anything_is_started(models, tmp_path):
    endpoint = LocalEndpoint(tmp_path / "endpoint", "busy")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(EndpointError, match=rf"port {port}.*process {os.getpid()}.*-p endpoint_port=0"):
            endpoint.deploy(models / "classifier", "1", port=port)
    assert not list(endpoint.folder.glob("deployments/*")) and not endpoint.log.exists()
    assert endpoint.status().state == "never deployed" and endpoint.keys() == {} and endpoint.logs() == ""


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 0), ("127.0.0.1", 70_000)])
def test_address_that_cannot_be_had(models, tmp_path, host, port):
    with pytest.raises(EndpointError, match="endpoint_host"):
        LocalEndpoint(tmp_path, "nowhere").deploy(models / "classifier", "1", host=host, port=port)


def test_long_log_is_cut(tmp_path):
    endpoint = LocalEndpoint(tmp_path, "logs")
    endpoint.log.write_text("\n".join(map(str, itertools.islice(itertools.count(), 100))))
    assert endpoint.logs(2) == "98\n99"
