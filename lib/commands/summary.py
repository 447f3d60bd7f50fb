"""Say in Markdown how a run went: the verdict, and each stage."""

from __future__ import annotations

import argparse
from pathlib import Path

from lib.chain import record as records
from lib.commands import _parameters
from lib.errors import DataError
from lib.paths import display_path, resolve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run; by default the newest."""
    parser.add_argument("run", nargs="?", help="its folder; by default the newest in runs_folder")
    _parameters.add(parser)


def execute(options: argparse.Namespace) -> int:
    """Read the record, and print it."""
    folder = Path(options.run) if options.run else _newest(resolve(_parameters.layers(options).values["runs_folder"]))
    print(markdown(records.read(folder)))
    return 0


def markdown(run: dict) -> str:
    """Text for a page that shows how a run went, such as the summary of a build.

    Parameters
    ----------
    run : dict
        Content of its ``run.json``.
    """
    handed_on = {name: value for stage in run["stages"] for name, value in stage.get("outputs", {}).items()}
    lines = [f"## {run['name']}: {run['status']}", ""]
    if handed_on.get("decision"):
        lines += [handed_on["decision"], ""]
    if handed_on.get("endpoint_url"):
        lines += [f"Endpoint: {handed_on['endpoint_url']}", ""]
    if run.get("error"):
        lines += ["```", run["error"], "```", ""]
    lines += ["| stage | status | seconds |", "| --- | --- | ---: |"]
    lines += [f"| {stage['stage']} | {stage['status']} | {stage.get('seconds', 0):.1f} |" for stage in run["stages"]]
    return "\n".join(lines)


def _newest(runs_folder: Path) -> Path:
    folders = records.newest_first(runs_folder)
    if not folders:
        raise DataError(f"There is no run in {display_path(runs_folder)}.")
    return max(folders, key=lambda folder: (folder / records.RECORD).stat().st_mtime_ns)
