"""Show for each stage whether --reuse would skip it, and if not, what has changed since its last success."""

from __future__ import annotations

import argparse
from typing import Any

from lib.chain import contracts, fingerprint, own_stages, plan
from lib.chain.plan import Execution
from lib.chain.reuse import EarlierExecution, EarlierResults
from lib.commands import _arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Go through the chain like ``run --reuse``, and print for each execution whether it is skipped."""
    layers = _arguments.load_layers(options)
    chain = own_stages.read_chain(layers.values.get("stages"))
    parameters = contracts.resolve_parameters(layers, chain)
    earlier_results = EarlierResults(parameters)
    values: dict[str, Any] = dict(parameters)
    changed_outputs: dict[str, str] = {}  # by output: the stage that would create the output again
    for executions in plan.group_by_stage(plan.list_executions(chain, parameters)):
        outputs: dict[str, Any] = {}
        for execution in executions:
            earlier, reasons = _judge(execution, values, changed_outputs, earlier_results)
            if earlier is not None:
                print(f"{execution.label:<28} is skipped: same as in {earlier.run}")
                outputs = plan.merge_outputs(outputs, earlier.outputs)
            else:
                print(f"{execution.label:<28} runs: {'; '.join(reasons)}")
                changed_outputs |= dict.fromkeys(execution.notebook.outputs, execution.notebook.stage)
        values |= outputs
    return 0


def _judge(
    execution: Execution, values: dict[str, Any], changed_outputs: dict[str, str], earlier_results: EarlierResults
) -> tuple[EarlierExecution | None, list[str]]:
    """Return the earlier execution that would be reused, or None and the reasons to run again."""
    known_values = {name: value for name, value in values.items() if name not in changed_outputs}
    current = fingerprint.compute(execution.notebook, execution.result_dependencies(known_values))
    changed_inputs = [name for name in execution.notebook.parameters if name in changed_outputs]
    if not changed_inputs:
        earlier = earlier_results.find(execution.label, current)
        return earlier, [] if earlier is not None else earlier_results.explain_run(execution.label, current)
    # The current fingerprint lacks these inputs, so a difference in them does not count.
    reasons = [
        reason
        for reason in earlier_results.explain_run(execution.label, current)
        if not any(name in reason for name in changed_inputs)
    ]
    return None, [*reasons, *(f"{changed_outputs[name]} creates {name} again" for name in changed_inputs)]
