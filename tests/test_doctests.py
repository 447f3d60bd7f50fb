"""The examples in lib's docstrings."""

import doctest
import importlib

import pytest

from lib.paths import ROOT


def modules_with_examples():
    """Return the names of all modules in lib that contain an interactive example."""
    files = [file for file in sorted((ROOT / "lib").rglob("*.py")) if ">>> " in file.read_text(encoding="utf-8")]
    return [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]


@pytest.mark.parametrize("name", modules_with_examples())
def test_docstring_examples_run(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0, "the example is not in a docstring that doctest finds"
    assert result.failed == 0
