"""A papermill engine with forked kernels: ``papermill --engine millrace in.ipynb out.ipynb``."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import papermill
from papermill.engines import NBClientEngine, papermill_engines
from papermill.iorw import LocalHandler, papermill_io
from papermill.log import logger
from papermill.translators import PythonTranslator, papermill_translators

from lib.chain import forking, kernel_pool
from lib.chain.notebook_client import KernelNotReady, MillraceClient
from lib.secrets import known_values

NAME = "millrace"
_MAX_LIST_LENGTH = 80  # characters of a list that is written on one line
_START_TIMEOUT_SECONDS = 90  # enough on a busy machine
_START_ATTEMPTS = 3
_NO_LIMIT_SECONDS = 10**9


class MillraceEngine(NBClientEngine):
    """papermill's engine with `MillraceClient`."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        fork: bool = True,
        folder: str = "",
        on_client: Callable[[MillraceClient], None] | None = None,
        **options: Any,
    ) -> None:
        """Execute a notebook; called by papermill.

        Parameters
        ----------
        nb_man, kernel_name
            As in papermill.
        start_timeout, execution_timeout : int
            Seconds for the kernel's start and for each cell.
        fork : bool
            Whether to fork the kernel where the system allows it.
        folder : str
            Working folder of the kernel. papermill's own ``cwd`` would change the folder of this process.
        on_client : callable, optional
            Called with the client before the kernel starts, so that the caller can signal the kernel later.
        **options
            Options of `PapermillNotebookClient`.
        """
        forking.register()
        options = {name: value for name, value in options.items() if name not in ("input_path", "timeout")}
        options.setdefault("extra_arguments", list(kernel_pool.ARGUMENTS))
        if folder:
            options["resources"] = {"metadata": {"path": folder}}
        client = MillraceClient(
            nb_man,
            kernel_name=kernel_name,
            startup_timeout=start_timeout,
            timeout=execution_timeout,
            iopub_timeout=_NO_LIMIT_SECONDS,  # `MillraceClient` has a limit for silence instead
            log=logger,
            **options,
        )
        client.fork = fork and forking.is_available()
        if on_client:
            on_client(client)
        client.execute()


class WrappingTranslator(PythonTranslator):
    """papermill's translator of parameters to Python code.

    Long lists are written on several lines, because rendered notebooks cut off long lines.
    """

    @classmethod
    def translate_list(cls, val: list) -> str:
        """Return the Python code of a list."""
        one_line = super().translate_list(val)
        if len(one_line) < _MAX_LIST_LENGTH:
            return one_line
        return "[\n" + "".join(f"    {cls.translate(item)},\n" for item in val) + "]"


class AtomicFileHandler(LocalHandler):
    """File handler that replaces a notebook in one step.

    papermill writes the notebook after each cell. If the process is killed meanwhile, the last complete file remains.
    """

    def write(self, buf: str, path: str) -> None:
        """Write a text to a file."""
        unfinished = f"{path}.part"
        super().write(known_values.mask(buf), unfinished)
        os.replace(unfinished, path)


def execute(
    notebook: Path,
    executed: Path,
    parameters: Mapping[str, Any],
    folder: Path,
    fork: bool = True,
    on_client: Callable[[MillraceClient], None] | None = None,
) -> None:
    """Execute a notebook with papermill and this engine.

    Parameters
    ----------
    notebook, executed : Path
        The notebook and its executed copy.
    parameters : mapping
        Values for its parameters cell.
    folder : Path
        Working folder of the kernel.
    fork : bool
        Whether to fork the kernel. If the forked kernel does not start, the kernel is started as a new process instead.
    on_client : callable, optional
        Called with the client before the kernel starts.

    Raises
    ------
    PapermillExecutionError
        If a cell fails.
    """
    _register()

    def attempt(fork: bool) -> None:
        papermill.execute_notebook(
            _escape(notebook),
            _escape(executed),
            dict(parameters),
            engine_name=NAME,
            progress_bar=False,
            start_timeout=_START_TIMEOUT_SECONDS,
            folder=str(folder),
            fork=fork,
            on_client=on_client,
        )

    for number in range(1, _START_ATTEMPTS + 1):
        try:
            return attempt(fork)
        except (KernelNotReady, ConnectionError, EOFError) as error:
            if number == _START_ATTEMPTS:
                raise
            message = f"The kernel of {notebook.name} did not start ({error}). Starting a new process instead."
            print(message, file=sys.stderr)
            fork = False


def _escape(path: Path) -> str:
    """Return a path for papermill, which takes braces as the beginning of a parameter's name."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _register() -> None:
    """Register engine, translator and file handler with papermill."""
    papermill_engines.register(NAME, MillraceEngine)
    papermill_translators.register("python", WrappingTranslator)
    if not any(isinstance(handler, AtomicFileHandler) for _, handler in papermill_io._handlers):
        papermill_io.register(os.sep, AtomicFileHandler())
    logging.getLogger("papermill").setLevel(logging.ERROR)
