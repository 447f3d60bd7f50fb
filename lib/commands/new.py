"""Make a project: a repository that uses this Millrace, with its own code, parameters, pipeline and test."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

from lib.commands import _git, _project
from lib.errors import MillraceError, ParameterError, StageError
from lib.invocation import PROGRAM, version
from lib.metrics import TASKS
from lib.parameters import SPECS
from lib.paths import ROOT

_BRANCH = "main"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command. What is not given is asked for in a terminal."""
    parser.add_argument("folder", help="the new repository, e.g. ../churn")
    parser.add_argument("--name", help="name of the use case (default: that of the folder)")
    parser.add_argument("--data", help="the table: a file, folder, pattern or URL")
    parser.add_argument("--target", metavar="COLUMN", help="the column to predict")
    parser.add_argument("--task", choices=TASKS, help="what to predict (default: inferred from the table)")
    parser.add_argument("--source", help="git repository of Millrace (default: this checkout)")
    parser.add_argument("--version", metavar="REF", help="tag or commit of Millrace (default: the newest commit)")


def execute(options: argparse.Namespace) -> int:
    """Clone Millrace, write the project's files, and commit them."""
    folder = Path(options.folder).expanduser().resolve()
    if folder.exists() and any(folder.iterdir()):
        raise ParameterError(f"{folder} exists and is not empty. Choose another folder.")
    name = options.name or _ask("name of the use case", re.sub(r"[^a-z0-9-]+", "-", folder.name.lower()).strip("-"))
    spec = SPECS["name"]
    if not re.fullmatch(spec.pattern or ".*", name):
        raise ParameterError(f"--name: {name!r} is not allowed; expected {spec.pattern_meaning}.")
    data = _resolve_table(options.data or _ask("table (file, folder, pattern or URL)", f"data/{name}.csv"))
    target = options.target or _ask("column to predict", "target")
    source = options.source or str(ROOT)
    if not options.source and not (ROOT / ".git").exists():
        raise ParameterError("--source: this Millrace is not a git repository; give the address of one.")
    try:
        commit = _clone(source, options.version, folder)
        _write_files(folder, name, data, target, options.task, bool(options.data))
        _project.write_pin(folder, version(), commit, source)
        _git.call(folder, "add", "--all")
        _git.commit(folder, f"Start {name} on Millrace {version()}")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # the folder was empty before
        raise
    print(f"Made {folder}, a repository that uses Millrace {version()} ({commit[:10]}).")
    print(
        f"Next:\n  cd {folder}\n  make install\n  .venv/bin/python {PROGRAM} --params parameters/{name}.yaml --dry-run"
    )
    return 0


def _ask(question: str, default: str) -> str:
    """Return the answer to a question in a terminal; elsewhere, the default."""
    if not sys.stdin.isatty():
        return default
    return input(f"{question} [{default}]: ").strip() or default


def _resolve_table(data: str) -> str:
    """Return a table's address; a path of an existing file becomes absolute, because the project is another folder."""
    path = Path(data).expanduser()
    return str(path.resolve()) if "://" not in data and path.exists() else data


def _clone(source: str, reference: str | None, folder: Path) -> str:
    """Clone Millrace into a folder, with a branch of the project's own, and return the commit."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _git.call(folder.parent, "clone", "--quiet", "--no-checkout", "--origin", _git.REMOTE, source, str(folder))
    commit = _git.call(folder, "rev-parse", "--verify", f"{reference or 'HEAD'}^{{commit}}")
    _git.call(folder, "checkout", "--quiet", "-B", _BRANCH, commit)
    if _git.succeeds(folder, "config", f"branch.{_BRANCH}.remote"):
        _git.call(folder, "branch", "--unset-upstream", _BRANCH)  # `git push` must not push to Millrace
    return commit


def _write_files(folder: Path, name: str, data: str, target: str, task: str | None, has_table: bool) -> None:
    """Write the project's files; `init` proposes the parameters if there is a table."""
    for path, text in _project.make_files(name, data, target, task or "binary").items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    pipeline = _project.make_pipeline((folder / "azure-pipelines.yml").read_text(encoding="utf-8"), name)
    (folder / "custom" / "azure-pipelines.yml").write_text(pipeline, encoding="utf-8")
    if has_table:
        task_options = ["--task", task] if task else []
        command = [sys.executable, PROGRAM, "init", "--data", data, "--target", target, "--name", name, *task_options]
        result = subprocess.run(
            [*command, "--child", "--force"], cwd=folder, capture_output=True, text=True, check=False
        )
        if result.returncode:
            error: type[MillraceError] = ParameterError if result.returncode == ParameterError.exit_code else StageError
            raise error(f"No project is made, because the table cannot be used: {result.stderr.strip()}")
        print(result.stdout.partition("\nWrote:")[0])
