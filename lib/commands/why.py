"""Say of each stage whether --reuse would skip it, and if not, what has changed since it was last done."""

from __future__ import annotations

import argparse
from typing import Any

from lib.chain import contracts, fingerprint, notebooks, plan
from lib.chain.plan import Execution
from lib.chain.reuse import Reuse
from lib.commands import _parameters


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which parameters."""
    _parameters.add(parser)


def execute(options: argparse.Namespace) -> int:
    """Go through the chain as a run with --reuse would."""
    chain = notebooks.all_of()
    parameters = contracts.checked(_parameters.layers(options), chain)
    reuse = Reuse(parameters)
    values: dict[str, Any] = dict(parameters)
    made_anew: dict[str, str] = {}  # output -> stage that would make it
    for together in plan.rounds(plan.executions(chain, parameters)):
        outputs: dict[str, Any] = {}
        for execution in together:
            reasons, earlier = _judge(execution, values, made_anew, reuse)
            if earlier:
                print(f"{execution.label:<28} skipped, as in {earlier.run}")
                outputs = plan.joined(outputs, earlier.outputs)
            else:
                print(f"{execution.label:<28} runs: {'; '.join(reasons)}")
                made_anew |= dict.fromkeys(execution.notebook.outputs, execution.notebook.stage)
        values |= outputs
    return 0


def _judge(execution: Execution, values: dict[str, Any], made_anew: dict[str, str], reuse: Reuse) -> tuple:
    """Why an execution would run, or the earlier one in its place."""
    known = {name: value for name, value in values.items() if name not in made_anew}
    now = fingerprint.of(execution.notebook, execution.depends_on(known))
    unknown = [name for name in execution.notebook.parameters if name in made_anew]
    if not unknown:
        earlier = reuse.find(execution.label, now)
        return (reuse.why_not(execution.label, now) if earlier is None else []), earlier
    reasons = [one for one in reuse.why_not(execution.label, now) if not any(name in one for name in unknown)]
    return [*reasons, *(f"{name} is made anew by {made_anew[name]}" for name in unknown)], None
