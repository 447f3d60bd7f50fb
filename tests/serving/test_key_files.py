"""How the file of the keys is written and read."""

import logging
import os
import stat
from types import SimpleNamespace

import pytest

from lib.serving import keys
from lib.serving.deploying.endpoint import LocalEndpoint
from lib.serving.keys import KeyFile


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "keys.json"
    keys.create(path)
    return path


def test_keys_are_on_the_disk_before_they_replace_the_old_ones(path, monkeypatch):
    calls = []
    replace, sync = os.replace, os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: calls.append(os.fstat(file).st_size) or sync(file))
    monkeypatch.setattr(os, "replace", lambda *names: calls.append("replace") or replace(*names))
    keys.renew(path, "primary")
    assert calls == [path.stat().st_size, "replace"]


def test_file_and_lock_are_their_owners(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.with_name("keys.json.lock").stat().st_mode) & 0o077 == 0
    assert all(len(key) >= 43 for key in keys.read(path).values())


def test_file_is_read_once_until_it_changes(path, monkeypatch):
    reads = []
    read = keys.read
    monkeypatch.setattr(keys, "read", lambda path: reads.append(1) or read(path))
    key_file, key = KeyFile(path), read(path)["primary"]
    assert [key_file.admits(f"Bearer {key}") for _ in range(5)] == [True] * 5 and len(reads) == 1
    path.chmod(0o640)
    assert not key_file.admits(f"Bearer {key}")
    path.chmod(0o600)
    assert key_file.admits(f"Bearer {key}")


def test_each_trouble_with_the_file_is_logged_once(path, caplog):
    key_file, key = KeyFile(path), keys.read(path)["primary"]
    with caplog.at_level(logging.ERROR, "lib.serving.keys"):
        for _ in range(2):
            path.chmod(0o644)
            assert [key_file.admits(f"Bearer {key}") for _ in range(3)] == [False] * 3
            path.chmod(0o600)
            assert key_file.admits(f"Bearer {key}")
    assert [record.getMessage().count("other users can read it") for record in caplog.records] == [1, 1]


def test_file_is_looked_at_once_within_the_check_seconds(path, monkeypatch):
    """A new key is accepted at once all the same, and a replaced one no longer after this time."""
    now = 100.0
    monkeypatch.setattr(keys, "time", SimpleNamespace(monotonic=lambda: now))
    looks = []

    class CountingKeyFile(KeyFile):
        def _current(self):
            looks.append(1)
            return super()._current()

    key_file, old = CountingKeyFile(path, check_seconds=0.1), keys.read(path)["primary"]
    assert all(key_file.admits(f"Bearer {old}") for _ in range(5)) and len(looks) == 1
    new = keys.renew(path, "primary")["primary"]
    assert key_file.admits(f"Bearer {new}") and not key_file.admits(f"Bearer {old}")
    second = keys.renew(path, "primary")["primary"]
    now += 0.05
    assert key_file.admits(f"Bearer {new}"), "within the check seconds"
    now += 0.06
    assert not key_file.admits(f"Bearer {new}") and key_file.admits(f"Bearer {second}")


def test_renewal_of_an_endpoint_returns_when_the_old_key_is_refused(path):
    endpoint = LocalEndpoint(path.parent, "flights")
    key_file, old = KeyFile(path, keys.CHECK_SECONDS), keys.read(path)["primary"]
    assert key_file.admits(f"Bearer {old}")
    assert endpoint.renew_key("primary") != old
    assert not key_file.admits(f"Bearer {old}")
