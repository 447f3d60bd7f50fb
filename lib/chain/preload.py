"""The fork server of kernels: it imports the modules that notebooks need, and each kernel is forked from it.

The modules in `FIRST`, which the first stage needs, are imported when the server starts. Those in `REST` follow before
the second fork, while the first stage is already running. A forked process loses threads and shares open files, so none
of these modules may start a thread or keep a file open.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import FrameType
from typing import Any, BinaryIO

FIRST = (
    "concurrent.futures.thread",  # registers its lock for forks, so it has to be imported before one begins
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
REST = (
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

    A child's connection carries two lines of JSON: the arguments of the kernel, ``[connection file, argument, ...]``,
    and, once the kernel is needed, ``[folder, environment]``.
    """

    can_fork = True
    facts: dict[str, Any] = {}

    def __init__(self) -> None:
        self._imports: Iterator[Iterable[str]] = iter([(), REST])

    def before_fork(self) -> None:
        """Import `REST` before the second fork."""
        import_modules(next(self._imports, ()))

    def serve(self, connection: socket.socket) -> None:
        """Run a kernel until it is shut down; end at once if the chain's process ends."""
        os.setsid()
        # The fork server ignores SIGINT, which this process has inherited. The chain sends it to interrupt a cell.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with connection.makefile("rb") as messages:
            arguments = json.loads(messages.readline() or "[]")
            if arguments:
                _run_kernel(arguments, messages, connection)


def load() -> KernelTarget:
    """Import the modules that every kernel needs; a fork server calls this once."""
    # pyarrow's allocator would start a thread.
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    import_modules(FIRST)
    return KernelTarget()


def import_modules(names: Iterable[str]) -> None:
    """Import modules, and skip missing ones: a notebook that imports a missing module raises the error itself."""
    for name in names:
        with suppress(ImportError):
            importlib.import_module(name)


def _run_kernel(arguments: list[str], messages: BinaryIO, connection: socket.socket) -> None:
    sys.argv = ["ipykernel_launcher", "-f", *arguments]
    sys.path.insert(0, "")
    import numpy as np
    from ipykernel.kernelapp import IPKernelApp

    np.random.seed()  # it was seeded before the fork, so that otherwise every kernel would draw the same numbers
    try:
        app = IPKernelApp.instance()
        app.initialize(sys.argv[1:])
        line = messages.readline()
        if not line:
            return  # the kernel was not used
        threading.Thread(target=_end_with_the_chain, args=(connection,), name="chain", daemon=True).start()
        folder, environment = json.loads(line)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        # Until now there is nothing to clean up on SIGTERM. Raised during an import, the exception could get lost.
        signal.signal(signal.SIGTERM, _exit)
        app.start()
    finally:
        # A child of a fork server ends without calling exit handlers, but MLflow, among others, needs its own.
        atexit._run_exitfuncs()
        threading._shutdown()  # type: ignore[attr-defined]


def _exit(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _end_with_the_chain(connection: socket.socket) -> None:
    """End the kernel when the connection is closed, which means that the chain's process has ended.

    ipykernel itself watches its parent process, but here that is the fork server.
    """
    connection.recv(1)
    os._exit(1)
