"""List the runs with their status, outcome and score, newest first."""

from __future__ import annotations

import argparse

from lib.commands import _runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--name", metavar="NAME", help="list the runs of this use case only")
    _runs.add_folder_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Print one line per run."""
    from lib.chain import record as records
    from lib.evidence.report.runs_index import describe_runs

    folders = records.list_newest_first(_runs.find_runs_folder(options))
    rows = [row for row in describe_runs(folders) if options.name in (None, row["use_case"])]
    if not rows:
        print("There are no runs.")
        return 0
    columns = ("name", "started", "status", "verdict", "score", "duration")
    widths = [max(len(str(row[column])) for row in rows) for column in columns]
    for row in rows:
        cells = (f"{row[column]:<{width}}" for column, width in zip(columns, widths, strict=True))
        print("  ".join(cells).rstrip())
    return 0
