"""The scenarios of ``run_all.py simulate``, one module each.

A scenario has a sentence ``DESCRIPTION`` of what is done, and a function::

    def run(use_case): ...

It notes in ``use_case.timeline`` what it does and sees, and checks each promise there.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from lib.simulation.use_case import SimulatedUseCase

NAMES = ("drift", "bad-data", "bad-model", "label-shift", "killed-kernel", "full-disk", "lost-worker")


class Scenario(Protocol):
    """A module of this package."""

    DESCRIPTION: str
    run: Callable[[SimulatedUseCase], None]
    # The copy is on a small disk in memory, with this much space beside twice the copy; absent without such a disk.
    SPARE_MEGABYTES: int


def load(name: str) -> Scenario:
    """Return the scenario with a name of `NAMES`."""
    module: Any = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return cast(Scenario, module)
