"""Parameters on a command line: files laid over one another, and single values over those."""

from __future__ import annotations

import argparse

from lib.parameters import Layers, load
from lib.paths import ROOT, display_path

EXAMPLE = ROOT / "parameters" / "flights.yaml"


def add(parser: argparse.ArgumentParser) -> None:
    """Let a command take ``--params`` and ``-p``."""
    parser.add_argument(
        "--params",
        nargs="+",
        action="extend",
        metavar="FILE",
        help=f"parameter files, laid over parameters/base.yaml in their order ({display_path(EXAMPLE)})",
    )
    parser.add_argument(
        "-p",
        dest="assignments",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one parameter, over the files",
    )


def layers(options: argparse.Namespace) -> Layers:
    """Parameters as they were given; nothing is checked yet."""
    return load(options.params or [EXAMPLE], options.assignments)
