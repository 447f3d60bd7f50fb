"""Checks of the customer's modules that a use case names. They are parsed, not imported, before a kernel starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lib import catalogue, extensions
from lib.errors import CodeError


def find_code_faults(values: Mapping[str, Any]) -> list[str]:
    """Return a message for each module that a use case names and that cannot be used as it is written."""
    faults = []
    for package, name, kind, attribute, contents in _list_entries(values):
        if name not in catalogue.names(package):
            continue  # the check of the names of parameters reports it
        try:
            extension = catalogue.find_extension(package, name, kind)
        except CodeError as error:
            faults.append(str(error))
            continue
        if extension is not None and extension.file is not None:
            names = (attribute,) if attribute else ()
            faults.append(extensions.find_code_fault(extension.file, names, contents))
    return [fault for fault in faults if fault]


def _list_entries(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield package, name and kind of each entry, the name that its module must define, and a description of that."""
    if isinstance(values.get("pipeline"), str):
        yield "lib.pipelines", values["pipeline"], "pipeline", "", ""
    functions = values.get("training_functions")
    if isinstance(functions, list) and not values.get("automl"):
        for name in functions:
            if isinstance(name, str):
                yield "lib.training", name, "training function", "train", "function train(X, y, request)"
