"""Summarise a run in Markdown: the decision and why, scores, gates, stages and what is not known."""

from __future__ import annotations

import argparse

from lib.chain import record as records
from lib.commands import _runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    _runs.add_run_argument(parser)


def execute(options: argparse.Namespace) -> int:
    """Print the report of a run in Markdown, for the page of a build or a comment on a pull request."""
    from lib.evidence.report.markdown import render_markdown
    from lib.evidence.report.run_files import read_run

    folder = _runs.find_run(options)
    print(render_markdown(read_run(folder, records.read_current(folder))))
    return 0
