"""A kernel in a process that was forked from the fork server, set up so that it behaves like a kernel of its own."""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import signal
import sys
import threading
from contextlib import suppress
from io import RawIOBase
from pathlib import Path
from typing import Any

from lib.chain import kernel_app, thread_variables
from lib.chain.kernel_app import KernelApp

# Modules that choose their form when they are imported, by looking for a notebook. A cell has to import them again.
_MODULES_THAT_LOOK_FOR_A_NOTEBOOK = ("tqdm.auto", "tqdm.autonotebook")


def run(arguments: list[str], messages: RawIOBase) -> None:
    """Start a kernel, wait until the chain needs it, and run it until its shutdown.

    Parameters
    ----------
    arguments : list of str
        Command line arguments: the connection file and options.
    messages : file object
        The messages of the chain, one line of JSON each; see `preload.KernelTarget`.
    """
    sys.argv = kernel_app.launcher_arguments(["-f", *arguments])
    for name in _MODULES_THAT_LOOK_FOR_A_NOTEBOOK:
        sys.modules.pop(name, None)
    import numpy as np

    np.random.seed()  # otherwise every kernel would inherit one random state
    # Python's default. A fork server of multiprocessing would have changed it, and `Pool` would lose module globals.
    multiprocessing.set_start_method(None, force=True)
    try:
        app = KernelApp.instance()
        app.initialize(sys.argv[1:])
        line = messages.readline()
        if not line:
            return  # the kernel was not used
        threading.Thread(target=_obey_chain, args=(app, messages), name="chain", daemon=True).start()
        folder, environment = json.loads(line)
        _enter(app, folder, environment)
        app.start()
    finally:
        # A child of a fork server ends without calling exit handlers, but packages such as MLflow need theirs.
        atexit._run_exitfuncs()
        threading._shutdown()  # type: ignore[attr-defined]


def _enter(app: Any, folder: str, environment: dict[str, str]) -> None:
    """Give a kernel its working folder and environment, and repeat what depends on them."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    app.shell.init_environment()
    app.init_gui_pylab()  # sets MPLBACKEND
    app.shell.user_ns["_dh"][:] = [Path.cwd()]
    for name, value in environment.items():
        if before.get(name) != value:
            thread_variables.apply(name, value)
    thread_variables.watch()
    _use_inline_figures()


def _use_inline_figures() -> None:
    """Let matplotlib show figures below the cell, from the first figure on, as in a kernel that imports it itself."""
    if "matplotlib.pyplot" not in sys.modules:
        return
    import matplotlib
    import matplotlib_inline

    # The backend connects itself to IPython when it is imported, which matplotlib does for the first figure.
    sys.modules.pop("matplotlib_inline.backend_inline", None)
    vars(matplotlib_inline).pop("backend_inline", None)
    with suppress(ValueError):  # MPLBACKEND names no backend: the cell that draws raises the error
        matplotlib.rcParams["backend"] = os.environ["MPLBACKEND"]


def _obey_chain(app: Any, messages: RawIOBase) -> None:
    """Stop the kernel when the chain requests it; end it at once if the chain's process has ended.

    ipykernel itself watches its parent process, but here that is the fork server.
    """
    while messages.readline():
        app.io_loop.add_callback(app.io_loop.stop)
    kernel_app.end_with_children()


def reset_signals() -> None:
    """Handle signals as a new process does. The fork server ignores SIGINT, and its children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
