"""A papermill engine with forked kernels: ``papermill --engine millrace in.ipynb out.ipynb``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty
from typing import Any

import papermill
from jupyter_core.utils import run_sync
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.iorw import LocalHandler, papermill_io
from papermill.log import logger
from papermill.translators import PythonTranslator, papermill_translators

from lib.chain import forking
from lib.chain.forking import ForkedKernel, ForkProvisioner

NAME = "millrace"
_MAX_LIST_LENGTH = 80  # characters of a list that is written on one line
_START_TIMEOUT_SECONDS = 90  # enough on a busy machine
_IOPUB_TIMEOUT_SECONDS = 0.05


class KernelNotReady(RuntimeError):
    """A forked kernel did not start; no cell has run."""


class MillraceClient(PapermillNotebookClient):
    """papermill's client with a forked kernel.

    Attributes
    ----------
    fork : bool
        Whether to fork the kernel.
    exit_code : int or None
        Exit code of a kernel that died, negative for a signal; None if no kernel has died.
    started_cell_count : int
        Number of cells that the kernel has started to execute.
    """

    fork = True
    exit_code: int | None = None
    started_cell_count = 0

    def create_kernel_manager(self) -> Any:
        """Create a kernel manager that uses `ForkProvisioner`, unless the kernel spec names another provisioner."""
        manager = super().create_kernel_manager()
        if self.fork and not isinstance(manager.kernel_spec.metadata.get("kernel_provisioner"), Mapping):
            manager.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": forking.NAME}
        return manager

    @property
    def provisioner(self) -> Any:
        """The provisioner that started the kernel; None before the start."""
        return getattr(self.km, "provisioner", None)

    def signal_kernel(self, signum: int) -> None:
        """Send a signal to the kernel, if it runs; SIGKILL also reaches its child processes."""
        pid = getattr(self.provisioner, "pid", None)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if signum == signal.SIGKILL:
                os.killpg(pid, signum)
            else:
                os.kill(pid, signum)

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Process a message from the kernel about a cell."""
        if msg["msg_type"] == "execute_input":
            self.started_cell_count += 1
        return super().process_message(msg, cell, cell_index)

    async def async_start_new_kernel_client(self) -> Any:
        """Connect to the kernel and wait until it answers.

        jupyter_client's own method then waits another 0.2 s for old IOPub messages. This is not necessary, because
        nbclient matches each message to the cell that caused it.
        """
        if not isinstance(self.provisioner, ForkProvisioner):
            return await super().async_start_new_kernel_client()
        self.kc = self.km.client()
        self.kc.start_channels()
        try:
            await asyncio.wait_for(self._wait_until_ready(), self.startup_timeout)
        except (TimeoutError, RuntimeError) as error:
            await self._async_cleanup_kernel()
            raise KernelNotReady(str(error) or f"no answer within {self.startup_timeout} s") from error
        self.kc.allow_stdin = False
        return self.kc

    start_new_kernel_client = run_sync(async_start_new_kernel_client)

    async def _wait_until_ready(self) -> None:
        """Wait for a reply and for an IOPub message. Until the first IOPub message, output of cells could be lost."""
        while True:
            self.kc.kernel_info()
            with contextlib.suppress(Empty):
                reply = await self.kc.shell_channel.get_msg(timeout=1)
                await self.kc.iopub_channel.get_msg(timeout=_IOPUB_TIMEOUT_SECONDS)
                self.kc._handle_kernel_info_reply(reply)
                return
            if not await self.km.is_alive():
                raise RuntimeError("the kernel died before it answered")

    async def _async_cleanup_kernel(self) -> None:
        process = getattr(self.provisioner, "process", None)
        self.exit_code = process.poll() if process else None
        if isinstance(self.provisioner, ForkProvisioner) and isinstance(process, ForkedKernel):
            self.provisioner.release_kernels()
        await super()._async_cleanup_kernel()

    _cleanup_kernel = run_sync(_async_cleanup_kernel)


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
        options.setdefault("extra_arguments", list(forking.ARGUMENTS))
        if folder:
            options["resources"] = {"metadata": {"path": folder}}
        client = MillraceClient(
            nb_man,
            kernel_name=kernel_name,
            startup_timeout=start_timeout,
            timeout=execution_timeout,
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
        super().write(buf, unfinished)
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
            str(notebook),
            str(executed),
            dict(parameters),
            engine_name=NAME,
            progress_bar=False,
            start_timeout=_START_TIMEOUT_SECONDS,
            folder=str(folder),
            fork=fork,
            on_client=on_client,
        )

    try:
        attempt(fork)
    except (KernelNotReady, ConnectionError, EOFError) as error:
        if not fork:
            raise
        print(f"A forked kernel did not start ({error}). Starting a new process instead.", file=sys.stderr)
        attempt(fork=False)


def _register() -> None:
    """Register engine, translator and file handler with papermill."""
    papermill_engines.register(NAME, MillraceEngine)
    papermill_translators.register("python", WrappingTranslator)
    if not any(isinstance(handler, AtomicFileHandler) for _, handler in papermill_io._handlers):
        papermill_io.register(os.sep, AtomicFileHandler())
    logging.getLogger("papermill").setLevel(logging.ERROR)
