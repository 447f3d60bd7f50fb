"""One training at a time on each GPU."""

import subprocess
import sys
import threading

import pytest

from lib import gpu
from lib.paths import ROOT

_RESERVE_GPU = """
import sys
from lib import gpu
with gpu.reserve() as device:
    print(device, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def lock_folder(tmp_path, monkeypatch):
    """Keep the lock files of each test in a folder of its own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(gpu.tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def other_process():
    """Start a process that reserves a GPU until it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", _RESERVE_GPU], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def test_reserve_waits_for_the_only_gpu(monkeypatch, other_process):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert other_process.stdout.readline() == "cuda:0\n"
    reserved = threading.Event()

    def reserve():
        with gpu.reserve():
            reserved.set()

    threading.Thread(target=reserve, daemon=True).start()
    assert not reserved.wait(1)
    other_process.stdin.write("\n")
    other_process.stdin.flush()
    assert reserved.wait(60)


def test_killed_process_releases_its_gpu(monkeypatch, other_process):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    other_process.stdout.readline()
    other_process.kill()
    with gpu.reserve() as device:
        assert device == "cuda:0"


def test_two_trainings_get_different_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    with gpu.reserve() as first, gpu.reserve() as second:
        assert (first, second) == ("cuda:0", "cuda:1")


def test_lock_file_is_named_after_the_gpu_id(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    with gpu.reserve():
        pass
    assert [path.name.rpartition("-")[2] for path in tmp_path.glob("millrace-gpu-*")] == ["5.lock"]


@pytest.mark.parametrize(("chosen", "ids"), [("", []), ("-1", []), ("0, 2", ["0", "2"]), ("GPU-ab", ["GPU-ab"])])
def test_cuda_visible_devices_limits_the_gpus(monkeypatch, chosen, ids):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert gpu.list_visible_ids() == ids


def test_all_gpus_are_visible_by_default(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name in ("nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.setattr(gpu, "_DEVICES", tmp_path)
    assert gpu.list_visible_ids() == ["2", "10"]
