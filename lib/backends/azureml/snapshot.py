"""Snapshot: the folder that goes to a job, with all it needs of this project and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lib.backends.azureml import scoring_job
from lib.backends.azureml.job import ASKED
from lib.paths import ROOT

_NOT_CODE = shutil.ignore_patterns("__pycache__")
_TRAVELS = ("lib", "parameters", "environment.yml")
USE_CASE = "parameters.yaml"


def pack(
    folder: Path,
    notebook: Path,
    executed: str,
    parameters: Mapping[str, Any],
    use_case: Mapping[str, Any] | None = None,
) -> None:
    """Fill the folder of a job.

    Parameters
    ----------
    folder : Path
        Empty.
    notebook : Path
    executed : str
        File name of the executed notebook.
    parameters : mapping
        The values of the notebook's parameters cell.
    use_case : mapping, optional
        The resolved parameters of the use case, for a notebook that loads them from a file.
    """
    for name in _TRAVELS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=_NOT_CODE)
        else:
            shutil.copy(source, folder / name)
    (folder / "notebooks").mkdir()
    shutil.copy(notebook, folder / "notebooks" / notebook.name)
    values = dict(parameters)
    if use_case is not None:
        text = yaml.safe_dump(dict(use_case), sort_keys=False, allow_unicode=True)
        (folder / USE_CASE).write_text(text, encoding="utf-8")
        values["use_case"] = USE_CASE
    asked = {"notebook": f"notebooks/{notebook.name}", "executed": executed, "parameters": values}
    (folder / ASKED).write_text(json.dumps(asked, indent=1), encoding="utf-8")


def pack_serving(folder: Path) -> None:
    """Fill a folder with what answers requests: ``lib/serving`` and what it imports."""
    shutil.copytree(ROOT / "lib" / "serving", folder / "lib" / "serving", ignore=_NOT_CODE)
    for file in ("__init__.py", "errors.py"):
        shutil.copy(ROOT / "lib" / file, folder / "lib" / file)


def pack_scoring(folder: Path, model: Path, name: str) -> None:
    """Fill the folder of a job that asks a model, whose files go below a name."""
    pack_serving(folder)
    shutil.copy(Path(scoring_job.__file__), folder / "scoring_job.py")
    shutil.copytree(model, folder / name)
