"""A GPU has one training at a time; where there are several, each has its own."""

import subprocess
import sys
import threading

import pytest

from lib import gpu
from lib.paths import ROOT

_HOLD = "import sys; from lib import gpu\nwith gpu.one() as name:\n    print(name, flush=True); sys.stdin.readline()"


@pytest.fixture(autouse=True)
def locks_of_the_test(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(gpu.tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def holder():
    """Another process with a GPU, and how to make it let go."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def test_the_only_gpu_is_waited_for(monkeypatch, holder):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert holder.stdout.readline() == "cuda:0\n"
    got = threading.Event()

    def take():
        with gpu.one():
            got.set()

    threading.Thread(target=take, daemon=True).start()
    assert not got.wait(1)
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert got.wait(60)


def test_a_process_that_is_killed_lets_go(monkeypatch, holder):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    holder.stdout.readline()
    holder.kill()
    with gpu.one() as name:
        assert name == "cuda:0"


def test_of_several_each_training_has_its_own(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    with gpu.one() as first, gpu.one() as second:
        assert (first, second) == ("cuda:0", "cuda:1")


def test_the_lock_is_that_of_the_gpu_not_of_its_number_here(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    with gpu.one():
        pass
    assert [one.name.rpartition("-")[2] for one in tmp_path.glob("millrace-gpu-*")] == ["5.lock"]


@pytest.mark.parametrize(("chosen", "ids"), [("", []), ("-1", []), ("0, 2", ["0", "2"]), ("GPU-ab", ["GPU-ab"])])
def test_cuda_visible_devices_chooses(monkeypatch, chosen, ids):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert gpu.visible() == ids


def test_without_a_choice_all_that_the_system_shows(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name in ("nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    monkeypatch.setattr(gpu, "_DEVICES", tmp_path)
    assert gpu.visible() == ["2", "10"]
