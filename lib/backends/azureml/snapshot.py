"""Folders that are sent to Azure ML: those parts of this project that a job or deployment needs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lib import extensions
from lib.backends.azureml import scoring_job
from lib.backends.azureml.notebook_job import JOB_FILE
from lib.errors import StageError
from lib.paths import ROOT
from lib.scoring.model_folder import ModelError, find_code_folder, find_model_folder, list_files

_IGNORED = shutil.ignore_patterns("__pycache__")
_PROJECT_FILES = ("lib", "parameters", "environment.yml", "pyproject.toml")
_CUSTOM = "custom"  # the customer's own code, in the snapshot as in the project
_USE_CASE = "parameters.yaml"


def pack(
    folder: Path,
    notebook: Path,
    executed: str,
    parameters: Mapping[str, Any],
    use_case: Mapping[str, Any] | None = None,
) -> None:
    """Fill the folder of a job that executes a notebook.

    Parameters
    ----------
    folder : Path
        An empty folder.
    notebook : Path
        The notebook.
    executed : str
        File name of the executed notebook.
    parameters : mapping
        Values for the notebook's parameters cell.
    use_case : mapping, optional
        Resolved parameters of the use case, for a notebook that loads them from a file.
    """
    for name in _PROJECT_FILES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=_IGNORED)
        else:
            shutil.copy(source, folder / name)
    if extensions.CUSTOM_FOLDER.is_dir():
        shutil.copytree(extensions.CUSTOM_FOLDER, folder / _CUSTOM, ignore=_IGNORED)
    (folder / "notebooks").mkdir()
    shutil.copy(notebook, folder / "notebooks" / notebook.name)
    values = dict(parameters)
    if use_case is not None:
        text = yaml.safe_dump(dict(use_case), sort_keys=False, allow_unicode=True)
        (folder / _USE_CASE).write_text(text, encoding="utf-8")
        values["use_case"] = _USE_CASE
    job = {"notebook": f"notebooks/{notebook.name}", "executed": executed, "parameters": values}
    (folder / JOB_FILE).write_text(json.dumps(job, indent=1), encoding="utf-8")


def pack_serving(folder: Path, model: Path) -> None:
    """Fill the code folder of a deployment: the code that was saved with its model.

    Parameters
    ----------
    folder : Path
        An empty folder.
    model : Path
        A verified model folder.

    Raises
    ------
    StageError
        If the model contains something else than files, or was saved without the code that serves it.
    """
    try:
        list_files(find_model_folder(model))  # refuses links and compiled code
        code = find_code_folder(find_model_folder(model))
    except ModelError as error:
        raise StageError(str(error)) from None
    shutil.copytree(code, folder, ignore=_IGNORED, dirs_exist_ok=True)


def pack_scoring(folder: Path, model: Path, name: str) -> None:
    """Fill the folder of a job that scores rows with a model; its files go into the subfolder `name`."""
    pack_serving(folder, model)
    shutil.copy(Path(scoring_job.__file__), folder / "scoring_job.py")
    shutil.copytree(model, folder / name, ignore=_IGNORED)
