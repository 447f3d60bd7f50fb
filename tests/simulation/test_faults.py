"""Faults of the machine: disks in memory, full ones, and processes that have ended."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from lib.errors import DataError
from lib.simulation import faults


def test_without_permission_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    def refuse(command, **options):
        raise subprocess.CalledProcessError(32, command, stderr="mount: must be superuser to use mount.\n")

    monkeypatch.setattr(faults.subprocess, "run", refuse)
    with pytest.raises(DataError, match=r"must be superuser to use mount\.\).*unshare --user --map-root-user --mount"):
        with faults.small_disk(tmp_path, 1):
            pass


def test_a_full_disk_takes_nothing_and_is_free_again(tmp_path):
    if not sys.platform.startswith("linux") or os.geteuid():
        pytest.skip("a disk in memory needs root on Linux")
    try:
        with faults.small_disk(tmp_path, 2):
            with faults.full_disk(tmp_path), pytest.raises(OSError):
                (tmp_path / "file").write_bytes(b"x" * 2**16)
            (tmp_path / "file").write_bytes(b"x" * 2**16)
            assert (tmp_path / "file").stat().st_size == 2**16
    except DataError as error:
        pytest.skip(str(error))
    assert not (tmp_path / "file").exists()


def test_a_signal_to_an_ended_process_is_no_error():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    process = psutil.Process(child.pid)
    assert faults.send_signal(process, signal.SIGKILL)
    child.wait(120)
    assert not faults.send_signal(process, signal.SIGKILL)
