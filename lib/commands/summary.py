"""Print a Markdown summary of a run: the verdict and each stage."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lib.chain import record as records
from lib.commands import _arguments
from lib.errors import DataError
from lib.paths import display_path, resolve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("run", nargs="?", help="the run's folder; by default the newest run in runs_folder")
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Read the run's record and print its summary."""
    if options.run:
        folder = Path(options.run)
    else:
        folder = _find_newest_run(resolve(_arguments.load_layers(options, announce=False).values["runs_folder"]))
    print(format_summary(records.read(folder)))
    return 0


def format_summary(run: dict[str, Any]) -> str:
    """Return a run's summary in Markdown, for instance for the page of a build.

    Parameters
    ----------
    run : dict
        The content of the run's ``run.json``.
    """
    outputs = {name: value for stage in run["stages"] for name, value in stage.get("outputs", {}).items()}
    lines = [f"## {run['name']}: {run['status']}", ""]
    if outputs.get("decision"):
        lines += [outputs["decision"], ""]
    if outputs.get("endpoint_url"):
        lines += [f"Endpoint: {outputs['endpoint_url']}", ""]
    if run.get("error"):
        lines += ["```", run["error"], "```", ""]
    lines += ["| stage | status | seconds |", "| --- | --- | ---: |"]
    lines += [f"| {stage['stage']} | {stage['status']} | {stage.get('seconds', 0):.1f} |" for stage in run["stages"]]
    return "\n".join(lines)


def _find_newest_run(runs_folder: Path) -> Path:
    """Return the folder of the run whose record was written last."""
    folders = records.list_newest_first(runs_folder)
    if not folders:
        raise DataError(f"There is no run in {display_path(runs_folder)}.")
    return max(folders, key=lambda folder: (folder / records.RECORD).stat().st_mtime_ns)
