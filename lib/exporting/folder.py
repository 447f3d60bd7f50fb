"""A folder that serves a model elsewhere: the model, the server, the pinned packages, and a README.

::

    serve.py, export.json   the program, and the description of the model; see `lib.serving.exported`
    lib/                    the server
    model/                  a verified copy of the model folder
    requirements.txt        the pinned packages
    pyproject.toml          the version of Millrace and of Python
    README.md, LICENSE

Keys, request logs and other parameters than those in ``export.json`` stay where they are.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import tempfile
from pathlib import Path

from lib.errors import DataError, StageError
from lib.exporting.model_packages import find_model_packages
from lib.exporting.readme import write_readme
from lib.exporting.requirements import LOCK, SERVER_PACKAGES, write_requirements
from lib.invocation import EXPORTED_PROGRAM, version
from lib.paths import ROOT, display_path
from lib.scoring.model import read_model
from lib.scoring.model_folder import ModelError, copy_verified, find_code_folder, find_model_folder
from lib.serving.exported import DESCRIPTION_FILE, MODEL_FOLDER, Export

# The modules of the server. They import no other modules of `lib`.
SERVER_MODULES = ("__init__.py", "errors.py", "invocation.py", "paths.py", "forkserver", "schema", "scoring", "serving")
_CODE_SUFFIXES = (".py", ".html", ".js", ".css")
_PROGRAM = '''"""Serve the model of this folder; README.md explains it."""

from lib.serving.exported import main

if __name__ == "__main__":
    main()
'''
_PROJECT = """\
[project]
name = "millrace"
version = "{version}"
requires-python = "=={python}.*"
"""


def write_folder(target: Path, model_folder: Path, export: Export) -> None:
    """Write a folder that serves a model. If anything fails, no folder is left.

    Parameters
    ----------
    target : Path
        The folder to write. It must not exist, or be empty.
    model_folder : Path
        The registered model, which is verified.
    export : Export

    Raises
    ------
    DataError
        If the target is not an empty folder, or other packages are installed than those of the lock file.
    StageError
        If the model is not the registered one, or was saved without the code that serves it.
    """
    check_target(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        _write_contents(unfinished, model_folder, export)
        unfinished.rename(target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def check_target(target: Path) -> None:
    """Check that a folder can be written.

    Raises
    ------
    DataError
        If there is a file, or a folder that is not empty.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise DataError(f"--to: {target} is not a folder. Choose another one.")
    if target.is_dir() and any(target.iterdir()):
        raise DataError(f"--to: the folder {display_path(target)} is not empty. Choose another one, or delete it.")


def _write_contents(folder: Path, model_folder: Path, export: Export) -> None:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    copy = folder / MODEL_FOLDER
    try:
        copy_verified(find_model_folder(model_folder), copy, export.sha256)
        find_code_folder(copy)
        model = read_model(copy, export.name, export.version)
    except ModelError as error:
        raise StageError(f"Version {export.version} was not exported. {error}") from None
    _copy_server(folder / "lib")
    shutil.copyfile(ROOT / "LICENSE", folder / "LICENSE")
    packages = {*SERVER_PACKAGES, *find_model_packages(copy)}
    texts = {
        EXPORTED_PROGRAM: _PROGRAM,
        DESCRIPTION_FILE: json.dumps(dataclasses.asdict(export), indent=2, ensure_ascii=False) + "\n",
        "pyproject.toml": _PROJECT.format(version=version(), python=python),
        "requirements.txt": write_requirements(packages, LOCK.read_text(encoding="utf-8")),
        "README.md": write_readme(export, model, python),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _copy_server(target: Path) -> None:
    """Copy the source files of the server."""
    package = ROOT / "lib"
    for name in SERVER_MODULES:
        path = package / name
        for file in sorted(path.rglob("*") if path.is_dir() else [path]):
            if file.suffix in _CODE_SUFFIXES:
                copy = target / file.relative_to(package)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
