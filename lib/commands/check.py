"""Check parameters and notebooks against one another; nothing is started."""

from __future__ import annotations

import argparse

from lib.chain import contracts, notebooks, plan
from lib.commands import _parameters


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which parameters."""
    _parameters.add(parser)


def execute(options: argparse.Namespace) -> int:
    """Check, and say what was checked."""
    chain = notebooks.all_of()
    parameters = contracts.checked(_parameters.layers(options), chain)
    executions = plan.executions(chain, parameters)
    outputs = sum(len(notebook.outputs) for notebook in chain)
    print(
        f"{parameters.name}: {len(parameters)} parameters, {len(chain)} notebooks and the {outputs} outputs they hand "
        f"on fit together; a run executes {len(executions)} notebooks."
    )
    return 0
