"""The log of a stage: the text that its notebook printed, as a file, and as a foldable group on a build server."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from lib.chain.notebook_progress import read_progress


def write_log(executed: Path) -> Path:
    """Write the text output of an executed notebook beside it, as a file with the suffix ``.log``.

    The log of a cluster job, which the backend has downloaded to the same path, is left as it is.
    """
    log = executed.with_suffix(".log")
    progress = read_progress(executed)
    if progress is not None and not log.exists():
        log.write_text("".join(f"{line}\n" for line in progress.output_lines), encoding="utf-8")
    return log


def print_group(
    title: str, log: Path, has_failed: bool, stream: TextIO | None = None, variables: Mapping[str, str] = os.environ
) -> None:
    """Print a log as a foldable group if this process runs on Azure DevOps or GitHub; elsewhere, print nothing.

    https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands
    https://docs.github.com/actions/reference/workflow-commands-for-github-actions

    Parameters
    ----------
    title : str
        Title of the group.
    log : Path
        The log file; if it does not exist, the group is empty.
    has_failed : bool
        Whether to report the title as an error of the build, too.
    stream : TextIO, optional
        By default stdout, where the servers look for commands.
    variables : mapping of str to str
        Environment variables, by which a build server is recognized.
    """
    if variables.get("TF_BUILD"):
        begin, end, error = "##[group]", "##[endgroup]", "##vso[task.logissue type=error]"
    elif variables.get("GITHUB_ACTIONS"):
        begin, end, error = "::group::", "::endgroup::", "::error::"
    else:
        return
    stream = stream or sys.stdout
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    lines = [f"{begin}{title}", *map(_disarm, text.splitlines()), end]
    if has_failed:
        lines.append(f"{error}{title} failed")
    stream.write("".join(f"{line}\n" for line in lines))
    stream.flush()


def _disarm(line: str) -> str:
    """Return a line that no build server takes for a command, whatever a notebook has printed."""
    line = line.replace("##[", "## [").replace("##vso[", "## vso[")
    return f"| {line}" if line.lstrip().startswith("::") else line
