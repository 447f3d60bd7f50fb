"""The installed packages that a model refers to: in its pickle, and in the customer's code that is saved with it."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.extensions import CUSTOM_PACKAGE
from lib.scoring.model import find_estimator_file

_PICKLE_START = b"\x80"  # of protocol 2 and later
_SKOPS_SCHEMA = "schema.json"


def find_model_packages(model_folder: Path) -> set[str]:
    """Return the names of the installed packages that a model refers to. Nothing of the model is loaded.

    A pickle contains the names of modules as texts: those of its classes, and those that a function uses which
    cloudpickle writes by value. A value that equals the name of a module, such as the category ``"six"``, adds its
    package, too.

    Parameters
    ----------
    model_folder : Path
        The folder that contains ``MLmodel``.
    """
    modules = {*_texts_in_estimator(find_estimator_file(model_folder)), *_imports_in_code(model_folder / "code")}
    packages_by_module = importlib.metadata.packages_distributions()
    return {package for module in modules for package in packages_by_module.get(module.partition(".")[0], ())}


def _texts_in_estimator(file: Path) -> Iterator[str]:
    """Yield the texts in the file of an estimator, a pickle or an archive of skops."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            yield from _texts_in_json(json.loads(archive.read(_SKOPS_SCHEMA)))
    else:
        yield from _texts_in_pickle(file.read_bytes())


def _texts_in_pickle(content: bytes) -> Iterator[str]:
    """Yield the texts in a pickle, and those in pickles that are values of it."""
    for opcode, argument, _ in pickletools.genops(content):
        if isinstance(argument, str):
            # The opcodes GLOBAL and INST have the module and the name in one text.
            yield argument.partition(" ")[0] if opcode.name in ("GLOBAL", "INST") else argument
        elif isinstance(argument, bytes | bytearray) and argument[:1] == _PICKLE_START:
            try:
                yield from list(_texts_in_pickle(bytes(argument)))
            except ValueError:  # the bytes only begin like a pickle
                continue


def _texts_in_json(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts_in_json(item)


def _imports_in_code(code: Path) -> Iterator[str]:
    """Yield the modules that the customer's code imports, also in functions."""
    for source in (code / CUSTOM_PACKAGE).rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module
