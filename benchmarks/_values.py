"""Parameters and notebooks that every contender of `benchmarks.chain` runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.chain import contracts, notebooks, plan
from lib.chain.contracts import RUN_NAME
from lib.chain.notebooks import Notebook
from lib.parameters import Parameters, load


def load_parameters(params: str, folder: Path) -> Parameters:
    """Return the parameters of a use case, with workspace and runs in a folder."""
    assignments = [f"workspace={folder / 'workspace'}", f"runs_folder={folder / 'runs'}"]
    return contracts.resolve_parameters(load([params], assignments), notebooks.read_all())


def executions(parameters: Parameters) -> Iterator[tuple[Notebook, dict[str, Any]]]:
    """Yield the notebooks of the chain in order, each with all parameters and its inputs."""
    values = {**parameters, RUN_NAME: "bench"}
    for execution in plan.list_executions(notebooks.read_all(), parameters):
        yield execution.notebook, {**values, **execution.select_parameters(values)}
