"""Ports, the start after a stop, systemd units and the rotation of the log, without starting processes."""

import os
import socket
import stat
from types import SimpleNamespace

import pytest

from lib.backends.local.backend import LocalBackend
from lib.chain.run_folder import make_folder
from lib.errors import EndpointError
from lib.serving.deploying import listener as listener_module
from lib.serving.deploying import systemd_unit
from lib.serving.deploying.endpoint import LocalEndpoint
from lib.serving.deploying.listener import open_listener
from lib.serving.deploying.status import read_status
from lib.serving.server import connection_limit, log_rotation


@pytest.fixture
def taken():
    """Return a port that another program uses: this one."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


class TestPort:
    @pytest.mark.parametrize("requested", ["any", "the same"])
    @pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
    def test_remembered_port_that_is_taken_is_refused(self, taken, monkeypatch, requested, host):
        monkeypatch.setattr(listener_module, "RELEASE_SECONDS", 0.1)
        latest = {"host": "127.0.0.1", "port": taken}
        with pytest.raises(EndpointError, match=rf"port {taken}, .*process {os.getpid()}.*-p endpoint_port=\d+"):
            open_listener(host, 0 if requested == "any" else taken, {}, latest)

    def test_remembered_port_is_used_again(self, taken):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with open_listener("127.0.0.1", 0, {}, {"host": "127.0.0.1", "port": port}) as opened:
            assert opened.getsockname()[1] == port

    def test_other_port_is_used_if_it_is_named(self, taken):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with open_listener("127.0.0.1", port, {}, {"host": "127.0.0.1", "port": taken}) as opened:
            assert opened.getsockname()[1] == port


class TestStart:
    def test_endpoint_without_deployment_cannot_start(self, tmp_path):
        with pytest.raises(EndpointError, match="No version of flights was ever deployed here. Run the chain"):
            LocalEndpoint(tmp_path, "flights").start()

    def test_missing_copy_is_told(self, tmp_path):
        endpoint = LocalEndpoint(tmp_path, "flights")
        version = {"deployment": "7-abc", "model_name": "flights", "version": "7", "sha256": None}
        endpoint._save({"stable": version, "percent": 0, "host": "127.0.0.1", "port": 1, "pid": None})
        with pytest.raises(EndpointError, match="copy of version 7 is gone.*--from deploy"):
            endpoint.start()

    @pytest.mark.parametrize("record", [{"stopped": True}, {}])
    def test_status_says_how_to_start(self, tmp_path, record):
        record = {"stable": {"version": "7"}, "percent": 0, "url": "http://x/score", **record}
        status = read_status("flights", tmp_path / "log", record, None)
        assert status.state in ("stopped", "died") and "endpoint start flights" in status.detail


class TestSystemdUnit:
    @pytest.fixture
    def systemctl(self, tmp_path, monkeypatch):
        """Put a program systemctl on the path that notes its arguments; return the file of the notes."""
        programs = tmp_path / "bin"
        programs.mkdir()
        notes = tmp_path / "notes"
        (programs / "systemctl").write_text(f'#!/bin/sh\necho "$@" >> {notes}\n')
        (programs / "systemctl").chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
        monkeypatch.setattr(systemd_unit, "_BOOTED", tmp_path)
        return notes

    def test_unit_is_written_and_enabled(self, tmp_path, systemctl):
        folder = tmp_path / 'a "folder" at 100 % $HOME'
        unit = systemd_unit.enable(folder, "flights late")
        assert unit.parent == tmp_path / "config" / "systemd" / "user"
        text = unit.read_text()
        assert '\\"folder\\" at 100 %% $$HOME" "flights late" "start"' in text and "WantedBy=default.target" in text
        assert systemctl.read_text().splitlines() == ["--user daemon-reload", f"--user enable {unit.name}"]
        assert systemd_unit.enable(tmp_path / "other", "flights late") != unit

    def test_refusal_of_systemd_is_told(self, tmp_path, systemctl):
        program = tmp_path / "bin" / "systemctl"
        program.write_text("#!/bin/sh\necho no bus >&2\nexit 1\n")
        with pytest.raises(EndpointError, match="daemon-reload failed: no bus"):
            systemd_unit.enable(tmp_path, "flights")

    def test_machine_without_systemd_is_told(self, tmp_path, systemctl, monkeypatch):
        monkeypatch.setattr(systemd_unit, "_BOOTED", tmp_path / "none")
        with pytest.raises(EndpointError, match=r"does not run systemd.*restart .* flights start"):
            systemd_unit.enable(tmp_path, "flights")
        assert not (tmp_path / "config").exists()


def test_log_is_rotated_while_it_is_open(tmp_path, monkeypatch):
    monkeypatch.setattr(log_rotation, "MAX_LOG_BYTES", 100)
    log = tmp_path / "endpoint.log"
    with log.open("ab", buffering=0) as output:
        output.write(b"a" * 100)
        log_rotation.rotate(log)
        assert log.stat().st_size == 100
        output.write(b"b")
        log_rotation.rotate(log)
        output.write(b"c")
    assert log.read_bytes() == b"c" and (tmp_path / "endpoint.log.1").read_bytes() == b"a" * 100 + b"b"


def test_descriptors_are_reserved_for_the_workers(monkeypatch):
    limits = []
    monkeypatch.setattr(connection_limit.resource, "getrlimit", lambda _: (1024, 1024))
    monkeypatch.setattr(connection_limit.resource, "setrlimit", lambda _, new: limits.append(new))
    assert connection_limit.raise_descriptor_limit() == 1024 - 128 and limits == [(1024, 1024)]
    monkeypatch.setattr(connection_limit.resource, "getrlimit", lambda _: (1024, 1_048_576))
    assert connection_limit.raise_descriptor_limit() == connection_limit.MAX_CONNECTIONS
    assert limits[-1][0] >= connection_limit.MAX_CONNECTIONS + 128


def test_workspace_and_runs_are_for_their_owner_only(tmp_path):
    old = os.umask(0o022)
    try:
        LocalBackend(SimpleNamespace(workspace=str(tmp_path / "workspace")))
        make_folder(tmp_path / "runs", "flights")
    finally:
        os.umask(old)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("workspace", "runs")]
    assert modes == [0o700, 0o700]
