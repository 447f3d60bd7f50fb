"""What every contender of `benchmarks.chain` is given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.chain import contracts, notebooks, plan
from lib.chain.contracts import RUN_NAME
from lib.chain.notebooks import Notebook
from lib.parameters import Parameters, load


def of(params: str, place: Path) -> Parameters:
    """Parameters of a use case, in a workspace of its own."""
    assignments = [f"workspace={place / 'workspace'}", f"runs_folder={place / 'runs'}"]
    return contracts.checked(load([params], assignments), notebooks.all_of())


def executions(values: Parameters) -> Iterator[tuple[Notebook, dict[str, Any]]]:
    """Notebooks of the chain in their order, each with the parameters it reads."""
    for one in plan.executions(notebooks.all_of(), values):
        yield one.notebook, one.given({**values, RUN_NAME: "bench"})
