"""The environment of a run: signals, the module search path, and a home folder that cannot be written."""

import os
import signal
from pathlib import Path

import pytest

from lib.chain.environment import chain_environment
from lib.paths import ROOT


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return a home folder in which nothing exists yet."""
    monkeypatch.delenv("IPYTHONDIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_ipython_uses_its_own_folder_if_it_can(home):
    with chain_environment():
        assert "IPYTHONDIR" not in os.environ
        assert (home / ".ipython" / "profile_default").is_dir()


@pytest.mark.parametrize("variable", ["HOME", "IPYTHONDIR"])
def test_ipython_uses_a_temporary_folder_if_its_own_cannot_be_written(home, monkeypatch, variable):
    (home / "file").write_text("no folder can be created below a file")
    monkeypatch.setenv(variable, str(home / "file"))
    before = os.environ.get("IPYTHONDIR")
    with chain_environment():
        folder = Path(os.environ["IPYTHONDIR"])
        (folder / "profile_default").mkdir()
    assert not folder.exists() and os.environ.get("IPYTHONDIR") == before


def test_a_full_home_folder_is_not_used(home, monkeypatch):
    def refuse(**options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lib.chain.environment.tempfile.TemporaryFile", refuse)
    with chain_environment():
        assert Path(os.environ["IPYTHONDIR"]).is_dir()
    assert "IPYTHONDIR" not in os.environ


@pytest.fixture
def previous_handlers():
    """Restore the handlers of all signals that the test changes."""
    handlers = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield handlers
    for signum, handler in handlers.items():
        signal.signal(signum, handler)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGHUP")
class TestSignals:
    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
    def test_the_run_is_interrupted(self, home, previous_handlers, name):
        signum = getattr(signal, name)
        signal.signal(signum, signal.SIG_DFL)
        with chain_environment(), pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signum)
        assert signal.getsignal(signum) == signal.SIG_DFL

    def test_a_run_under_nohup_ignores_the_end_of_its_terminal(self, home, previous_handlers):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with chain_environment():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


@pytest.mark.parametrize("before", ["", "/elsewhere", str(ROOT), f"/elsewhere{os.pathsep}{ROOT}"])
def test_kernels_find_the_library_from_any_folder(home, monkeypatch, before):
    monkeypatch.setenv("PYTHONPATH", before)
    with chain_environment():
        folders = os.environ["PYTHONPATH"].split(os.pathsep)
    assert folders.count(str(ROOT)) == 1 and "" not in folders
    assert ("/elsewhere" in folders) == ("/elsewhere" in before)
