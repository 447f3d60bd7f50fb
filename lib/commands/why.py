"""Show for each stage whether --reuse would skip it, and if not, what has changed since its last success."""

from __future__ import annotations

import argparse
from typing import Any

from lib.chain import contracts, fingerprint, notebooks, plan
from lib.chain.plan import Execution
from lib.chain.reuse import EarlierExecution, Reuse
from lib.commands import _arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    _arguments.add_parameter_options(parser)


def execute(options: argparse.Namespace) -> int:
    """Walk through the chain as ``run --reuse`` would, and print a verdict for each execution."""
    chain = notebooks.read_all()
    parameters = contracts.checked(_arguments.load_layers(options), chain)
    reuse = Reuse(parameters)
    values: dict[str, Any] = dict(parameters)
    changed_outputs: dict[str, str] = {}  # output -> the stage that would make it again
    for executions in plan.group_by_stage(plan.executions(chain, parameters)):
        outputs: dict[str, Any] = {}
        for execution in executions:
            earlier, reasons = _judge(execution, values, changed_outputs, reuse)
            if earlier is not None:
                print(f"{execution.label:<28} is skipped: same as in {earlier.run}")
                outputs = plan.merge_outputs(outputs, earlier.outputs)
            else:
                print(f"{execution.label:<28} runs: {'; '.join(reasons)}")
                changed_outputs |= dict.fromkeys(execution.notebook.outputs, execution.notebook.stage)
        values |= outputs
    return 0


def _judge(
    execution: Execution, values: dict[str, Any], changed_outputs: dict[str, str], reuse: Reuse
) -> tuple[EarlierExecution | None, list[str]]:
    """Return the earlier execution that would be reused, or None and the reasons to run again."""
    known = {name: value for name, value in values.items() if name not in changed_outputs}
    now = fingerprint.compute(execution.notebook, execution.result_dependencies(known))
    changed_inputs = [name for name in execution.notebook.parameters if name in changed_outputs]
    if not changed_inputs:
        earlier = reuse.find(execution.label, now)
        return earlier, [] if earlier is not None else reuse.reasons_to_run(execution.label, now)
    # Fingerprints without these inputs always differ in them, which says nothing.
    reasons = [
        reason
        for reason in reuse.reasons_to_run(execution.label, now)
        if not any(name in reason for name in changed_inputs)
    ]
    return None, [*reasons, *(f"{changed_outputs[name]} makes {name} again" for name in changed_inputs)]
