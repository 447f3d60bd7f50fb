"""Checks of ``options`` and ``hyperparameters`` against the code of the pipeline and of the training functions.

Names and types are read from the file of the pipeline or training function without importing it: importing pandas and
scikit-learn would take longer than all checks together.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib import catalogue, extensions, pipelines, training
from lib.errors import CodeError, suggest
from lib.extensions import find_extensions
from lib.metrics import custom
from lib.parameters.search_space import list_values
from lib.parameters.type_names import TYPES, has_type
from lib.paths import display_path


def find_option_faults(values: Mapping[str, Any]) -> list[str]:
    """Return a message for each option that is unknown, missing or of the wrong type."""
    pipeline, options = values.get("pipeline"), values.get("options") or {}
    if pipeline not in pipelines.available() or not isinstance(options, Mapping):
        return []
    file = _find_readable_source("lib.pipelines", pipeline, "pipeline")
    if file is None:
        return []
    known = read_class_options(file)
    faults = [
        f"options: {name} is not an option of {display_path(file)}. {suggest(name, known)}"
        for name in options
        if name not in known
    ]
    for name, kind in known.items():
        if name not in options:
            faults.append(
                f"options: {name} is missing, but {display_path(file)} needs it. Add {name}, of type {kind}, under "
                "options in your parameter file."
            )
        elif kind in TYPES and not has_type(options[name], kind):
            faults.append(f"options: {name} is {options[name]!r}; expected {kind}.")
    return faults


def find_metric_option_faults(values: Mapping[str, Any]) -> list[str]:
    """Return a message for each option of the customer's own metrics that is unknown or of the wrong type."""
    faults = []
    own = values.get("metrics") or {}
    for metric, options in own.items() if isinstance(own, Mapping) else ():
        if metric not in custom.names():
            continue  # the check of the names reports it
        if options is not None and not isinstance(options, Mapping):
            faults.append(f"metrics: {metric} is {options!r}; expected a mapping of its options, or {{}}.")
            continue
        extension = next(found for found in find_extensions(custom.PACKAGE) if found.name == metric)
        if extension.file is None or extensions.find_code_fault(extension.file, (), ""):
            continue
        known = read_keyword_arguments(extension.file, custom.FUNCTION)
        for name, value in (options or {}).items():
            if name not in known:
                faults.append(f"metrics: {extension.origin} has no option {name}. {suggest(name, known)}")
            elif not matches_annotation(value, known[name]):
                faults.append(f"metrics: {metric}.{name} is {value!r}; expected {known[name]}.")
    return faults


def find_hyperparameter_faults(values: Mapping[str, Any]) -> list[str]:
    """Return a message for each hyperparameter that is unknown or of the wrong type."""
    hyperparameters = values.get("hyperparameters") or {}
    if not isinstance(hyperparameters, Mapping):
        return []
    faults = []
    for function, settings in hyperparameters.items():
        if function not in training.available():
            continue  # the check of the names of parameters reports it
        if not isinstance(settings, Mapping):
            faults.append(f"hyperparameters: {function} is {settings!r}; expected a mapping such as {{max_iter: 200}}.")
            continue
        file = _find_readable_source("lib.training", function, "training function")
        if file is None:
            continue
        extension = catalogue.find_extension("lib.training", function, "training function")
        known = read_keyword_arguments(file, (extension.attribute if extension is not None else "") or "train")
        for name, value in settings.items():
            if name not in known:
                faults.append(f"hyperparameters: {display_path(file)} has no {name}. {suggest(name, known)}")
                continue
            faults += [
                f"hyperparameters: {function}.{name} is {each!r}; expected {known[name]}."
                for each in list_values(value, known[name])
                if not matches_annotation(each, known[name])
            ]
    return faults


def _find_readable_source(package: str, name: str, kind: str) -> Path | None:
    """Return the file of an entry; None if it cannot be parsed, which `_code_checks` or the import reports."""
    try:
        file = catalogue.find_source(package, name, kind)
        if file is not None:
            ast.parse(file.read_text(encoding="utf-8"))
    except (CodeError, SyntaxError, ValueError, OSError):
        return None
    return file


def read_class_options(file: Path) -> dict[str, str]:
    """Return the options that a pipeline file declares: the names and types in the ``OPTIONS`` of its class."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ClassDef):
            continue
        for statement in node.body:
            if isinstance(statement, ast.Assign):
                targets: list[ast.expr] = statement.targets
            elif isinstance(statement, ast.AnnAssign):
                targets = [statement.target]
            else:
                continue
            if "OPTIONS" in map(ast.unparse, targets) and isinstance(statement.value, ast.Dict):
                items = zip(statement.value.keys, statement.value.values, strict=True)
                return {ast.literal_eval(key): ast.unparse(value) for key, value in items if key is not None}
    return {}


def read_keyword_arguments(file: Path, function: str = "train") -> dict[str, str]:
    """Return the names of the keyword-only arguments of a function in a file, each with its annotation.

    An argument without an annotation has the type of its default.
    """
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            arguments = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            return {argument.arg: _get_argument_type(argument, default) for argument, default in arguments}
    return {}


def _get_argument_type(argument: ast.arg, default: ast.expr | None) -> str:
    """Return an argument's annotation, or else the type of its default; empty if the argument has neither."""
    if argument.annotation is not None:
        return ast.unparse(argument.annotation)
    if isinstance(default, ast.Constant) and default.value is not None:
        return type(default.value).__name__
    return ""


def matches_annotation(value: Any, annotation: str) -> bool:
    """Return whether a value has one of the types of an annotation; unknown types match every value.

    >>> matches_annotation(3, "int | None"), matches_annotation("3", "int | None")
    (True, False)
    >>> matches_annotation("3", "Sequence[str]")  # an unknown type
    True
    """
    kinds = [kind.strip() for kind in annotation.split("|")]
    if not all(kind in TYPES or kind == "None" for kind in kinds):
        return True
    return any(value is None if kind == "None" else has_type(value, kind) for kind in kinds)
