"""Backends: where stages run and artifacts live. Each folder here is one, all behind `base.Backend`."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from lib import catalogue

if TYPE_CHECKING:
    from lib.backends.base import Backend, Check
    from lib.parameters import Parameters


def available() -> list[str]:
    """Names of the backends there are."""
    return catalogue.names(__name__, folders=True)


def faults(parameters: Parameters) -> list[str]:
    """What a backend can see to be wrong before a kernel starts: a sentence each."""
    return _module(parameters).faults(parameters)


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


def _module(parameters: Parameters) -> ModuleType:
    return catalogue.load(__name__, parameters.backend, kind="backend", folders=True)
