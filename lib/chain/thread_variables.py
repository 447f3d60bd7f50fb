"""Environment variables that limit the threads of numerical libraries, obeyed after the libraries are loaded.

A library reads its variable when it is loaded. In a forked kernel, the fork server has loaded the libraries before, so
that a cell that sets ``OMP_NUM_THREADS`` would have no effect.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

# The libraries that read a variable, in the terms of threadpoolctl.
_LIBRARIES: Mapping[str, Mapping[str, list[str]]] = {
    "OMP_NUM_THREADS": {"user_api": ["openmp", "blas"]},
    "OPENBLAS_NUM_THREADS": {"internal_api": ["openblas"]},
    "GOTO_NUM_THREADS": {"internal_api": ["openblas"]},
    "MKL_NUM_THREADS": {"internal_api": ["mkl"]},
    "BLIS_NUM_THREADS": {"internal_api": ["blis"]},
}


def watch() -> None:
    """Obey the variables whenever they are set in ``os.environ`` from now on."""
    os.environ.__class__ = _WatchedEnvironment


def apply(name: str, value: str) -> None:
    """Limit the threads of the loaded libraries that read a variable.

    Parameters
    ----------
    name : str
        The environment variable; other variables than those of numerical libraries are ignored.
    value : str
        The number of threads. Other texts are ignored, as the libraries do.
    """
    number = value.partition(",")[0].strip()  # OMP_NUM_THREADS may have a number for each nested level
    if name not in _LIBRARIES or not number.isdigit() or int(number) < 1:
        return
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController()
    for kind, names in _LIBRARIES[name].items():
        controller.select(**{kind: names}).limit(limits=int(number))
    if name == "OMP_NUM_THREADS" and "pyarrow" in sys.modules:
        sys.modules["pyarrow"].set_cpu_count(int(number))


class _WatchedEnvironment(type(os.environ)):  # type: ignore[misc]
    """``os.environ`` that obeys the variables when they are set."""

    def __setitem__(self, name: Any, value: Any) -> None:
        super().__setitem__(name, value)
        apply(name, value)
