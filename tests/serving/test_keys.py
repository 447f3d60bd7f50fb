"""The file of the keys: renewals one after the other, whole or not at all."""

import json
import multiprocessing
import os
import signal
import stat
import threading

import pytest

from lib.serving import keys
from lib.serving.keys import KeyFile


@pytest.fixture
def path(tmp_path):
    keys.create(tmp_path / "keys.json")
    return tmp_path / "keys.json"


def test_renewals_at_once_bring_no_key_back(path):
    """Of two renewals at once, one used to write back the key that the other had replaced."""
    for _ in range(15):
        before = keys.read(path)
        renewals = [threading.Thread(target=keys.renew, args=(path, name)) for name in keys.NAMES]
        for renewal in renewals:
            renewal.start()
        for renewal in renewals:
            renewal.join()
        assert not set(before.values()) & set(keys.read(path).values())


def test_two_processes_create_the_same_keys(tmp_path):
    results = []
    creations = [threading.Thread(target=lambda: results.append(keys.create(tmp_path / "keys.json"))) for _ in range(8)]
    for creation in creations:
        creation.start()
    for creation in creations:
        creation.join()
    assert len({tuple(result.values()) for result in results}) == 1


def test_leftover_of_a_killed_renewal_does_no_harm(path):
    for name in ("keys.json.new", f"keys.json.{os.getpid()}"):
        (path.parent / name).write_text('{"primary": "old", "secon')
    renewed = keys.renew(path, "primary")
    assert keys.read(path) == renewed
    assert {file.name for file in path.parent.iterdir()} <= {"keys.json", "keys.json.lock"}


def _renew_for_ever(path):
    while True:
        keys.renew(path, "primary")


def test_killed_renewals_leave_a_whole_file(path):
    secondary = keys.read(path)["secondary"]
    for attempt in range(10):
        process = multiprocessing.get_context("fork").Process(target=_renew_for_ever, args=(path,))
        process.start()
        process.join(0.02 + 0.005 * attempt)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert keys.read(path)["secondary"] == secondary
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.renew(path, "secondary")["secondary"] != secondary


class TestKeyFile:
    def test_both_keys_are_admitted_and_a_renewed_one_is_not(self, path):
        file = KeyFile(path)
        primary, secondary = keys.read(path).values()
        assert file.admits(f"Bearer {primary}") and file.admits(f"bearer  {secondary}")
        keys.renew(path, "secondary")
        assert file.admits(f"Bearer {primary}") and not file.admits(f"Bearer {secondary}")

    @pytest.mark.parametrize(
        "header", [None, "", "Bearer", "Bearer ", "Basic {key}", "{key}", "Bearer {key}x", "Bearer é"]
    )
    def test_other_headers_are_not(self, path, header):
        key = keys.read(path)["primary"]
        assert not KeyFile(path).admits(header and header.format(key=key))

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
    def test_file_that_others_can_read_admits_nobody(self, path, mode, caplog):
        file, key = KeyFile(path), keys.read(path)["primary"]
        path.chmod(mode)
        assert not any(file.admits(f"Bearer {key}") for _ in range(100))
        assert len(caplog.records) == 1  # requests do not fill the log
        path.chmod(0o600)
        assert file.admits(f"Bearer {key}")

    @pytest.mark.parametrize(
        "content",
        [
            {"primary": "", "secondary": ""},
            {"primary": None, "secondary": None},
            {"primary": "x"},
            [],
        ],
    )
    def test_empty_and_missing_keys_admit_nobody(self, path, content):
        path.write_text(json.dumps(content))
        assert not any(KeyFile(path).admits(header) for header in ("Bearer ", "Bearer", "Bearer None", "Bearer x"))

    def test_deleted_file_admits_nobody(self, path):
        file, key = KeyFile(path), keys.read(path)["primary"]
        assert file.admits(f"Bearer {key}")
        path.unlink()
        assert not file.admits(f"Bearer {key}")
