"""Who started a run, with which command, on which machine, from which commit."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from lib import cores
from lib.evidence.verifier import hash_file
from lib.invocation import version
from lib.paths import ROOT, display_path, resolve

_GIT_SECONDS = 10
# Names of the run in the systems that start it: Azure Machine Learning, Azure Pipelines and GitHub Actions.
_REMOTE_RUN_VARIABLES = ("AZUREML_RUN_ID", "BUILD_BUILDID", "GITHUB_RUN_ID")


def describe_start(parameter_files: Sequence[str | Path], assignments: Sequence[str]) -> dict[str, Any]:
    """Return who starts a run, by which command, on which machine and from which commit.

    Parameters
    ----------
    parameter_files : sequence of str or Path
        Parameter files as given on the command line.
    assignments : sequence of str
        Single parameters as given on the command line, ``name=value``.

    Returns
    -------
    dict
        JSON-compatible. ``git`` is None outside a git checkout.
    """
    return {
        "user": user_name(),
        "host": socket.gethostname(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "parameter_files": {display_path(resolve(file)): hash_file(resolve(file)) for file in parameter_files},
        "assignments": list(assignments),
        "git": read_git(ROOT),
        "remote_run": {name: os.environ[name] for name in _REMOTE_RUN_VARIABLES if name in os.environ},
        "versions": list_versions(),
        "machine": {"platform": platform.platform(), "processor": platform.machine(), "cores": cores.available()},
    }


def list_versions() -> dict[str, str]:
    """Return the versions of Millrace, of Python and of all installed packages."""
    packages = {package.name: package.version for package in metadata.distributions()}
    return {"millrace": version(), "python": platform.python_version(), **packages}


def read_git(folder: Path) -> dict[str, Any] | None:
    """Return the commit and branch of a checkout, and its uncommitted files; None if it is no git checkout.

    Returns
    -------
    dict or None
        ``commit``; ``branch``, empty if no branch is checked out; ``uncommitted``, the changed and new files. If git
        fails, ``error`` alone says why.
    """
    if not (folder / ".git").exists():
        return None
    try:
        return {
            "commit": _git(folder, "rev-parse", "HEAD").strip(),
            "branch": _git(folder, "branch", "--show-current").strip(),
            "uncommitted": [line[3:] for line in _git(folder, "status", "--porcelain").splitlines()],
        }
    except (OSError, subprocess.SubprocessError) as error:
        return {"error": f"git cannot tell: {error}"}


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "core.quotePath=false", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=_GIT_SECONDS).stdout


def user_name() -> str:
    """Return the name of the user who runs this process, or the number of a user without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
