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
    """Return the shell command for this Python, as a person would type it: e.g. ``.venv/bin/python``."""
    program = Path(sys.executable)
    if program.is_relative_to(ROOT):
        return format_path(program)
    # In an activated conda environment, this Python is the first on the PATH.
    return "python" if shutil.which("python") == sys.executable else str(program)


def format_path(path: Path) -> str:
    """Return a path for a shell command: relative if it is in the project and the project is the current folder.

    Parameters
    ----------
    path : Path
        An absolute path.
    """
    in_project = Path.cwd() == ROOT and path.is_relative_to(ROOT)
    return str(path.relative_to(ROOT) if in_project else path)


def command(*arguments: str | Path) -> str:
    """Return the shell command that runs ``run_all.py`` with these arguments, starting with the Python interpreter.

    Parameters
    ----------
    *arguments : str or Path
        Text is quoted where the shell needs it. Absolute paths in the project become relative.

    Examples
    --------
    >>> command("endpoint", "stop", "my shop").partition(" ")[2]
    "run_all.py endpoint stop 'my shop'"
    """
    unquoted = [python_program(), format_path(ROOT / PROGRAM)]
    unquoted += [format_path(argument) if isinstance(argument, Path) else argument for argument in arguments]
    return " ".join(map(quote, unquoted))
