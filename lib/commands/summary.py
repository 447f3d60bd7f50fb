"""Print a Markdown summary of a run: the verdict and each stage."""

from __future__ import annotations

import argparse
from typing import Any

from lib.chain import record as records
from lib.commands import _runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    _runs.add_run_argument(parser)


def execute(options: argparse.Namespace) -> int:
    """Read the run's record and print its summary."""
    print(format_summary(records.read_current(_runs.find_run(options))))
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
