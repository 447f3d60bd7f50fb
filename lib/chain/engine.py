"""A papermill engine that lets the chain reach the kernel of a notebook while it runs."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import papermill
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.translators import PythonTranslator, papermill_translators
from papermill.utils import remove_args
from traitlets.config import Config

from lib.chain import forking
from lib.paths import ROOT

NAME = "millrace"
_LONGEST_FOLDER = 70
_LONG_LINE = 80
_START_SECONDS = 90  # on a loaded machine


class Kernels:
    """Kernels of the notebooks that run now, so that an interrupt can be passed on to them."""

    def __init__(self) -> None:
        self._clients: list[Any] = []
        self._lock = threading.Lock()

    def add(self, client: Any) -> None:
        """Note that a client runs a notebook."""
        with self._lock:
            self._clients.append(client)

    def remove(self, client: Any) -> None:
        """Note that it has ended."""
        with self._lock:
            self._clients.remove(client)

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the cell that runs, so that the notebook says so and cleans up."""
        self._send(signal.SIGINT)

    def kill(self) -> None:
        """End them at once."""
        self._send(signal.SIGKILL)

    def _send(self, signum: int) -> None:
        with self._lock:
            pids = [getattr(getattr(client.km, "provisioner", None), "pid", None) for client in self._clients]
        for pid in filter(None, pids):
            try:
                # Every kernel has a group of its own, and in it whatever it started.
                os.killpg(pid, signum) if signum == signal.SIGKILL else os.kill(pid, signum)
            except ProcessLookupError:
                pass  # it has ended by itself meanwhile


kernels = Kernels()


class MillraceEngine(NBClientEngine):
    """papermill's own engine, in the project's folder and with its kernels known."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        **options: Any,
    ) -> None:
        """Execute a notebook; papermill calls this."""
        # The folder goes with the kernel, not with the process: papermill's cwd= changes that of every thread.
        folder = {"metadata": {"path": str(ROOT)}}
        options = remove_args(["input_path", "resources", "config"], **options)
        with tempfile.TemporaryDirectory(prefix="kernel-", ignore_cleanup_errors=True) as sockets:
            client = PapermillNotebookClient(
                nb_man,
                kernel_name=kernel_name,
                startup_timeout=start_timeout,
                timeout=execution_timeout,
                resources=folder,
                config=_config(Path(sockets)),
                # What a kernel logs goes to the terminal of the chain; what matters stands in the notebook.
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
                **options,
            )
            kernels.add(client)
            try:
                client.execute()
            finally:
                kernels.remove(client)


class WrappingTranslator(PythonTranslator):
    """papermill's translator of parameters to Python, but a long list has a line an element: pages cut long lines."""

    @classmethod
    def translate_list(cls, val: list) -> str:
        """Python text of a list."""
        line = super().translate_list(val)
        if len(line) < _LONG_LINE:
            return line
        return "[\n" + "".join(f"    {cls.translate(one)},\n" for one in val) + "]"


def _config(sockets: Path) -> Config:
    """Kernels on sockets in a folder of their own: nobody else on the machine can listen in.

    Without a connection file jupyter_client calls such sockets ``kernel-ipc-1`` and so on in the current folder, where
    two chains at once take one another's.
    """
    config = Config()
    # The system takes about a hundred letters for the path of a socket.
    if os.name == "posix" and len(str(sockets)) < _LONGEST_FOLDER:
        config.KernelManager.transport = "ipc"
        config.KernelManager.connection_file = str(sockets / "kernel.json")
    return config


def execute(notebook: Path, executed: Path, parameters: dict[str, Any]) -> None:
    """Execute a notebook by papermill with this engine.

    Parameters
    ----------
    notebook, executed : Path
        The notebook, and its copy with outputs.
    parameters : dict
        Those that its parameters cell names.

    Raises
    ------
    PapermillExecutionError
        Where a cell did.
    """
    papermill_engines.register(NAME, MillraceEngine)
    papermill_translators.register("python", WrappingTranslator)
    logging.getLogger("papermill").setLevel(logging.ERROR)
    try:
        _execute(notebook, executed, parameters)
    except RuntimeError as error:
        # jupyter_client has no error of its own for a kernel that never got ready. No cell has run then.
        if not forking.is_registered() or "Kernel d" not in str(error):
            raise
        print(f"A forked kernel did not get ready ({error}); a cold one is started instead.", file=sys.stderr)
        forking.register(False)
        try:
            _execute(notebook, executed, parameters)
        finally:
            forking.register(True)


def _execute(notebook: Path, executed: Path, parameters: dict[str, Any]) -> None:
    papermill.execute_notebook(
        str(notebook), str(executed), parameters, engine_name=NAME, progress_bar=False, start_timeout=_START_SECONDS
    )
