"""The choice of an engine by the parameter ``engine``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters
    from lib.stages.preprocessing.engine import Engine
    from lib.stages.preprocessing.parts import PreprocessHooks


@contextlib.contextmanager
def open_engine(hooks: PreprocessHooks, backend: Backend, parameters: Parameters) -> Iterator[Engine]:
    """Read the table with the engine that the parameters name, and close the engine at the end.

    Yields
    ------
    Engine

    Raises
    ------
    DataError
        If the table cannot be read.
    ParameterError
        If Dask is not installed, no scheduler responds, or the pipeline overrides ``load_data``, which Dask ignores.
    StageError
        If ``load_data`` does not return a DataFrame.
    """
    if parameters.engine == "memory":
        from lib.stages.preprocessing.memory_engine import MemoryEngine

        yield MemoryEngine(hooks, backend, parameters)
        return
    from lib.stages import _cluster
    from lib.stages.preprocessing.dask_engine import DaskEngine, list_parts

    reading, partitions = list_parts(hooks, parameters)
    with _cluster.connect_client(parameters) as client:
        yield DaskEngine(hooks, parameters, client, reading, partitions)
