"""The fork server: children, their exit codes, and the end of all when the parent closes the channel."""

import os
import resource
import signal
import sys
from types import SimpleNamespace

import pytest

from lib.forkserver import PID, ForkedProcess, ForkServer
from lib.forkserver.server import can_fork
from tests.processes import has_ended

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are forked on Linux only")
MODULE = """
import os
import sys


class Target:
    def __init__(self, forks):
        self.can_fork = forks == "forks"
        self.facts = {"path": sys.path, "arguments": [forks]}
        self.count = 0

    def before_fork(self):
        self.count += 1

    def serve(self, connection):
        while order := connection.recv(100).decode():
            if order == "count":
                connection.sendall(str(self.count).encode())
            elif order == "raise":
                raise ValueError("as ordered")
            else:
                sys.exit(int(order))


def load(forks):
    return Target(forks)
"""


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a server of the module above."""
    (tmp_path / "target.py").write_text(MODULE)
    servers = []

    def start_server(argument="forks"):
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        servers.append(ForkServer("target", [argument], environment=environment, log=tmp_path / "log.txt"))
        return servers[-1]

    yield start_server
    for server in servers:
        server.terminate()


def test_server_announces_its_facts(start, tmp_path):
    ready = start().wait_until_ready()
    assert ready.can_fork and ready.facts["arguments"] == ["forks"]
    assert ready.facts["path"][0] == str(tmp_path)
    assert not any(entry.rstrip("/").endswith("/lib") for entry in ready.facts["path"])


@pytest.fixture
def many_descriptors():
    """Keep more descriptors open than `select` can watch, as a router with thousands of connections does."""
    count = 1100
    soft_limit, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard_limit != resource.RLIM_INFINITY and hard_limit < count + 100:
        pytest.skip("this user may not open so many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft_limit, count + 100), hard_limit))
    descriptors = [os.open(os.devnull, os.O_RDONLY) for _ in range(count)]
    yield
    for descriptor in descriptors:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft_limit, hard_limit))


def test_server_of_a_process_with_many_connections(start, many_descriptors):
    """Descriptors above 1023 neither end the server nor hide the end of a child."""
    server = start()
    assert server.wait_until_ready().can_fork
    process = ForkedProcess(server)
    assert process.poll() is None
    process.connection.sendall(b"3")
    assert process.wait(60) == 3
    process.close()


@pytest.mark.parametrize(("order", "code"), [("", 0), ("3", 3), ("raise", 1)])
def test_exit_code_is_reported(start, tmp_path, order, code):
    process = ForkedProcess(start())
    assert process.poll() is None
    process.connection.sendall(order.encode()) if order else process.connection.close()
    assert process.wait(60) == code == process.poll()
    assert ("ValueError: as ordered" in (tmp_path / "log.txt").read_text()) is (order == "raise")
    process.close()


def test_signal_is_reported_as_negative_exit_code(start):
    process = ForkedProcess(start())
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    process.close()


def test_target_prepares_each_fork(start):
    server = start()
    counts = []
    for _ in range(2):
        process = ForkedProcess(server)
        process.connection.sendall(b"count")
        counts.append(process.connection.recv(100))
        process.connection.close()
        process.wait(60)
        process.close()
    assert counts == [b"1", b"2"]


def test_target_that_must_not_fork_serves_in_the_server(start):
    server = start("alone")
    assert not server.wait_until_ready().can_fork
    connection, _ = server.fork()
    with connection:
        assert PID.unpack(connection.recv(PID.size)) == (server.process.pid,)
        connection.sendall(b"count")
        assert connection.recv(100) == b"0"


def test_children_end_when_their_connections_close(start):
    server = start()
    process = ForkedProcess(server)
    server.terminate()
    process.connection.close()
    assert process.wait(60) is not None and has_ended(server.process.pid)
    process.close()


def test_server_that_fails_to_load_is_noticed(start, tmp_path):
    (tmp_path / "target.py").write_text("raise RuntimeError('broken module')")
    server = start()
    assert server.wait_until_ready() is None
    with pytest.raises(ConnectionError):
        ForkedProcess(server)
    assert "broken module" in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize("name", ["can_fork", "forks"])  # the second one in the code of older models
def test_both_names_of_the_flag_are_read(name):
    assert can_fork(SimpleNamespace(**{name: True})) and not can_fork(SimpleNamespace(**{name: False}))
