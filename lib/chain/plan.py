"""The plan of a run: which notebooks are executed, how often, and in which order."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lib.chain.contracts import TRAINING_FUNCTION
from lib.chain.notebooks import OVERRIDES, USE_CASE, Notebook
from lib.errors import NameNotFound, ParameterError
from lib.parameters import AZURE, COMMON, Parameters


@dataclass(frozen=True)
class Execution:
    """One execution of one notebook.

    Attributes
    ----------
    notebook : Notebook
    training_function : str
        For a notebook that is executed once per training function; otherwise empty.
    """

    notebook: Notebook
    training_function: str = ""

    @property
    def label(self) -> str:
        """Stage and, if any, training function: ``"train linear"``."""
        return f"{self.notebook.stage} {self.training_function}".strip()

    @property
    def file_name(self) -> str:
        """File name of the executed notebook: ``"03_train-linear.ipynb"``."""
        stem = self.notebook.executed_stem
        return f"{stem}-{self.training_function}.ipynb" if self.training_function else f"{stem}.ipynb"

    def select_parameters(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that the notebook's parameters cell declares."""
        selected = {name: values[name] for name in self.notebook.parameters if name in values}
        if self.training_function:
            selected[TRAINING_FUNCTION] = self.training_function
        return selected

    def result_dependencies(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that the results depend on: the notebook's inputs and the stage's declared parameters."""
        inputs = {
            name: value for name, value in self.select_parameters(values).items() if name not in (USE_CASE, OVERRIDES)
        }
        if USE_CASE not in self.notebook.parameters:  # the notebook reads its inputs only
            return inputs
        azure = AZURE if values.get("backend") == "azureml" else ()
        names = (*COMMON, *self.notebook.declared_parameters, *azure)
        return {**{name: values[name] for name in names if name in values}, **inputs}


def list_executions(
    notebooks: Sequence[Notebook],
    parameters: Parameters,
    first: str | None = None,
    last: str | None = None,
    only: str | None = None,
) -> list[Execution]:
    """Return the executions of a run, in order.

    Parameters
    ----------
    notebooks : sequence of Notebook
        All notebooks of the chain, in order.
    parameters : Parameters
    first, last, only : str, optional
        Stage to start at, to stop after, or to run alone.

    Raises
    ------
    NameNotFound
        If `first`, `last` or `only` is not a stage.
    ParameterError
        If no stage is left to run.
    """
    skipped = "train" if parameters.automl else "automl"  # one of these stages trains the candidates
    notebooks = [notebook for notebook in notebooks if notebook.stage != skipped]
    stages = [notebook.stage for notebook in notebooks]
    for option, stage in (("--from", first), ("--to", last), ("--only", only)):
        if stage is not None and stage not in stages:
            raise NameNotFound("stage", stage, stages, where=f"the chain ({option})")
    if only is not None and (first is not None or last is not None):
        raise ParameterError("--only runs one stage alone; it cannot be combined with --from or --to.")
    start = stages.index(only or first or stages[0])
    stop = stages.index(only or last or stages[-1])
    if start > stop:
        raise ParameterError(
            f"--from {first} comes after --to {last}, so nothing is left to run. The order is: {', '.join(stages)}."
        )
    planned = []
    for notebook in notebooks[start : stop + 1]:
        if TRAINING_FUNCTION in notebook.parameters:
            planned += [Execution(notebook, name) for name in parameters.training_functions]
        else:
            planned.append(Execution(notebook))
    return planned


def group_by_stage(planned: Sequence[Execution]) -> list[list[Execution]]:
    """Group executions by stage, in order; the executions of one stage may run at the same time."""
    return [list(group) for _, group in itertools.groupby(planned, key=lambda execution: execution.notebook.stage)]


def merge_outputs(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the outputs of two executions of one stage: lists are concatenated, other values are replaced.

    >>> merge_outputs({"candidates": ["linear"], "rows": 10}, {"candidates": ["xgboost"], "rows": 12})
    {'candidates': ['linear', 'xgboost'], 'rows': 12}
    """
    lists = {name: [*earlier.get(name, []), *value] for name, value in later.items() if isinstance(value, list)}
    return {**earlier, **later, **lists}
