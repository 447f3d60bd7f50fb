"""Stop what a use case left running: its endpoint and its jobs."""

from __future__ import annotations

import argparse

from lib import backends
from lib.commands import _arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    _arguments.add_parameter_options(parser)
    parser.add_argument(
        "--everything",
        action="store_true",
        help="stop the endpoints and jobs of all use cases, and delete the clusters that runs created",
    )


def execute(options: argparse.Namespace) -> int:
    """Stop endpoints and jobs, and print a line for each."""
    backend = backends.connect(_arguments.load_parameters(options))
    stopped = backend.teardown(options.everything)
    for line in stopped or ["Nothing was running."]:
        print(line)
    return 0
