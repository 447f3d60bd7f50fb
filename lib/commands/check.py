"""Check parameters and notebooks against each other without running anything."""

from __future__ import annotations

import argparse

from lib.chain import contracts, own_stages, plan
from lib.commands import _arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Check the use case and print what was checked."""
    layers = _arguments.load_layers(options)
    chain = own_stages.read_chain(layers.values.get("stages"))
    parameters = contracts.resolve_parameters(layers, chain)
    executions = plan.list_executions(chain, parameters)
    output_count = sum(len(notebook.outputs) for notebook in chain)
    print(
        f"{parameters.name}: all checks passed: {len(parameters)} parameters, {len(chain)} notebooks, {output_count} "
        f"outputs that are passed between notebooks. A run executes {len(executions)} notebooks."
    )
    return 0
