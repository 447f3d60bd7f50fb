"""Calls of git, for the commands that make a project and upgrade it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from lib.errors import InputError

REMOTE = "millrace"
# The author of commits where git knows none, as in a build agent.
_AUTHOR = {"user.name": "Millrace", "user.email": "millrace@localhost"}


class GitError(InputError):
    """A call of git that failed; the message has git's own words."""


def call(folder: Path, *arguments: str) -> str:
    """Return what git prints on standard output.

    Raises
    ------
    GitError
        If git is missing or fails.
    """
    if shutil.which("git") is None:
        raise GitError("git is not installed. A project is a git repository, so install git first.")
    result = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        words = (result.stderr or result.stdout).strip()
        raise GitError(f"git {' '.join(arguments[:2])} failed in {folder}: {words}")
    return result.stdout.strip()


def succeeds(folder: Path, *arguments: str) -> bool:
    """Return whether a call of git ends without an error."""
    result = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)
    return result.returncode == 0


def commit(folder: Path, message: str) -> None:
    """Commit everything that is staged; an author is given only where git knows none."""
    options = [
        part
        for key, value in _AUTHOR.items()
        if not succeeds(folder, "config", key)
        for part in ("-c", f"{key}={value}")
    ]
    call(folder, *options, "commit", "--quiet", "--no-verify", "--message", message)


def list_changes(folder: Path) -> list[str]:
    """Return the changed and new files of a repository that are not committed."""
    return [line[3:] for line in call(folder, "status", "--porcelain").splitlines()]
