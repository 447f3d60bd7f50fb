"""Checks of the whole chain before a kernel starts, which take a fraction of a second.

The options of a pipeline and the hyperparameters of a training function are read from the text of its file. Importing
it would import pandas and scikit-learn, which takes longer than all checks together.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lib import backends, outputs, pipelines, training
from lib.chain import failures
from lib.chain.notebooks import OVERRIDES, USE_CASE, Notebook
from lib.errors import ParameterError, suggest
from lib.parameters import SPECS, Layers, Parameters, check
from lib.paths import ROOT, display_path

TRAINING_FUNCTION, RUN_NAME = "training_function", "run_name"
_FROM_CHAIN = (TRAINING_FUNCTION, USE_CASE, OVERRIDES)
_TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "list": list,
    "dict": dict,
}


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
        values = check(layers, pipelines.choices())
    except ParameterError as error:
        faults += error.faults
    faults += notebook_faults(notebooks)
    merged = {**layers.values, **values}
    faults += _option_faults(merged) + _hyperparameter_faults(merged) + _stage_faults(merged, notebooks)
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
        elif kind in _TYPES and not _has_type(value, kind):
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
        if kind in _TYPES and value is not None and not _has_type(value, kind):
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


def _option_faults(values: Mapping[str, Any]) -> list[str]:
    """Return faults of ``options``: unknown, missing, or of another type than the pipeline declares."""
    pipeline, options = values.get("pipeline"), values.get("options") or {}
    if pipeline not in pipelines.available() or not isinstance(options, Mapping):
        return []
    file = ROOT / "lib" / "pipelines" / f"{pipeline}.py"
    known = _class_options(file)
    faults = [
        f"options: {name} is not an option of {display_path(file)}. {suggest(name, known)}"
        for name in options
        if name not in known
    ]
    for name, kind in known.items():
        if name not in options:
            faults.append(
                f"options: {display_path(file)} needs {name} ({kind}). Add it under options in your parameter file."
            )
        elif kind in _TYPES and not _has_type(options[name], kind):
            faults.append(f"options: {name} is {options[name]!r}; expected {kind}.")
    return faults


def _hyperparameter_faults(values: Mapping[str, Any]) -> list[str]:
    """Return faults of ``hyperparameters``: unknown, or of another type than the training function declares."""
    hyperparameters = values.get("hyperparameters") or {}
    if not isinstance(hyperparameters, Mapping):
        return []
    faults = []
    for function, settings in hyperparameters.items():
        if function not in training.available():
            continue  # already reported: it is not in training_functions
        if not isinstance(settings, Mapping):
            faults.append(f"hyperparameters: {function} is {settings!r}; expected a mapping such as {{max_iter: 200}}.")
            continue
        file = ROOT / "lib" / "training" / f"{function}.py"
        known = _keyword_arguments(file)
        for name, value in settings.items():
            if name not in known:
                faults.append(f"hyperparameters: {display_path(file)} has no {name}. {suggest(name, known)}")
            elif not _matches(value, known[name]):
                faults.append(f"hyperparameters: {function}.{name} is {value!r}; expected {known[name]}.")
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


def _class_options(file: Path) -> dict[str, str]:
    """Return the ``OPTIONS`` of the class in a file: the name of each option and the name of its type."""
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


def _keyword_arguments(file: Path) -> dict[str, str]:
    """Return the keyword-only arguments of the function ``train`` in a file, with their annotations.

    An argument without an annotation has the type of its default.
    """
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == "train":
            arguments = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            return {argument.arg: _argument_type(argument, default) for argument, default in arguments}
    return {}


def _argument_type(argument: ast.arg, default: ast.expr | None) -> str:
    """Return an argument's annotation, or the type of its default; empty if it has neither."""
    if argument.annotation is not None:
        return ast.unparse(argument.annotation)
    if isinstance(default, ast.Constant) and default.value is not None:
        return type(default.value).__name__
    return ""


def _matches(value: Any, annotation: str) -> bool:
    """Return whether a value has one of the types of an annotation; unknown types match every value.

    >>> _matches(3, "int | None"), _matches("3", "int | None"), _matches("3", "Sequence[str]")
    (True, False, True)
    """
    kinds = [kind.strip() for kind in annotation.split("|")]
    if not all(kind in _TYPES or kind == "None" for kind in kinds):
        return True
    return any(value is None if kind == "None" else _has_type(value, kind) for kind in kinds)


def _has_type(value: Any, kind: str) -> bool:
    """Return whether a value has the type of a name in `_TYPES`; true and false are not numbers."""
    return isinstance(value, _TYPES[kind]) and (kind == "bool" or not isinstance(value, bool))
