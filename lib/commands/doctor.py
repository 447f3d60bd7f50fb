"""Check everything that a run needs, and show how to fix problems."""

from __future__ import annotations

import argparse

from lib import backends
from lib.backends.base import Check
from lib.chain import header
from lib.commands import _arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Print one line for each check; return 1 if any fails."""
    parameters = _arguments.load_parameters(options)
    checks = list(backends.diagnose(parameters))
    checks += [Check("columns", fault, ok=False) for fault in header.find_column_faults(parameters)]
    name_width = max(len(check.name) for check in checks)
    for check in checks:
        print(f"{'ok' if check.ok else 'NOT OK':<7} {check.name:<{name_width}}  {check.result}")
    return 0 if all(check.ok for check in checks) else 1
