"""An MLflow model folder as files: its location, its SHA-256 and its code."""

from __future__ import annotations

import hashlib
from pathlib import Path

# Not part of the model: Python's bytecode cache, and a file that MLflow's registry client adds to a download.
NOT_HASHED = ("__pycache__", "registered_model_meta")
# Statistics of the training rows, written beside the model when it is logged.
BASELINE_FILE = "baseline.json"


class ModelError(Exception):
    """A model folder that cannot be served; the message says why and what to do."""


def compute_digest(folder: str | Path) -> str:
    """Return the SHA-256 of a model folder: of its files' names and contents, ordered by name.

    Parameters
    ----------
    folder : path
        The folder that contains ``MLmodel``. Bytecode caches are ignored.

    Returns
    -------
    str
        64 hexadecimal digits, the same on every machine.
    """
    folder = Path(folder)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    total = hashlib.sha256()
    for name in sorted(files):
        if not any(part in NOT_HASHED for part in name.split("/")):
            content = hashlib.sha256(files[name].read_bytes()).hexdigest()
            total.update(f"{content}  {name}\n".encode())
    return total.hexdigest()


def find_model_folder(folder: str | Path) -> Path:
    """Return the folder that contains ``MLmodel``: this one, or one up to two levels below, as Azure ML mounts models.

    Raises
    ------
    ModelError
        If there is no such folder, or more than one.
    """
    folder = Path(folder)
    patterns = ("MLmodel", "*/MLmodel", "*/*/MLmodel")
    matches = next(filter(None, (sorted(folder.glob(pattern)) for pattern in patterns)), [])
    if not matches:
        raise ModelError(f"There is no MLflow model in {folder}: no file named MLmodel in it or below it.")
    if len(matches) > 1:
        folders = ", ".join(str(path.parent) for path in matches)
        raise ModelError(f"There are several models in {folder}: {folders}.")
    return matches[0].parent


def find_code_folder(folder: Path) -> Path:
    """Return the folder with the code that serves a model: the one to put on ``PYTHONPATH``.

    Parameters
    ----------
    folder : Path
        The folder that contains ``MLmodel``.

    Raises
    ------
    ModelError
        If the model was saved by a release that did not save `lib.scoring` with it.
    """
    code = folder / "code"
    if not (code / "lib" / "scoring" / "wire_protocol.py").is_file():
        raise ModelError(
            f"The model in {folder} was saved by an earlier release: its code/ folder has no lib/scoring, which "
            "answers requests. Run the chain again, so that the model is trained and registered anew."
        )
    return code
