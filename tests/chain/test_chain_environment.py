"""The environment of a run: kernels start where the home folder cannot be written."""

import os
from pathlib import Path

import pytest

from lib.chain.environment import chain_environment


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
