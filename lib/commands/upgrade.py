"""Move a project to a newer Millrace; its own code and parameters stay as they are."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from lib.commands import _git, _project
from lib.errors import ParameterError, StageError
from lib.invocation import PROGRAM
from lib.paths import ROOT

_TAGS = "v*"
_OLD_FOLDERS = ("lib/pipelines/", "lib/training/")
_USE_CASE = re.compile(r"parameters/[^/]+\.yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("project", nargs="?", default=str(ROOT), help="the project (default: this repository)")
    parser.add_argument("--to", metavar="REF", help="tag or commit of Millrace (default: the newest tag, or commit)")
    parser.add_argument("--source", help="git repository of Millrace (default: that of custom/millrace.yaml)")


def execute(options: argparse.Namespace) -> int:
    """Merge a newer Millrace, record it, and check every use case with it."""
    project = Path(options.project).expanduser().resolve()
    pin = _read_pin(project, options.source)
    source = _resolve_source(options.source or pin["source"])
    changes = _git.list_changes(project)
    if changes:
        raise ParameterError(f"Commit your changes first, because upgrade makes a commit: {', '.join(changes[:10])}.")
    _git.call(project, "fetch", "--quiet", "--tags", "--force", source, "+refs/heads/*:refs/remotes/millrace/*")
    _git.call(project, "fetch", "--quiet", source, "HEAD")
    target = _git.call(project, "rev-parse", "--verify", f"{options.to or _newest(project)}^{{commit}}")
    if _git.succeeds(project, "merge-base", "--is-ancestor", target, "HEAD"):
        print(f"This project already uses Millrace {pin['version']} ({target[:10]}), or a newer one.")
        return 0
    own_files = _list_own_files(project, pin["commit"])
    _merge(project, target, pin["commit"])
    version = _read_version(project)
    _project.write_pin(project, version, target, source)
    _git.call(project, "add", "--all")
    _git.commit(project, f"Upgrade Millrace from {pin['version']} to {version}")
    print(f"Upgraded Millrace from {pin['version']} ({pin['commit'][:10]}) to {version} ({target[:10]}).")
    print("Next: make install, and read docs/upgrading.md.")
    for file in own_files:
        if file.startswith(_OLD_FOLDERS):
            print(f"{file} is your own; move it to custom/{file.removeprefix('lib/')} when it suits you.")
    return _check_use_cases(project, own_files)


def _read_pin(project: Path, source: str | None) -> dict[str, str]:
    """Return the Millrace that a project uses; a checkout of an earlier release has no record of it."""
    if (project / _project.PIN).is_file() or (project == ROOT and source is None):
        return _project.read_pin(project)
    if not (project / PROGRAM).is_file() or not (project / ".git").exists():
        raise ParameterError(f"{project} is not a git repository that uses Millrace: it has no {PROGRAM}.")
    source = _resolve_source(source or str(ROOT))
    _git.call(project, "fetch", "--quiet", source, "HEAD")
    commit = _git.call(project, "merge-base", "HEAD", "FETCH_HEAD")
    return {"version": _read_version(project), "commit": commit, "source": source}


def _resolve_source(source: str) -> str:
    """Return the address of a repository; a path becomes absolute, because git runs in the project's folder."""
    return str(Path(source).expanduser().resolve()) if Path(source).expanduser().exists() else source


def _newest(folder: Path) -> str:
    """Return the newest tag of Millrace that the fetched branch contains, or else its newest commit."""
    if _git.succeeds(folder, "describe", "--tags", "--abbrev=0", "--match", _TAGS, "FETCH_HEAD"):
        return _git.call(folder, "describe", "--tags", "--abbrev=0", "--match", _TAGS, "FETCH_HEAD")
    return "FETCH_HEAD"


def _merge(folder: Path, target: str, commit: str) -> None:
    """Merge a commit of Millrace without committing.

    Parameters
    ----------
    folder : Path
    target : str
        The commit to merge.
    commit : str
        The commit that the project uses.

    Raises
    ------
    StageError
        If a file of Millrace was edited in the project. The project is then as before.
    """
    try:
        _git.call(folder, "merge", "--quiet", "--no-commit", "--no-ff", target)
    except _git.GitError:
        files = _git.call(folder, "diff", "--name-only", "--diff-filter=U").splitlines()
        if _git.succeeds(folder, "rev-parse", "--verify", "MERGE_HEAD"):
            _git.call(folder, "merge", "--abort")
        if not files:
            raise
        raise StageError(
            f"Nothing was upgraded, because these files of Millrace were edited in this project: {', '.join(files)}. "
            f"Move your changes to custom/ and parameters/, restore the files by `git checkout {commit[:10]} -- FILE`, "
            "commit, and upgrade again."
        ) from None


def _read_version(folder: Path) -> str:
    """Return the version of Millrace in a folder."""
    import tomllib

    with (folder / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]["version"]


def _list_own_files(folder: Path, commit: str) -> list[str]:
    """Return the files of a project that the Millrace which it uses does not have."""
    ours = _git.call(folder, "ls-tree", "-r", "--name-only", "HEAD").splitlines()
    theirs = set(_git.call(folder, "ls-tree", "-r", "--name-only", commit).splitlines())
    return [file for file in ours if file not in theirs]


def _check_use_cases(folder: Path, own_files: list[str]) -> int:
    """Check the project's own parameter files with the new code; return 2 if one cannot be used."""
    exit_code = 0
    for file in own_files:
        if _USE_CASE.fullmatch(file):
            command = [sys.executable, PROGRAM, "check", "--params", file]
            result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            print((result.stdout or result.stderr).strip())
            exit_code = max(exit_code, ParameterError.exit_code if result.returncode else 0)
    return exit_code
