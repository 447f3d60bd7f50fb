"""The contract of a notebook: its stage, parameters and outputs, read from its text without executing it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lib.errors import DataError
from lib.paths import ROOT, display_path

FOLDER = ROOT / "notebooks"
STAGES_FOLDER = ROOT / "lib" / "stages"
USE_CASE, OVERRIDES = "use_case", "overrides"
# Stages with a command of their own.
OUTSIDE_CHAIN = ("monitor",)
_FILE_NAME = re.compile(r"\d\d_([a-z_]+)\.ipynb")
_PUBLISHING_METHOD = "publish_outputs"
_DECLARATION = "PARAMETERS"
_KERNEL = "python3"  # the kernel of the environment that runs the chain


@dataclass(frozen=True)
class Notebook:
    """The contract of one notebook.

    Attributes
    ----------
    stage : str
        Name of the stage, from the file name.
    path : Path
    parameters : dict
        Default of each parameter in the cell tagged ``parameters``, by name.
    types : dict of str
        Type name of each parameter: the annotation, or else the type of the default.
    outputs : dict of str
        Type name of each output, as declared by the first later notebook that reads the output, or else by ``OUTPUTS``
        in the module of one of the customer's stages; empty without one.
    declared_parameters : tuple of str
        Parameters of the use case that the stage's module declares to read; empty for a notebook without
        ``use_case``.
    file_stem : str
        Beginning of the name of the executed copy; by default, the name of the notebook.
    is_own : bool
        Whether the stage is one of the customer's own.
    """

    stage: str
    path: Path
    parameters: dict[str, Any]
    types: dict[str, str]
    outputs: dict[str, str]
    declared_parameters: tuple[str, ...] = ()
    file_stem: str = ""
    is_own: bool = False

    @property
    def executed_stem(self) -> str:
        """Beginning of the name of the executed copy."""
        return self.file_stem or self.path.stem

    @property
    def module(self) -> str:
        """The path of the stage's module, for messages."""
        folder = self.path.parent if self.is_own else STAGES_FOLDER
        return display_path(folder / f"{self.stage}.py")


def read_all(folder: Path = FOLDER) -> list[Notebook]:
    """Return the notebooks of the chain in a folder, in the order of their numbers."""
    matches = [(path, _FILE_NAME.fullmatch(path.name)) for path in sorted(folder.glob("*.ipynb"))]
    notebooks = [read(path) for path, match in matches if match and match[1] not in OUTSIDE_CHAIN]
    return add_output_types(notebooks)


def add_output_types(notebooks: Sequence[Notebook]) -> list[Notebook]:
    """Return notebooks with the types of their outputs, as later notebooks declare them."""
    return [
        replace(notebook, outputs=_find_output_types(notebook.outputs, notebooks[position + 1 :]))
        for position, notebook in enumerate(notebooks)
    ]


def read(path: Path, stage: str = "", module: Path | None = None) -> Notebook:
    """Read the contract of one notebook.

    Parameters
    ----------
    path : Path
    stage : str
        Name of the stage; by default, it follows from the file name, e.g. ``03_train.ipynb``.
    module : Path, optional
        The stage's module; by default, that of ``lib/stages``.

    Raises
    ------
    DataError
        If the file is not a notebook, has no parameters cell, so that papermill would silently run it on its defaults,
        or is set to the kernel of another environment.
    """
    sources, tags = _read_code_cells(path)
    _check_kernel(path)
    tagged = [source for source, names in zip(sources, tags, strict=True) if "parameters" in names]
    if len(tagged) != 1:
        raise DataError(
            f"{display_path(path)} has {len(tagged)} cells tagged 'parameters'; expected one. Restore it from git."
        )
    parameters, types = {}, {}
    for statement in _parse(tagged[0], path):
        name, default, type_name = _read_parameter(statement, path)
        parameters[name], types[name] = default, type_name
    if not stage:
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise DataError(f"{display_path(path)} is not named like a stage, e.g. 03_train.ipynb.")
        stage = match[1]
    module = module or STAGES_FOLDER / f"{stage}.py"
    use_case_parameters = tuple(read_declaration(module, _DECLARATION) or ()) if USE_CASE in parameters else ()
    output_names = _read_output_names(sources[-1], path)
    return Notebook(stage, path, parameters, types, dict.fromkeys(output_names, ""), use_case_parameters)


def read_declaration(module: Path, name: str) -> Any:
    """Return a constant of a stage's module, such as ``PARAMETERS``; None if the module does not define it.

    The module is parsed, not imported: an import of pandas and scikit-learn would take longer than all other checks.

    Raises
    ------
    DataError
        If the module is not Python, or the constant is computed instead of written out.
    """
    if not module.is_file():
        return None
    try:
        body = ast.parse(module.read_text(encoding="utf-8")).body
    except SyntaxError as error:
        raise DataError(f"{display_path(module)}, line {error.lineno}: SyntaxError: {error.msg}.") from error
    for statement in body:
        if isinstance(statement, ast.Assign):
            targets, value = [ast.unparse(target) for target in statement.targets], statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [ast.unparse(statement.target)], statement.value
        else:
            continue
        if targets == [name]:
            try:
                return ast.literal_eval(value)
            except ValueError as error:
                line = statement.lineno
                raise DataError(f"{display_path(module)}, line {line}: write out {name} as a constant.") from error
    return None


def _check_kernel(path: Path) -> None:
    """Raise a DataError if a notebook is set to another kernel than that of this environment.

    Jupyter changes the kernel in the file when a person opens the notebook with another kernel and saves it.
    """
    kernel = _load(path).get("metadata", {}).get("kernelspec", {}).get("name")
    if kernel != _KERNEL:
        problem = f"is set to the kernel {kernel!r}" if kernel else "names no kernel"
        raise DataError(
            f"{display_path(path)} {problem}, but the chain runs notebooks in this environment, with the kernel "
            f"{_KERNEL!r}. In Jupyter, choose the kernel 'Python 3 (ipykernel)' of this environment, and save the "
            "notebook; or restore it from git."
        )


def _load(path: Path) -> dict[str, Any]:
    """Return the content of a notebook."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content["cells"], list):
            raise TypeError("cells is not a list")
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{display_path(path)} is not a notebook ({error}). Restore it from git.") from error
    return content


def _read_code_cells(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the source and the tags of each code cell."""
    try:
        code = [cell for cell in _load(path)["cells"] if cell["cell_type"] == "code"]
        return ["".join(cell["source"]) for cell in code], [cell["metadata"].get("tags", []) for cell in code]
    except (KeyError, TypeError) as error:
        raise DataError(f"{display_path(path)} is not a notebook ({error}). Restore it from git.") from error


def _read_parameter(statement: ast.stmt, path: Path) -> tuple[str, Any, str]:
    """Return name, default and type name of a parameter, from a line such as ``seed = 42`` or ``seed: int = 42``."""
    target: ast.expr
    try:
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target, type_name = statement.target, ast.unparse(statement.annotation)
            value = ast.literal_eval(statement.value)
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], ast.literal_eval(statement.value)
            type_name = type(value).__name__
        else:
            raise ValueError("not an assignment")
        if not isinstance(target, ast.Name):
            raise ValueError("not a single name")
    except ValueError as error:
        raise DataError(
            f"{display_path(path)}, parameters cell, line {statement.lineno}: expected 'name = literal'. The "
            "chain overrides these parameters in a later cell, so a value computed from them would use the defaults."
        ) from error
    return target.id, value, type_name


def _read_output_names(source: str, path: Path) -> list[str]:
    """Return the names of the outputs that the last cell publishes."""
    nodes = ast.walk(ast.Module(_parse(source, path), []))
    calls = [
        node
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == _PUBLISHING_METHOD
    ]
    if len(calls) != 1:
        raise DataError(
            f"{display_path(path)}: expected one call of {_PUBLISHING_METHOD}(...) in the last code cell, "
            f"found {len(calls)}."
        )
    return [keyword.arg for keyword in calls[0].keywords if keyword.arg]


def _find_output_types(outputs: Mapping[str, str], later_notebooks: Sequence[Notebook]) -> dict[str, str]:
    """Return the type name of each output, as declared by the first later notebook that reads it, or by its stage."""
    types = {name: notebook.types[name] for notebook in reversed(later_notebooks) for name in notebook.parameters}
    return {name: types.get(name, "") or declared for name, declared in outputs.items()}


def _parse(source: str, path: Path) -> list[ast.stmt]:
    """Return the statements of a cell; a DataError names the notebook of a cell that is not Python."""
    try:
        return ast.parse(source).body
    except SyntaxError as error:
        raise DataError(
            f"{display_path(path)} contains a cell that is not Python: {error.msg} in {error.text!r}."
        ) from error
