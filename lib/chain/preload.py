"""The fork server of kernels: it imports what the notebooks need, and each kernel is forked from it.

`FIRST` is imported when the server starts: it is what the first stage needs. `REST` follows just before the second
fork, while the first stage runs in a kernel that has been forked already. None of these imports starts a thread or
keeps a file open that a fork would break (a test trains with all cores in a forked kernel).
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

    forks = True
    facts: dict[str, Any] = {}

    def __init__(self) -> None:
        self._imports: Iterator[Iterable[str]] = iter([(), REST])

    def before_fork(self) -> None:
        """Import `REST` before the second fork."""
        import_modules(next(self._imports, ()))

    def serve(self, connection: socket.socket) -> None:
        """Be a kernel until it is shut down; end at once if the chain's process ends."""
        os.setsid()
        # A terminal's Ctrl-C is for the chain, which passes it on. The fork server ignores it, and so did this process.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with connection.makefile("rb") as orders:
            arguments = json.loads(orders.readline() or "[]")
            if arguments:
                _run_kernel(arguments, orders, connection)


def load() -> KernelTarget:
    """Import the modules that every kernel needs; a fork server calls this once."""
    # pyarrow's allocator would start a thread.
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    import_modules(FIRST)
    return KernelTarget()


def import_modules(names: Iterable[str]) -> None:
    """Import modules; a missing one raises its error again in the notebook that needs it."""
    for name in names:
        with suppress(ImportError):
            importlib.import_module(name)


def _run_kernel(arguments: list[str], orders: BinaryIO, connection: socket.socket) -> None:
    sys.argv = ["ipykernel_launcher", "-f", *arguments]
    sys.path.insert(0, "")
    import numpy as np
    from ipykernel.kernelapp import IPKernelApp

    np.random.seed()  # it was seeded before the fork, so that otherwise every kernel would draw the same numbers
    try:
        app = IPKernelApp.instance()
        app.initialize(sys.argv[1:])
        line = orders.readline()
        if not line:
            return  # nobody needs this kernel
        threading.Thread(target=_end_with_the_chain, args=(connection,), name="chain", daemon=True).start()
        folder, environment = json.loads(line)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        # Not earlier: until now there is nothing to clean up, and an exception raised during an import can get lost.
        signal.signal(signal.SIGTERM, _exit)
        app.start()
    finally:
        # A child of a fork server leaves without these. MLflow, for one, has some.
        atexit._run_exitfuncs()
        threading._shutdown()  # type: ignore[attr-defined]


def _exit(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _end_with_the_chain(connection: socket.socket) -> None:
    """End the kernel when the chain's process has ended, and with it the connection.

    ipykernel watches its parent instead, which is the fork server here.
    """
    connection.recv(1)
    os._exit(1)
