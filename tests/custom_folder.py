"""A folder ``custom/`` for a single test, in place of that of the checkout."""

import importlib
import sys
import textwrap

import pytest

from lib import extensions


class CustomFolder:
    """A temporary folder ``custom/``.

    Attributes
    ----------
    path : Path
    """

    def __init__(self, path):
        self.path = path

    def write(self, name, text):
        """Write a file of the folder, given with indentation, and return its path."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        importlib.invalidate_caches()
        return file


def _loaded_modules():
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "custom"}


@pytest.fixture
def custom(tmp_path, monkeypatch):
    """Return an empty folder ``custom/`` that the catalogues read instead of the checkout's."""
    folder = tmp_path / "project" / "custom"
    folder.mkdir(parents=True)
    monkeypatch.setattr(extensions, "CUSTOM_FOLDER", folder)
    monkeypatch.syspath_prepend(folder.parent)
    earlier_modules = _loaded_modules()
    for name in earlier_modules:
        del sys.modules[name]
    yield CustomFolder(folder)
    for name in _loaded_modules():
        del sys.modules[name]
    sys.modules.update(earlier_modules)
