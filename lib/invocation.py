"""The command line as messages print it, ready to be pasted into a shell, and the version of Millrace."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from lib.paths import ROOT

PROGRAM = "run_all.py"
EXPORTED_PROGRAM = "serve.py"  # of a folder that `endpoint export` has written


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
    return _join_command(PROGRAM, arguments)


def endpoint_command(action: str, name: str = "") -> str:
    """Return the shell command for an action on a local endpoint; an exported folder has a program of its own.

    Examples
    --------
    >>> endpoint_command("stop", "my shop").partition(" ")[2]
    "run_all.py endpoint stop 'my shop'"
    """
    program, arguments = endpoint_arguments(action, name)
    return _join_command(program, arguments)


def endpoint_arguments(action: str, name: str = "") -> tuple[str, list[str]]:
    """Return the program and its arguments for an action on a local endpoint; the name may be empty."""
    if _is_exported():
        return EXPORTED_PROGRAM, [action]
    return PROGRAM, ["endpoint", action, *filter(None, [name])]


def port_option(port: int) -> str:
    """Return the option that serves the endpoint on a port.

    Examples
    --------
    >>> port_option(8080)
    '-p endpoint_port=8080'
    """
    return f"--port {port}" if _is_exported() else f"-p endpoint_port={port}"


def _is_exported() -> bool:
    return (ROOT / EXPORTED_PROGRAM).is_file()


def _join_command(program: str, arguments: Sequence[str | Path]) -> str:
    unquoted = [python_program(), format_path(ROOT / program)]
    unquoted += [format_path(argument) if isinstance(argument, Path) else argument for argument in arguments]
    return " ".join(map(quote, unquoted))
