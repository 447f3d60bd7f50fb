"""The command line as messages print it, ready to be pasted into a shell, and the version of Millrace."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from shlex import quote

from lib.paths import ROOT

PROGRAM = "run_all.py"


def version() -> str:
    """Return the version of Millrace that ``pyproject.toml`` states."""
    import tomllib

    with (ROOT / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]["version"]


def python_program() -> str:
    """Return Python as a person would type it: ``.venv/bin/python`` in the project's folder."""
    program = Path(sys.executable)
    if program.is_relative_to(ROOT):
        return format_path(program)
    # The first Python on the PATH, as in an activated conda environment.
    return "python" if shutil.which("python") == sys.executable else str(program)


def format_path(path: Path) -> str:
    """Return a path for a shell command: relative if the current folder is the project's and contains it.

    Parameters
    ----------
    path : Path
        Absolute.
    """
    in_project = Path.cwd() == ROOT and path.is_relative_to(ROOT)
    return str(path.relative_to(ROOT) if in_project else path)


def command(*arguments: str | Path) -> str:
    """Return the shell command that runs ``run_all.py`` with these arguments, starting with the Python interpreter.

    Parameters
    ----------
    *arguments : str or Path
        Quoted where the shell needs it; absolute paths in the project are shortened.

    Examples
    --------
    >>> command("endpoint", "stop", "my shop").partition(" ")[2]
    "run_all.py endpoint stop 'my shop'"
    """
    words = [python_program(), format_path(ROOT / PROGRAM)]
    words += [format_path(word) if isinstance(word, Path) else word for word in arguments]
    return " ".join(map(quote, words))
