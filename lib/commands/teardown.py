"""End what a use case left running: its endpoint and its jobs."""

from __future__ import annotations

import argparse

from lib import backends
from lib.commands import _parameters
from lib.parameters import Parameters, check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of which use case, or of all."""
    _parameters.add(parser)
    parser.add_argument("--everything", action="store_true", help="of every use case, and the clusters that runs made")


def execute(options: argparse.Namespace) -> int:
    """End it, and print what was ended."""
    backend = backends.connect(Parameters(check(_parameters.layers(options))))
    ended = backend.teardown(options.everything)
    for line in ended or ["Nothing was running."]:
        print(line)
    return 0
