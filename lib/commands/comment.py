"""Comment on the pull request of this build: the newest run, compared with that of the target branch."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from lib.chain import record as records
from lib.commands import _runs, compare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--artifact", required=True, metavar="NAME", help="the artifact with the runs of a build")
    _runs.add_run_argument(parser)


def execute(options: argparse.Namespace) -> int:
    """Write the comment, or replace the one of an earlier build; outside of a pull request, do nothing."""
    from lib.evidence.pull_request import PullRequest

    pull_request = PullRequest.from_environment(os.environ)
    if isinstance(pull_request, str):
        print(pull_request)
        return 0
    folder = _runs.find_run(options)
    with tempfile.TemporaryDirectory() as scratch:
        pull_request.download_target_runs(options.artifact, Path(scratch))
        pull_request.comment(describe_run(folder, Path(scratch), pull_request.target_branch))
    print(f"Commented on pull request {pull_request.number}.")
    return 0


def describe_run(folder: Path, target_runs: Path, target_branch: str) -> str:
    """Return the summary of a run, after its comparison with the newest run of the target branch, in Markdown.

    Parameters
    ----------
    folder : Path
        The run's folder.
    target_runs : Path
        Folders of runs of the target branch; it may be empty.
    target_branch : str
    """
    from lib.evidence.compare.content import compare_runs
    from lib.evidence.report.markdown import MAX_CHARACTERS, escape, render_comparison, render_markdown
    from lib.evidence.report.run_files import read_run

    run = read_run(folder, records.read_current(folder))
    branch = escape(target_branch.removeprefix("refs/heads/"))
    earlier = [read_run(each) for each in records.list_newest_first(target_runs)]
    same = next((each for each in earlier if each.name == run.name and each.facts("evaluate")), None)
    summary = render_markdown(run)
    if same is None:
        return f"There is no run of {escape(run.name)} on {branch} to compare with.\n\n{summary}"
    comparison = render_comparison(compare_runs(same, run, compare.measure_difference(same, run)))
    text = f"Compared with {branch}:\n\n{comparison}"
    return f"{text}\n\n{summary}" if len(text) + len(summary) < MAX_CHARACTERS else text
