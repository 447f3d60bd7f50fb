"""Checks of the whole chain before a kernel starts, which take a fraction of a second."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lib import backends, outputs, pipelines
from lib.chain import failures
from lib.chain.notebooks import OVERRIDES, USE_CASE, Notebook
from lib.errors import ParameterError, suggest
from lib.parameters import SPECS, Layers, Parameters
from lib.parameters.type_names import TYPES, has_type
from lib.paths import display_path

TRAINING_FUNCTION, RUN_NAME = "training_function", "run_name"
_FROM_CHAIN = (TRAINING_FUNCTION, USE_CASE, OVERRIDES)


def checked(layers: Layers, notebooks: Sequence[Notebook]) -> Parameters:
    """Return the parameters, after checking that every notebook, pipeline and training function can use them.

    Raises
    ------
    ParameterError
        If any parameter is invalid. The message lists all faults.
    """
    faults: list[str] = []
    values: dict[str, Any] = {}
    try:
        values = pipelines.check_use_case(layers)
    except ParameterError as error:
        faults += error.faults
    faults += notebook_faults(notebooks) + _stage_faults({**layers.values, **values}, notebooks)
    if not faults:
        faults += backends.faults(Parameters(values))
    if faults:
        raise ParameterError(faults)
    return Parameters(values)


def notebook_faults(notebooks: Sequence[Notebook]) -> list[str]:
    """Return mismatches between notebooks: unknown names, inputs that nothing sets, outputs that nothing reads."""
    faults: list[str] = []
    published: set[str] = set()
    for position, notebook in enumerate(notebooks):
        later = notebooks[position + 1 :]
        faults += _parameter_faults(notebook, published) + _declaration_faults(notebook)
        faults += _output_faults(notebook, later)
        published |= set(notebook.outputs)
    return faults


def check_outputs(notebook: Notebook, executed: Path, published: Mapping[str, Any]) -> None:
    """Check that a notebook published exactly the outputs of its last cell, in the types that their readers declare.

    Raises
    ------
    StageFailed
        If an output is missing, unknown or of another type. The executed notebook gets the same message.
    """
    missing = [name for name in notebook.outputs if name not in published]
    path = display_path(notebook.path)
    if missing and not published:  # a cell that calls sys.exit ends a notebook without an error
        cause = f"{path} ended without publishing {', '.join(missing)}, perhaps because a cell called sys.exit"
        raise failures.from_cause(executed, "LeftEarly", cause)
    faults = [f"{name} is missing" for name in missing]
    for name, value in published.items():
        kind = notebook.outputs.get(name, "")
        if name not in notebook.outputs:
            faults.append(f"{name} is not one of its outputs. {suggest(name, notebook.outputs)}".rstrip("."))
        elif kind in TYPES and not has_type(value, kind):
            faults.append(f"{name} is {value!r}, and its reader expects {kind}")
    faults += outputs.faults(published)
    if faults:
        raise failures.from_cause(executed, "WrongOutput", f"{path} published wrong outputs: {'; '.join(faults)}")


def _parameter_faults(notebook: Notebook, published: set[str]) -> list[str]:
    """Return parameters of a notebook that nothing sets, or that have another type than the use case's."""
    path, known, faults = display_path(notebook.path), {*SPECS, *_FROM_CHAIN, *published}, []
    for name in notebook.parameters:
        if name not in known:
            faults.append(f"{path}: nothing sets the parameter {name}. {suggest(name, known)}")
        elif name in SPECS and notebook.types[name] != (kind := SPECS[name].type.__name__):
            faults.append(f"{path}: {name} is of type {kind}, not {notebook.types[name]}.")
    for name, value in notebook.parameters.items():
        kind = notebook.types[name]
        if kind in TYPES and value is not None and not has_type(value, kind):
            faults.append(f"{path}: the default of {name} is {value!r}; expected {kind}.")
    return faults


def _declaration_faults(notebook: Notebook) -> list[str]:
    """Return faults of ``PARAMETERS``, the parameters that the module of a notebook's stage declares to read."""
    if USE_CASE not in notebook.parameters:
        return []
    module = f"lib/stages/{notebook.stage}.py"
    if not notebook.reads:
        return [f"{display_path(notebook.path)}: {module} declares no PARAMETERS, the parameters that the stage reads."]
    faults = [
        f"{module}: PARAMETERS contains the unknown parameter {name}. {suggest(name, SPECS)}"
        for name in notebook.reads
        if name not in SPECS
    ]
    if OVERRIDES not in notebook.parameters:
        faults.append(f"{display_path(notebook.path)}: the parameters cell needs overrides = {{}} beside use_case.")
    return faults


def _output_faults(notebook: Notebook, later: Sequence[Notebook]) -> list[str]:
    """Return outputs that no later notebook reads, or whose readers expect different types."""
    path, faults = display_path(notebook.path), []
    for name, kind in notebook.outputs.items():
        others = {reader.types[name] for reader in later if name in reader.types} - {kind}
        if others:
            kinds = " and ".join([kind, *sorted(others)])
            faults.append(f"{path} publishes {name}, but its readers expect different types: {kinds}.")
    readable = {name for reader in later for name in reader.parameters}
    if readable:  # the outputs of the last notebook are the result of the chain
        for name in notebook.outputs:
            if name not in readable:
                faults.append(f"{path} publishes {name}, which no later notebook reads. {suggest(name, readable)}")
    return faults


def _stage_faults(values: Mapping[str, Any], notebooks: Sequence[Notebook]) -> list[str]:
    """Return faults of the parameters with a number for each stage: an unknown stage, or an invalid number."""
    stages, faults = [notebook.stage for notebook in notebooks], []
    for name, kind, lowest, expected in (
        ("timeout_minutes", (int, float), 0.01, "a number of minutes, at least 0.01"),
        ("retries", int, 0, "a whole number, at least 0"),
    ):
        by_stage = values.get(name) or {}
        for stage, value in by_stage.items() if isinstance(by_stage, Mapping) else ():
            if stage not in stages:
                faults.append(f"{name}: {stage} is not a stage. {suggest(stage, stages)}")
            elif isinstance(value, bool) or not isinstance(value, kind) or not lowest <= value < math.inf:
                faults.append(f"{name}: {stage} is {value!r}; expected {expected}.")
    return faults
