"""What a notebook says of itself: its stage, its parameters, what it hands on. Read as text; nothing is executed."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lib.errors import DataError
from lib.paths import ROOT, display_path

FOLDER = ROOT / "notebooks"
_FILE_NAME = re.compile(r"\d\d_([a-z_]+)\.ipynb")
_HAND_ON = "hand_on"


@dataclass(frozen=True)
class Notebook:
    """A notebook's contract.

    Attributes
    ----------
    stage : str
        The word in its file name.
    path : Path
    parameters : dict
        Name and default of each line of the cell tagged ``parameters``.
    types : dict of str
        Name of the type that the line states.
    outputs : dict of str
        Name of each thing it hands on, and the type that the notebooks which read it state; empty where none does.
    """

    stage: str
    path: Path
    parameters: dict[str, Any]
    types: dict[str, str]
    outputs: dict[str, str]


def all_of(folder: Path = FOLDER) -> list[Notebook]:
    """Notebooks of a folder, in the order of their numbers."""
    found = [read(path) for path in sorted(folder.glob("*.ipynb")) if _FILE_NAME.fullmatch(path.name)]
    return [replace(one, outputs=_typed(one.outputs, found[place + 1 :])) for place, one in enumerate(found)]


def _typed(outputs: Iterable[str], later: Sequence[Notebook]) -> dict[str, str]:
    """Outputs with the type that the first notebook which reads them states."""
    types = {name: one.types[name] for one in reversed(later) for name in one.parameters}
    return {name: types.get(name, "") for name in outputs}


def read(path: Path) -> Notebook:
    """Contract of one notebook.

    Raises
    ------
    DataError
        Where it is no notebook, or has lost its parameters cell: papermill would run it on its defaults, silently.
    """
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        sources = ["".join(cell["source"]) for cell in code]
        tags = [cell["metadata"].get("tags", []) for cell in code]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{display_path(path)} is no notebook ({error}). Restore it from git.") from error
    tagged = [source for source, its in zip(sources, tags, strict=True) if "parameters" in its]
    if len(tagged) != 1:
        raise DataError(
            f"{display_path(path)} has {len(tagged)} cells tagged 'parameters'; expected one. Restore it from git."
        )
    parameters, types = {}, {}
    for line in _parsed(tagged[0], path):
        try:
            name, value = line.target.id, ast.literal_eval(line.value)
        except (AttributeError, ValueError) as error:
            raise DataError(
                f"{display_path(path)}, parameters cell, line {line.lineno}: expected 'name: type = literal'. A value "
                "worked out here would keep its default, since the chain's values come after it."
            ) from error
        parameters[name], types[name] = value, ast.unparse(line.annotation)
    return Notebook(_FILE_NAME.fullmatch(path.name)[1], path, parameters, types, _outputs(sources[-1], path))


def _outputs(source: str, path: Path) -> dict[str, str]:
    calls = [node for node in ast.walk(ast.Module(_parsed(source, path), [])) if isinstance(node, ast.Call)]
    handed = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == _HAND_ON]
    if len(handed) != 1:
        raise DataError(
            f"{display_path(path)}: the last code cell must call {_HAND_ON}(...) once; it does {len(handed)} times."
        )
    return {keyword.arg: "" for keyword in handed[0].keywords}


def _parsed(source: str, path: Path) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except SyntaxError as error:
        raise DataError(
            f"{display_path(path)} holds a cell that is not Python: {error.msg} in {error.text!r}."
        ) from error
