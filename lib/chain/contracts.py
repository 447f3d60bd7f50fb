"""Checks of parameters and notebooks before the first kernel starts, and of the outputs that notebooks publish."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lib import backends, extensions, outputs, pipelines
from lib.chain import failures, own_stages
from lib.chain.notebooks import OVERRIDES, USE_CASE, Notebook, read_declaration
from lib.errors import ParameterError, suggest
from lib.parameters import SPECS, Layers, Parameters
from lib.parameters.type_names import TYPES, has_type
from lib.paths import display_path

TRAINING_FUNCTION, RUN_NAME = "training_function", "run_name"
_SET_BY_CHAIN = (TRAINING_FUNCTION, USE_CASE, OVERRIDES)


def resolve_parameters(layers: Layers, notebooks: Sequence[Notebook]) -> Parameters:
    """Resolve the parameters, and check that every notebook, pipeline and training function can use them.

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
    faults += own_stages.find_placement_faults(layers.values.get("stages"), notebooks)
    faults += find_notebook_faults(notebooks) + _find_stage_faults({**layers.values, **values}, notebooks)
    if not faults:
        faults += backends.faults(Parameters(values))
    if faults:
        raise ParameterError(faults)
    return Parameters(values)


def find_notebook_faults(notebooks: Sequence[Notebook]) -> list[str]:
    """Return a sentence for each mismatch between notebooks, such as a parameter that nothing sets."""
    faults: list[str] = []
    published: set[str] = set()
    for position, notebook in enumerate(notebooks):
        later_notebooks = notebooks[position + 1 :]
        if notebook.is_own:
            faults += find_own_stage_faults(notebook)
        faults += _find_parameter_faults(notebook, published, later_notebooks) + _find_declaration_faults(notebook)
        faults += _find_output_faults(notebook, later_notebooks)
        published |= set(notebook.outputs)
    return faults


def _find_later_publisher(name: str, notebooks: Sequence[Notebook]) -> str:
    """Return the stage of the first of some notebooks that publishes an output; empty if none does."""
    return next((notebook.stage for notebook in notebooks if name in notebook.outputs), "")


def check_outputs(notebook: Notebook, executed: Path, published: Mapping[str, Any]) -> None:
    """Check that a notebook published the outputs that its last cell names, in the types that later notebooks declare.

    Parameters
    ----------
    notebook : Notebook
    executed : Path
        Its executed copy, which gets the message of a failure.
    published : mapping
        The published outputs, by name.

    Raises
    ------
    StageFailed
        If an output is missing, unknown or of another type.
    """
    missing = [name for name in notebook.outputs if name not in published]
    path = display_path(notebook.path)
    if missing and not published:  # a cell that calls sys.exit ends a notebook without an error
        cause = f"{path} ended without publishing {', '.join(missing)}, perhaps because a cell called sys.exit"
        raise failures.from_cause(executed, "LeftEarly", cause)
    faults = [f"{name} is missing" for name in missing]
    for name, value in published.items():
        type_name = notebook.outputs.get(name, "")
        if name not in notebook.outputs:
            faults.append(f"{name} is not an output of the last cell. {suggest(name, notebook.outputs)}".rstrip("."))
        elif type_name in TYPES and not has_type(value, type_name):
            faults.append(f"{name} is {value!r}, but a later notebook expects {type_name}")
    faults += outputs.faults(published)
    if faults:
        raise failures.from_cause(executed, "WrongOutput", f"{path} published wrong outputs: {'; '.join(faults)}")


def _find_parameter_faults(notebook: Notebook, published: set[str], later_notebooks: Sequence[Notebook]) -> list[str]:
    """Return a sentence for each parameter of a notebook that nothing sets, or whose type or default is wrong."""
    path, known_names, faults = display_path(notebook.path), {*SPECS, *_SET_BY_CHAIN, *published}, []
    for name in notebook.parameters:
        if name not in known_names and (publisher := _find_later_publisher(name, later_notebooks)):
            faults.append(
                f"{path}: the parameter {name} is an output of {publisher}, which runs later. Place the stage after "
                f"{publisher}."
            )
        elif name not in known_names:
            faults.append(f"{path}: nothing sets the parameter {name}. {suggest(name, known_names)}")
        elif name in SPECS and notebook.types[name] != (type_name := SPECS[name].type.__name__):
            faults.append(f"{path}: {name} is declared as {notebook.types[name]}; expected {type_name}.")
    for name, value in notebook.parameters.items():
        type_name = notebook.types[name]
        if type_name in TYPES and value is not None and not has_type(value, type_name):
            faults.append(f"{path}: the default of {name} is {value!r}; expected {type_name}.")
    return faults


def _find_declaration_faults(notebook: Notebook) -> list[str]:
    """Return what is wrong with ``PARAMETERS``, the list of parameters that the module of a stage reads."""
    if USE_CASE not in notebook.parameters:
        return []
    module = notebook.module
    if not notebook.declared_parameters and not _declares_none(notebook):
        return [f"{display_path(notebook.path)}: {module} lacks PARAMETERS, a tuple of the parameters that it reads."]
    faults = [
        f"{module}: PARAMETERS contains the unknown parameter {name}. {suggest(name, SPECS)}"
        for name in notebook.declared_parameters
        if name not in SPECS
    ]
    if OVERRIDES not in notebook.parameters:
        faults.append(f"{display_path(notebook.path)}: the parameters cell needs overrides = {{}} beside use_case.")
    return faults


def _declares_none(notebook: Notebook) -> bool:
    """Return whether one of the customer's stages declares that it reads no parameters besides the common ones."""
    module = notebook.path.with_suffix(".py")
    return notebook.is_own and read_declaration(module, "PARAMETERS") is not None


def find_own_stage_faults(notebook: Notebook) -> list[str]:
    """Return what is wrong with the module of one of the customer's stages."""
    types = [type_name for type_name in notebook.outputs.values() if type_name and type_name not in TYPES]
    faults = [f"{notebook.module}: OUTPUTS has the type {name}; expected one of {', '.join(TYPES)}." for name in types]
    path = notebook.path.with_suffix(".py")
    if USE_CASE not in notebook.parameters and not path.is_file():
        return faults
    if not path.is_file():
        return [*faults, f"{display_path(notebook.path)} needs a module {notebook.module} with PARAMETERS and run()."]
    fault = extensions.find_code_fault(path, ("run",), "function run(pipeline, parameters)")
    return [*faults, fault] if fault else faults


def _find_output_faults(notebook: Notebook, later_notebooks: Sequence[Notebook]) -> list[str]:
    """Return a sentence for each output that no later notebook reads, or whose declared types differ."""
    path, faults = display_path(notebook.path), []
    for name, type_name in notebook.outputs.items():
        other_types = {reader.types[name] for reader in later_notebooks if name in reader.types} - {type_name}
        if other_types:
            types = " and ".join([type_name, *sorted(other_types)])
            faults.append(f"{path} publishes {name}, but later notebooks expect different types of it: {types}.")
    readable = {name for reader in later_notebooks for name in reader.parameters}
    # The outputs of the last notebook are the result of the chain, and a stage of the customer may have results, too.
    is_last = notebook.is_own or all(reader.is_own for reader in later_notebooks)
    if not is_last:
        for name in notebook.outputs:
            if name not in readable:
                faults.append(f"{path} publishes {name}, which no later notebook reads. {suggest(name, readable)}")
    return faults


def _find_stage_faults(values: Mapping[str, Any], notebooks: Sequence[Notebook]) -> list[str]:
    """Return a sentence for each unknown stage and each invalid number in ``timeout_minutes`` and ``retries``."""
    stages, faults = [notebook.stage for notebook in notebooks], []
    for name, number_type, minimum, expected in (
        ("timeout_minutes", (int, float), 0.01, "a number of minutes, at least 0.01"),
        ("retries", int, 0, "a whole number, at least 0"),
    ):
        by_stage = values.get(name) or {}
        for stage, value in by_stage.items() if isinstance(by_stage, Mapping) else ():
            if stage not in stages:
                faults.append(f"{name}: {stage} is not a stage. {suggest(stage, stages)}")
            elif isinstance(value, bool) or not isinstance(value, number_type) or not minimum <= value < math.inf:
                faults.append(f"{name}: {stage} is {value!r}; expected {expected}.")
    return faults
