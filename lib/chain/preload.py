"""The fork server of kernels: it imports the modules that notebooks need, and each kernel is forked from it.

`FIRST_STAGE_MODULES` are imported when the server starts, `LATER_MODULES` before the second fork, while the first stage
runs. A forked process loses threads and shares open files. Therefore none of these modules may start a thread or keep a
file open.
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

    A child's connection carries two lines of JSON: the arguments of the kernel, ``[connection file, argument, ...]``,
    and, once the kernel is needed, ``[folder, environment]``.
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
        # The fork server ignores SIGINT, and this process has inherited that. The chain interrupts a cell with SIGINT.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with connection.makefile("rb") as messages:
            arguments = json.loads(messages.readline() or "[]")
            if arguments:
                _run_kernel(arguments, messages, connection)


def load() -> KernelTarget:
    """Import the modules that every kernel needs; a fork server calls this once."""
    # pyarrow's allocator would start a thread.
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    import_modules(FIRST_STAGE_MODULES)
    return KernelTarget()


def import_modules(names: Iterable[str]) -> None:
    """Import modules, and skip missing ones: a notebook that imports a missing module raises the error itself."""
    for name in names:
        with suppress(ImportError):
            importlib.import_module(name)


def _run_kernel(arguments: list[str], messages: BinaryIO, connection: socket.socket) -> None:
    """Start a kernel, wait until the chain needs it, and run it until its shutdown."""
    sys.argv = ["ipykernel_launcher", "-f", *arguments]
    sys.path.insert(0, "")
    import numpy as np
    from ipykernel.kernelapp import IPKernelApp

    np.random.seed()  # otherwise every kernel would inherit one random state
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
        # Not earlier: an import could swallow the exception, and so far there is nothing to clean up.
        signal.signal(signal.SIGTERM, _exit_on_signal)
        app.start()
    finally:
        # A child of a fork server ends without calling exit handlers, but packages such as MLflow need theirs.
        atexit._run_exitfuncs()
        threading._shutdown()  # type: ignore[attr-defined]


def _exit_on_signal(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _end_with_the_chain(connection: socket.socket) -> None:
    """End the kernel when the connection is closed, which means that the chain's process has ended.

    ipykernel itself watches its parent process, but here that is the fork server.
    """
    connection.recv(1)
    os._exit(1)
