"""Show which version of a model was in production when, by which run, and decided by whom."""

from __future__ import annotations

import argparse
import sys

from lib.commands import _arguments
from lib.invocation import PROGRAM
from lib.paths import display_path, resolve

_BROKEN = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("name", metavar="NAME", help="name of the use case")
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Print the periods, newest first; return 1 if the ledger was changed, else 0."""
    from lib.evidence import history

    values = _arguments.load_layers(options, announce=False).values
    runs_folder = resolve(values["runs_folder"])
    # Without a local workspace, the ledger is beside the runs.
    workspace = resolve(values["workspace"]) if values["backend"] == "local" else runs_folder
    for period in reversed(history.read_history(options.name, workspace, runs_folder)):
        version = f"version {period.version}" if period.version else "nothing"
        print(f"{period.since} to {period.until or 'now'}: {version} in production")
        print(f"  by {period.run or 'a command'}: {period.decided_by}")
        if period.why:
            print(f"  {period.why}")
    if faults := history.find_broken_links(workspace):
        print(f"{PROGRAM}: the history in {display_path(workspace)} was changed:", *faults, sep="\n  ", file=sys.stderr)
        return _BROKEN
    if not history.read_history(options.name, workspace, runs_folder):
        print(f"No run has put a version of {options.name} into production.")
    return 0
