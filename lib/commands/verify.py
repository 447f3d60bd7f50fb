"""Check that nothing has changed since runs were sealed: their files, MLflow's records, models, data and code."""

from __future__ import annotations

import argparse
from pathlib import Path

from lib.errors import DataError
from lib.evidence import verifier
from lib.paths import display_path, resolve

_CHANGED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run, such as runs/20261130-120000-flights")
    parser.add_argument("--public-key", metavar="PEM", help="check the signatures, too, with this public key")


def execute(options: argparse.Namespace) -> int:
    """Print what has changed, is missing or was added; return 0 if every run is intact, else 1."""
    is_intact = True
    for run in options.runs:
        folder = resolve(run)
        try:
            key = resolve(options.public_key) if options.public_key else None
            differences = verifier.verify(folder, key)
        except ValueError as error:
            raise DataError(str(error)) from error
        if not differences:
            print(f"{display_path(folder)} is intact{_describe_signature(folder, key is not None)}.")
            continue
        is_intact = False
        verb = "One thing has" if len(differences) == 1 else f"{len(differences)} things have"
        print(f"{display_path(folder)} is not intact. {verb} changed since it was sealed:")
        print(*(f"  {difference}" for difference in differences), sep="\n")
    return 0 if is_intact else _CHANGED


def _describe_signature(folder: Path, is_checked: bool) -> str:
    """Return what is known about the signature of an intact run, as the end of a sentence."""
    if is_checked:
        return ", and signed with this key"
    return "; its signature was not checked: give --public-key" if (folder / verifier.SIGNATURE).is_file() else ""
