"""Check that nothing has changed since runs were sealed: their files, MLflow's records, models, data and code."""

from __future__ import annotations

import argparse

from lib.errors import DataError
from lib.evidence import verifier
from lib.paths import display_path, resolve

_CHANGED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run, such as runs/20261130-120000-flights")


def execute(options: argparse.Namespace) -> int:
    """Print what has changed, is missing or was added; return 0 if every run is intact, else 1."""
    is_intact = True
    for run in options.runs:
        folder = resolve(run)
        try:
            differences = verifier.verify(folder)
        except ValueError as error:
            raise DataError(str(error)) from error
        if not differences:
            print(f"{display_path(folder)} is intact.")
            continue
        is_intact = False
        verb = "One thing has" if len(differences) == 1 else f"{len(differences)} things have"
        print(f"{display_path(folder)} is not intact. {verb} changed since it was sealed:")
        print(*(f"  {difference}" for difference in differences), sep="\n")
    return 0 if is_intact else _CHANGED
