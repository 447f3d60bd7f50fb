"""The packages and the Python of an image, gathered in folders before they become layers."""

from __future__ import annotations

import compileall
import py_compile
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from lib.errors import StageError

# Parts of the standard library that a server does not need.
_LEFT_OUT = tuple(
    "__pycache__ site-packages dist-packages test tests idlelib tkinter turtledemo ensurepip lib2to3 config-* *.a "
    "_tkinter*".split()
)
_ERROR_LINES = 10


def install_packages(requirements: Path, target: Path) -> None:
    """Install the packages of a requirements file into a folder, from wheels of this system.

    Raises
    ------
    StageError
        If pip fails, for example because an index cannot be reached or a file has another hash.
    """
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--no-deps", "--only-binary", ":all:", "--target", str(target), "--requirement", str(requirements)]
    installed = subprocess.run(command, capture_output=True, text=True, check=False)
    if installed.returncode:
        lines = "\n  ".join(installed.stderr.strip().splitlines()[-_ERROR_LINES:])
        raise StageError(f"--image: the packages could not be installed by pip:\n  {lines}")
    # These scripts name the Python of this machine.
    shutil.rmtree(target / "bin", ignore_errors=True)


def copy_python(target: Path) -> None:
    """Copy the interpreter that runs this program, and its standard library, into a folder with ``bin`` and ``lib``."""
    program = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    (target / "bin").mkdir(parents=True)
    shutil.copy(program, target / "bin" / python_name())
    library = target / "lib" / python_name()
    ignore = shutil.ignore_patterns(*_LEFT_OUT)
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=ignore)
    if not (library / "lib-dynload").is_dir():  # compiled modules may be in another folder
        shutil.copytree(Path(sysconfig.get_path("platstdlib")) / "lib-dynload", library / "lib-dynload")


def compile_sources(folder: Path, final_folder: str) -> None:
    """Compile the Python files of a folder, since the user of the image may not write beside them.

    Parameters
    ----------
    folder : Path
    final_folder : str
        The folder's place in the image, which tracebacks name.
    """
    mode = py_compile.PycInvalidationMode.CHECKED_HASH  # files in an image may have any date
    # A few packages contain templates that are not valid Python; they stay as they are.
    compileall.compile_dir(
        folder, maxlevels=50, quiet=2, workers=0, stripdir=folder, prependdir=final_folder, invalidation_mode=mode
    )


def list_compiled_modules(folder: Path) -> list[Path]:
    """Return the programs and compiled modules of a folder."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and _is_compiled(path.name)]


def python_name() -> str:
    """Return the name of this Python, such as ``python3.11``."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def _is_compiled(name: str) -> bool:
    return name == python_name() or name.endswith(".so") or ".so." in name
