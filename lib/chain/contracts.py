"""Contracts before kernels: the whole chain is checked from text, in a fraction of a second.

Names that a child class or a training function asks for are read from its file without importing it: importing
pandas and scikit-learn would take longer than everything else here.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lib import automl, backends, outputs, pipelines, training
from lib.chain import failures
from lib.chain.notebooks import Notebook
from lib.errors import ParameterError, suggest
from lib.parameters import SPECS, Layers, Parameters, check
from lib.paths import ROOT, display_path

TRAINING_FUNCTION, RUN_NAME = "training_function", "run_name"
_FROM_CHAIN = (TRAINING_FUNCTION, RUN_NAME)
_CHECKED_TYPES = {"str": str, "int": int, "float": (int, float), "bool": bool, "list": list, "dict": dict}


def checked(layers: Layers, notebooks: Sequence[Notebook]) -> Parameters:
    """Parameters that every notebook, pipeline and training function of the chain can work with.

    Raises
    ------
    ParameterError
        With every fault at once.
    """
    choices = {
        "pipeline": pipelines.available(),
        "training function": training.available(),
        "backend": backends.available(),
        "automl engine": automl.available(),
    }
    faults, values = [], {}
    try:
        values = check(layers, choices)
    except ParameterError as error:
        faults += error.faults
    faults += notebook_faults(notebooks)
    given = {**layers.values, **values}
    faults += _option_faults(given) + _hyperparameter_faults(given) + _stage_faults(given, notebooks)
    if not faults:
        faults += backends.faults(Parameters(values))
    if faults:
        raise ParameterError(faults)
    return Parameters(values)


def notebook_faults(notebooks: Sequence[Notebook]) -> list[str]:
    """What does not fit between notebooks: unknown names, inputs nobody gives, outputs nobody reads."""
    faults, handed_on = [], set()
    for position, notebook in enumerate(notebooks):
        known = {*SPECS, *_FROM_CHAIN, *handed_on}
        for name in notebook.parameters:
            if name not in known:
                faults.append(
                    f"{display_path(notebook.path)}: nothing gives the parameter {name}. {suggest(name, known)}"
                )
            elif name in SPECS and notebook.types[name] != (kind := SPECS[name].type.__name__):
                faults.append(f"{display_path(notebook.path)}: {name} is of type {kind}, not {notebook.types[name]}.")
        for name, value in notebook.parameters.items():
            if (kind := notebook.types[name]) in _CHECKED_TYPES and value is not None and not _is(value, kind):
                faults.append(f"{display_path(notebook.path)}: the default of {name} is {value!r}, which is no {kind}.")
        later = {name for one in notebooks[position + 1 :] for name in one.parameters}
        for name, kind in notebook.outputs.items():
            others = {one.types[name] for one in notebooks[position + 1 :] if name in one.types} - {kind}
            if others:
                kinds = " and ".join([kind, *sorted(others)])
                faults.append(f"{display_path(notebook.path)} hands on {name}, which its readers take for {kinds}.")
        if later:  # what the last one hands on is the chain's own result
            for name in notebook.outputs:
                if name not in later:
                    faults.append(
                        f"{display_path(notebook.path)} hands on {name}, which no later notebook reads. "
                        f"{suggest(name, later)}"
                    )
        handed_on |= set(notebook.outputs)
    return faults


def check_outputs(notebook: Notebook, executed: Path, handed_on: Mapping[str, Any]) -> None:
    """What a notebook handed on is what its last cell says: all of it, of the types its readers state, and finite.

    Raises
    ------
    StageFailed
        With every fault, which is written into the executed notebook too.
    """
    missing = [name for name in notebook.outputs if name not in handed_on]
    where = display_path(notebook.path)
    if missing and not handed_on:  # a cell that calls sys.exit ends a notebook without an error
        cause = f"{where}: it ended without handing on {', '.join(missing)}: a cell left early (sys.exit?)"
        raise failures.from_cause(executed, "LeftEarly", cause)
    found = [f"{name} is missing" for name in missing]
    for name, value in handed_on.items():
        kind = notebook.outputs.get(name, "")
        if name not in notebook.outputs:
            found.append(f"{name} is none of its outputs. {suggest(name, notebook.outputs)}".rstrip("."))
        elif kind in _CHECKED_TYPES and not _is(value, kind):
            found.append(f"{name} is {value!r}, and its reader expects {kind}")
    found += outputs.faults(handed_on)
    if found:
        raise failures.from_cause(executed, "WrongOutput", f"{where} handed on what it should not: {'; '.join(found)}")


def _option_faults(values: Mapping[str, Any]) -> list[str]:
    """Options that the pipeline does not ask for, asks for in vain, or asks for in another type."""
    name, options = values.get("pipeline"), values.get("options") or {}
    if name not in pipelines.available() or not isinstance(options, Mapping):
        return []
    file = ROOT / "lib" / "pipelines" / f"{name}.py"
    asked = _class_options(file)
    faults = [
        f"options: {one} is no option of {display_path(file)}. {suggest(one, asked)}"
        for one in options
        if one not in asked
    ]
    for one, kind in asked.items():
        if one not in options:
            faults.append(
                f"options: {display_path(file)} needs {one} ({kind}). Add it under options in your parameter file."
            )
        elif kind in _CHECKED_TYPES and not _is(options[one], kind):
            faults.append(f"options: {one} is {options[one]!r}; expected {kind}.")
    return faults


def _hyperparameter_faults(values: Mapping[str, Any]) -> list[str]:
    """Hyperparameters that a training function does not take, or takes in another type."""
    faults = []
    hyperparameters = values.get("hyperparameters") or {}
    if not isinstance(hyperparameters, Mapping):
        return []
    for name, given in hyperparameters.items():
        if name not in training.available():
            continue  # said already: it is not in training_functions
        if not isinstance(given, Mapping):
            faults.append(f"hyperparameters: {name} is {given!r}; expected a mapping such as {{max_iter: 200}}.")
            continue
        file = ROOT / "lib" / "training" / f"{name}.py"
        known = _keyword_arguments(file)
        for one, value in given.items():
            if one not in known:
                faults.append(f"hyperparameters: {display_path(file)} takes no {one}. {suggest(one, known)}")
            elif known[one] in _CHECKED_TYPES and not _is(value, known[one]):
                faults.append(f"hyperparameters: {name}.{one} is {value!r}; expected {known[one]}.")
    return faults


def _stage_faults(values: Mapping[str, Any], notebooks: Sequence[Notebook]) -> list[str]:
    """Parameters by stage whose stage is none, or whose value is no number of minutes or of times."""
    stages, faults = [notebook.stage for notebook in notebooks], []
    for name, kind, lowest, meaning in (
        ("timeout_minutes", (int, float), 0.01, "a number of minutes, at least 0.01"),
        ("retries", int, 0, "a whole number, at least 0"),
    ):
        given = values.get(name) or {}
        for stage, value in given.items() if isinstance(given, Mapping) else ():
            if stage not in stages:
                faults.append(f"{name}: {stage} is no stage. {suggest(stage, stages)}")
            elif isinstance(value, bool) or not isinstance(value, kind) or not lowest <= value < math.inf:
                faults.append(f"{name}: {stage} is {value!r}; expected {meaning}.")
    return faults


def _class_options(file: Path) -> dict[str, str]:
    """Names and types in the ``OPTIONS`` of the class in a file."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            for line in node.body:
                targets: Iterable = line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)]
                if "OPTIONS" in [getattr(one, "id", "") for one in targets] and isinstance(line.value, ast.Dict):
                    return {
                        ast.literal_eval(key): ast.unparse(value)
                        for key, value in zip(line.value.keys, line.value.values, strict=True)
                    }
    return {}


def _keyword_arguments(file: Path) -> dict[str, str]:
    """Keyword-only arguments, with the types they state, of the function ``train`` in a file."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == "train":
            return {one.arg: ast.unparse(one.annotation) if one.annotation else "" for one in node.args.kwonlyargs}
    return {}


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _CHECKED_TYPES[kind]) and (kind == "bool" or not isinstance(value, bool))
