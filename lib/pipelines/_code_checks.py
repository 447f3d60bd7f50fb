"""Checks of the customer's modules that a use case names. They are parsed, not imported, before a kernel starts."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from lib import catalogue, extensions
from lib.errors import CodeError, suggest
from lib.metrics import custom


def find_code_faults(values: Mapping[str, Any]) -> list[str]:
    """Return a message for each module that a use case names and that cannot be used as it is written."""
    faults = []
    for package, name, kind, attribute, contents in _list_entries(values):
        if name not in catalogue.names(package):
            if package == "lib.features":  # the check of the names of parameters reports the others
                known = suggest(name, catalogue.names(package))
                faults.append(f"pipeline: its hook features names {name!r}, which is not in custom/features/. {known}")
            continue
        try:
            extension = catalogue.find_extension(package, name, kind)
        except CodeError as error:
            faults.append(str(error))
            continue
        if extension is not None and extension.file is not None:
            names = (attribute,) if attribute else ()
            faults.append(extensions.find_code_fault(extension.file, names, contents))
    return [fault for fault in [*faults, *_list_metric_faults(values)] if fault]


def _list_metric_faults(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message for each of the customer's own metrics that lacks its function or its direction."""
    own = values.get("metrics") or {}
    names = {*(own if isinstance(own, Mapping) else ()), values.get("primary_metric")}
    for extension in extensions.find_extensions(custom.PACKAGE):
        if extension.name in names and extension.file is not None:
            contents = f"function {custom.FUNCTION}(truth, predictions, rows)"
            fault = extensions.find_code_fault(extension.file, (custom.FUNCTION,), contents)
            direction = "GREATER_IS_BETTER; set it to True if a higher value is better, or else to False"
            yield fault or extensions.find_code_fault(extension.file, (custom.DIRECTION,), direction)


def _read_feature_names(pipeline: str) -> list[str]:
    """Return the names that the hook ``features`` of a customer's pipeline is written to return, or to be."""
    extension = next((found for found in extensions.find_extensions("lib.pipelines") if found.name == pipeline), None)
    if extension is None or extension.file is None or extensions.find_code_fault(extension.file, (), ""):
        return []
    names: list[str] = []
    for node in ast.walk(ast.parse(extension.file.read_text(encoding="utf-8"))):
        value: ast.expr | None = None
        if isinstance(node, ast.FunctionDef) and node.name == "features" and len(node.args.args) == 1:
            returned = [part.value for part in ast.walk(node) if isinstance(part, ast.Return)]
            value = returned[0] if len(returned) == 1 else None
        elif isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["features"]:
            value = node.value
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
            names.append(value.value)
    return names


def _list_entries(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield package, name and kind of each entry, the name that its module must define, and a description of that."""
    if isinstance(values.get("pipeline"), str):
        yield "lib.pipelines", values["pipeline"], "pipeline", "", ""
        for name in _read_feature_names(values["pipeline"]):
            yield "lib.features", name, "module of features", "", ""
    if values.get("automl") and isinstance(values.get("automl_engine"), str):
        contents = "function search(X, y, X_test, request, report)"
        yield "lib.automl", values["automl_engine"], "automl_engine", "search", contents
    functions = values.get("training_functions")
    if isinstance(functions, list) and not values.get("automl"):
        for name in functions:
            if isinstance(name, str):
                yield "lib.training", name, "training function", "train", "function train(X, y, request)"
