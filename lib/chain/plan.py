"""Which notebooks run, how often, and in which order."""

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
        Of a notebook that is executed once for each of them; else empty.
    """

    notebook: Notebook
    training_function: str = ""

    @property
    def label(self) -> str:
        """Stage and, where there is one, training function: ``"train linear"``."""
        return f"{self.notebook.stage} {self.training_function}".strip()

    @property
    def file_name(self) -> str:
        """Of the executed notebook: ``"03_train-linear.ipynb"``."""
        stem = self.notebook.path.stem
        return f"{stem}-{self.training_function}.ipynb" if self.training_function else f"{stem}.ipynb"

    def given(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of this execution, out of all there are."""
        found = {name: values[name] for name in self.notebook.parameters if name in values}
        return {**found, TRAINING_FUNCTION: self.training_function} if self.training_function else found

    def depends_on(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that its results depend on: its inputs, and the parameters that its stage reads."""
        inputs = {name: value for name, value in self.given(values).items() if name not in (USE_CASE, OVERRIDES)}
        if USE_CASE not in self.notebook.parameters:
            return inputs
        azure = AZURE if values.get("backend") == "azureml" else ()
        read = {name: values[name] for name in (*COMMON, *self.notebook.reads, *azure) if name in values}
        return {**read, **inputs}


def executions(
    notebooks: Sequence[Notebook],
    parameters: Parameters,
    first: str | None = None,
    last: str | None = None,
    only: str | None = None,
) -> list[Execution]:
    """Executions of a run.

    Parameters
    ----------
    notebooks : sequence of Notebook
        All of the chain, in their order.
    parameters : Parameters
    first, last, only : str, optional
        Stages to start at, to stop after, or to run alone.

    Raises
    ------
    NameNotFound
        Where one of them is no stage.
    ParameterError
        Where they leave nothing to run.
    """
    # Candidates come from one of the two.
    other = "train" if parameters.automl else "automl"
    notebooks = [one for one in notebooks if one.stage != other]
    stages = [one.stage for one in notebooks]
    for option, stage in (("--from", first), ("--to", last), ("--only", only)):
        if stage is not None and stage not in stages:
            raise NameNotFound("stage", stage, stages, where=f"the chain ({option})")
    if only is not None and (first is not None or last is not None):
        raise ParameterError("--only runs one stage alone; give it without --from and --to.")
    begin = stages.index(only or first or stages[0])
    end = stages.index(only or last or stages[-1])
    if begin > end:
        raise ParameterError(
            f"--from {first} comes after --to {last}, so nothing is left to run. The order is: {', '.join(stages)}."
        )
    planned = []
    for notebook in notebooks[begin : end + 1]:
        if TRAINING_FUNCTION in notebook.parameters:
            planned += [Execution(notebook, name) for name in parameters.training_functions]
        else:
            planned.append(Execution(notebook))
    return planned


def rounds(planned: Sequence[Execution]) -> list[list[Execution]]:
    """Executions that may run side by side, those of one notebook; one round after the other."""
    return [list(together) for _, together in itertools.groupby(planned, key=lambda one: one.notebook.stage)]


def joined(before: Mapping[str, Any], handed_on: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs of one more execution of a notebook laid over those before it; lists grow."""
    grown = {name: [*before.get(name, []), *value] for name, value in handed_on.items() if isinstance(value, list)}
    return {**before, **handed_on, **grown}
