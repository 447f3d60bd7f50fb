"""The MLflow model folder as files: found, told apart by its hash, and the source of the code to run."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import lib

# Neither is part of the model: the first is written by whoever imports its code, the second by MLflow's
# registry client into what it downloads.
NOT_HASHED = ("__pycache__", "registered_model_meta")
# Statistics of the training rows, written beside the model when it is logged.
BASELINE_FILE = "baseline.json"


class ModelError(Exception):
    """The model folder cannot be served; the message says why and what to do."""


def digest(folder: str | Path) -> str:
    """SHA-256 of a model folder: of its files' names and contents, in the order of their names.

    Parameters
    ----------
    folder : path
        The folder that holds ``MLmodel``. Bytecode caches do not count.

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


def find(folder: str | Path) -> Path:
    """The folder with ``MLmodel``: this one or, as Azure ML mounts models, one below it.

    Raises
    ------
    ModelError
        Where there is none, or two and nothing to choose by.
    """
    folder = Path(folder)
    patterns = ("MLmodel", "*/MLmodel", "*/*/MLmodel")
    found = next(filter(None, (sorted(folder.glob(pattern)) for pattern in patterns)), [])
    if not found:
        raise ModelError(f"There is no MLflow model in {folder}: no file named MLmodel in it or below it.")
    if len(found) > 1:
        raise ModelError(f"There are several models in {folder}: {', '.join(str(path.parent) for path in found)}.")
    return found[0].parent


def use_code(folder: Path) -> None:
    """Let the model run with the code it was trained with, from the folder ``code`` beside it.

    A model's pickle names classes in `lib.training`, and the work tree may hold other ones by now; the
    server, on the other hand, should be today's, with today's checks and locks, whatever the age of the
    model. Both are named `lib`. So from here on `lib` looks for its modules in the model's code alone;
    `lib.serving`, already imported and with a search path of its own, stays as it is.
    """
    code = folder / "code"
    if not code.is_dir():
        return
    sys.path.insert(0, str(code))
    if (code / "lib").is_dir():
        lib.__path__[:] = [str(code / "lib")]
