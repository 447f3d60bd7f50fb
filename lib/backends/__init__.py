"""Backends: where stages run and artifacts live. Each folder here is one, all behind `base.Backend`."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

from lib import catalogue

if TYPE_CHECKING:
    from lib.backends.base import Backend, Check, Estimate, NotebookExecutor
    from lib.parameters import Parameters


def available() -> list[str]:
    """Names of the backends there are."""
    return catalogue.names(__name__, folders=True)


def faults(parameters: Parameters) -> list[str]:
    """What a backend can see to be wrong before a kernel starts: a sentence each."""
    return _module(parameters).faults(parameters)


def executors(parameters: Parameters, stages: Sequence[str]) -> dict[str, NotebookExecutor]:
    """What executes the notebooks of each stage elsewhere, without the stages that the chain itself executes."""
    return _module(parameters).executors(parameters, stages)


def estimate(parameters: Parameters, stages: Sequence[str]) -> Estimate | None:
    """Estimate what a run costs, given the stage of each of its notebooks; None where it costs nothing.

    Raises
    ------
    GateError
        Where more than ``max_cost`` is to be expected.
    """
    return _module(parameters).estimate(parameters, stages)


def diagnosis(parameters: Parameters) -> list[Check]:
    """What a run needs, looked at and not made: a line each."""
    return _module(parameters).diagnosis(parameters)


def connect(parameters: Parameters) -> Backend:
    """Backend that ``backend`` names, ready to use.

    Raises
    ------
    NameNotFound
        With the nearest name, where there is none.
    """
    return _module(parameters).connect(parameters)


def fallen(parameters: Parameters, stage: str, name: str, run_name: str) -> list[str]:
    """What a stage of an earlier run left behind, and what is not so any more: a clause each."""
    from lib.backends import artifact_check

    return artifact_check.fallen(parameters, stage, name, run_name)


def _module(parameters: Parameters) -> ModuleType:
    return catalogue.load(__name__, parameters.backend, kind="backend", folders=True)
