"""Look at everything a run needs, and say what to do about what is missing."""

from __future__ import annotations

import argparse

from lib import backends
from lib.commands import _parameters
from lib.parameters import Parameters, check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which parameters."""
    _parameters.add(parser)


def execute(options: argparse.Namespace) -> int:
    """Print a line for each thing; 1 where one is not as it should be."""
    parameters = Parameters(check(_parameters.layers(options)))
    found = backends.diagnose(parameters)
    width = max(len(one.name) for one in found)
    for one in found:
        print(f"{'ok' if one.ok else 'NOT OK':<7} {one.name:<{width}}  {one.result}")
    return 0 if all(one.ok for one in found) else 1
