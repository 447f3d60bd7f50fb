"""The fork server of kernels: it imports the modules that notebooks need, and each kernel is forked from it.

`FIRST_STAGE_MODULES` are imported when the server starts, `LATER_MODULES` before the second fork, while the first stage
runs. A forked process loses threads and shares open files. Therefore none of these modules may start a thread or keep a
file open.
"""

from __future__ import annotations

import builtins
import importlib
import json
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from lib.chain import forked_kernel

FIRST_STAGE_MODULES = (
    "concurrent.futures.thread",  # registers a lock for forks, which must not happen during a fork
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "lib.backends.local.backend",
    "lib.backends.tracking",
    "lib.pipelines.base",
    "lib.stages.setup",
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
    "mlflow.store.tracking.sqlalchemy_store",
    "pandas.io.formats.style",
    "scrapbook",
)
LATER_MODULES = (
    "lib.tables.quality.baseline",
    "lib.stages.automl",
    "lib.stages.deploy",
    "lib.stages.evaluate",
    "lib.stages.preprocess",
    "lib.stages.preprocessing.memory_engine",
    "lib.stages.train",
    "mlflow.sklearn",
    "pyarrow.pandas_compat",
    "sklearn.ensemble",
    "sklearn.inspection",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "xgboost",
)


class KernelTarget:
    """The target of the fork server; see `lib.forkserver.server.Target`.

    A child's connection carries lines of JSON: the arguments of the kernel, ``[connection file, argument, ...]``; once
    the kernel is needed, ``[folder, environment]``; and ``[]`` to shut it down.
    """

    can_fork = True
    facts: dict[str, Any] = {}

    def __init__(self) -> None:
        self._modules_by_fork: Iterator[Iterable[str]] = iter([(), LATER_MODULES])

    def before_fork(self) -> None:
        """Import `LATER_MODULES` before the second fork."""
        import_modules(next(self._modules_by_fork, ()))

    def serve(self, connection: socket.socket) -> None:
        """Run a kernel until its shutdown. The kernel ends at once if the chain's process ends."""
        os.setsid()
        forked_kernel.reset_signals()
        # Without a buffer, whose lock a thread would hold while it waits for the last message.
        with connection.makefile("rb", buffering=0) as messages:
            arguments = json.loads(messages.readline() or "[]")
            if arguments:
                forked_kernel.run(arguments, messages)


def load() -> KernelTarget:
    """Import the modules that every kernel needs; a fork server calls this once."""
    # pyarrow's allocator would start a thread.
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    _import_pandas()
    import_modules(FIRST_STAGE_MODULES)
    return KernelTarget()


def _import_pandas() -> None:
    """Import pandas as in a kernel. In a terminal, it would set ``display.max_columns`` to fit the window."""
    builtins.get_ipython = lambda: SimpleNamespace(kernel=None)  # type: ignore[attr-defined]
    try:
        importlib.import_module("pandas")
    finally:
        del builtins.get_ipython  # type: ignore[attr-defined]


def import_modules(names: Iterable[str]) -> None:
    """Import modules, and skip missing ones: a notebook that imports a missing module raises the error itself."""
    for name in names:
        with suppress(ImportError):
            importlib.import_module(name)
