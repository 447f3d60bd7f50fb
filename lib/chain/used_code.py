"""The customer's code that one execution of a notebook uses: an edit of it makes `--reuse` run the notebook again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import extensions
from lib.backends import model_code
from lib.errors import CodeError
from lib.extensions import Extension

_CODE_SUFFIXES = (".py", ".ipynb")


@dataclass(frozen=True)
class UsedCode:
    """The customer's code that an execution uses.

    Attributes
    ----------
    files : tuple of Path
        Files in ``custom/``: modules, the modules that they import, and the data files beside them.
    packages : dict of str
        Version and source of each installed package that adds an entry, by a name for messages.
    """

    files: tuple[Path, ...]
    packages: dict[str, str]


def find_used_code(stage: str, values: Mapping[str, Any]) -> UsedCode:
    """Return the customer's code that an execution uses.

    Parameters
    ----------
    stage : str
    values : mapping
        The values that the results depend on; see `plan.Execution.result_dependencies`.
    """
    modules: set[str] = set()
    packages: dict[str, str] = {}
    for extension in _list_extensions(stage, values):
        if extension.file is not None:
            modules.add(extension.module)
        else:
            packages[f"the installed package of {extension.name}"] = extension.distribution
    files = {extensions.find_source(module) for module in _add_imports(modules) if module.startswith("custom")}
    if files:
        files |= {file for file in extensions.list_custom_files() if file.suffix not in _CODE_SUFFIXES}
    return UsedCode(tuple(sorted(file for file in files if file is not None)), packages)


def _add_imports(modules: set[str]) -> set[str]:
    """Return modules and those that they import; a faulty module, which fails when it is used, ends the search."""
    try:
        return model_code.add_imported_modules(modules)
    except CodeError:
        return modules


def _list_extensions(stage: str, values: Mapping[str, Any]) -> Iterator[Extension]:
    """Yield the customer's entries that an execution uses by name."""
    pipeline = _find("lib.pipelines", values.get("pipeline"))
    if pipeline is not None:
        yield pipeline
    function = _find("lib.training", values.get("training_function"))
    if function is not None:
        yield function


def _find(package: str, name: Any) -> Extension | None:
    """Return the customer's entry of a name; None if Millrace itself has it, or if nobody has."""
    matches = [extension for extension in extensions.find_extensions(package) if extension.name == name]
    return matches[0] if matches else None
