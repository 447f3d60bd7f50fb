"""Stages of the customer: a notebook and a module in ``custom/stages``, placed by the parameter ``stages``.

::

    stages: {after_deploy: [announce], before_evaluate: [check_prices]}

Each use case names its own; other use cases do not run them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lib import extensions
from lib.chain import notebooks
from lib.chain.notebooks import Notebook
from lib.errors import DataError, suggest
from lib.paths import display_path

PACKAGE = "lib.stages"
_BEFORE, _AFTER = "before_", "after_"
# One of these two stages trains the candidates, so a place beside one is a place beside both.
_TRAINING_STAGES = ("automl", "train")
_TYPES = "OUTPUTS"


def folder() -> Path:
    """Return the folder with the customer's notebooks and modules."""
    return extensions.CUSTOM_FOLDER / "stages"


def read_chain(placement: Any) -> list[Notebook]:
    """Return the notebooks of a use case in their order: those of Millrace, and the customer's between them.

    Parameters
    ----------
    placement : mapping
        The parameter ``stages``. Names that cannot be used are left out; see `find_placement_faults`.

    Raises
    ------
    DataError
        If a notebook that is named cannot be read.
    """
    bundled = notebooks.read_all()
    if not isinstance(placement, Mapping) or not placement or find_placement_faults(placement, bundled):
        return bundled
    chain: list[Notebook] = []
    for stages in _group_training(bundled):
        number = stages[0].path.name[:2]
        # In the folder of a run, the executed copies are sorted by name.
        chain += _read_placed(placement, _BEFORE, stages, prefix=f"{int(number) - 1:02}z")
        chain += stages
        chain += _read_placed(placement, _AFTER, stages, prefix=f"{number}a")
    return notebooks.add_output_types(chain)


def _group_training(bundled: Sequence[Notebook]) -> list[list[Notebook]]:
    """Return the notebooks of Millrace one by one, but those of AutoML and training together."""
    groups: list[list[Notebook]] = []
    for notebook in bundled:
        if groups and notebook.stage in _TRAINING_STAGES and groups[-1][0].stage in _TRAINING_STAGES:
            groups[-1].append(notebook)
        else:
            groups.append([notebook])
    return groups


def _read_placed(placement: Mapping[str, Any], side: str, stages: Sequence[Notebook], prefix: str) -> list[Notebook]:
    """Read the customer's notebooks that are placed before or after some stages."""
    names = [name for stage in stages for name in placement.get(f"{side}{stage.stage}") or []]
    return [_read(name, f"{prefix}_{name}") for name in names]


def _read(name: str, file_stem: str) -> Notebook:
    """Read the notebook of one of the customer's stages, and the declarations of its module."""
    module = folder() / f"{name}.py"
    notebook = notebooks.read(folder() / f"{name}.ipynb", name, module)
    types = notebooks.read_declaration(module, _TYPES) or {}
    if not isinstance(types, dict):
        raise DataError(
            f"{display_path(module)}: {_TYPES} is {types!r}; expected a mapping such as {{'slide': 'str'}}."
        )
    outputs = {output: str(types.get(output, "")) for output in notebook.outputs}
    return replace(notebook, outputs=outputs, file_stem=file_stem, is_own=True)


def find_placement_faults(placement: Any, bundled: Sequence[Notebook]) -> list[str]:
    """Return a sentence for each place and each stage in the parameter ``stages`` that cannot be used.

    Parameters
    ----------
    placement : object
        The parameter ``stages``.
    bundled : sequence of Notebook
        The notebooks of Millrace.
    """
    if not isinstance(placement, Mapping):
        return []  # the check of the types of parameters reports it
    stages = [notebook.stage for notebook in bundled if not notebook.is_own]
    taken_names = [*stages, *notebooks.OUTSIDE_CHAIN]
    places = [f"{side}{stage}" for stage in stages for side in (_BEFORE, _AFTER)]
    faults: list[str] = []
    placed: list[str] = []
    for place, names in placement.items():
        if place not in places:
            faults.append(f"stages: {place} is not a place. {suggest(place, places)}")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            faults.append(f"stages: {place} is {names!r}; expected a list of names, e.g. [announce].")
            continue
        for name in names:
            fault = _find_stage_fault(name, taken_names)
            faults += [f"stages: {fault}"] if fault else []
            faults += [f"stages: {name} is placed twice; a stage runs once."] if name in placed else []
            placed.append(name)
    return faults


def _find_stage_fault(name: str, taken_names: Sequence[str]) -> str:
    """Return why one of the customer's stages cannot be used; empty if it can."""
    if name in taken_names:
        return f"{name} is the name of a stage of Millrace. Rename your own."
    if not name.isidentifier() or name.startswith("_"):
        return f"{name!r} is not a name of a stage; expected letters, digits and underscores, e.g. announce."
    path = folder() / f"{name}.ipynb"
    if path.is_file():
        return ""
    known = sorted(file.stem for file in folder().glob("*.ipynb"))
    return f"there is no {display_path(path)}. {suggest(name, known)}"
