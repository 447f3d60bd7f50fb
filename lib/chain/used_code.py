"""The customer's code that one execution of a notebook uses: an edit of it makes `--reuse` run the notebook again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import extensions
from lib.backends import model_code
from lib.errors import CodeError
from lib.extensions import Extension

_OTHER_SUFFIXES = (".py", ".ipynb", ".md", ".yml")
_PIN = "millrace.yaml"  # written by `run_all.py new` and `upgrade`
_STAGES_WITH_FEATURES = ("train", "automl")


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
        files |= {file for file in extensions.list_custom_files() if _is_data(file)}
    return UsedCode(tuple(sorted(file for file in files if file is not None)), packages)


def _is_data(file: Path) -> bool:
    """Return whether a file of ``custom/`` may be read by a module: it is neither code nor about the project."""
    folder = file.relative_to(extensions.CUSTOM_FOLDER).parts[0]
    return file.suffix not in _OTHER_SUFFIXES and file.name != _PIN and folder != "tests"


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
    own_stage = _find("lib.stages", stage)
    if own_stage is not None:
        yield own_stage
    function = _find("lib.training", values.get("training_function"))
    if function is not None:
        yield function
    for name in {*(values.get("metrics") or {}), values.get("primary_metric")}:
        if (metric := _find("lib.metrics", name)) is not None:
            yield metric
    engine = _find("lib.automl", values.get("automl_engine"))
    if engine is not None and stage == "automl":
        yield engine
    if stage in _STAGES_WITH_FEATURES and pipeline is not None:
        yield from _list_features(pipeline, values.get("options") or {})


def _list_features(pipeline: Extension, options: Mapping[str, Any]) -> Iterator[Extension]:
    """Yield the modules of features whose names occur in a pipeline's text or in its options.

    The hook ``features`` returns a name. It is not called, because that would import the pipeline.
    """
    source = pipeline.find_source()
    text = source.read_text(encoding="utf-8") if source is not None else ""
    for extension in extensions.find_extensions("lib.features"):
        if source is None or extension.name in options.values() or re.search(rf"[\"']{extension.name}[\"']", text):
            yield extension


def _find(package: str, name: Any) -> Extension | None:
    """Return the customer's entry of a name; None if Millrace itself has it, or if nobody has."""
    matches = [extension for extension in extensions.find_extensions(package) if extension.name == name]
    return matches[0] if matches else None
