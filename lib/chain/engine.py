"""A papermill engine on forked kernels: ``papermill --engine millrace in.ipynb out.ipynb``."""

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
_LONG_LINE = 80
_START_SECONDS = 90  # on a loaded machine
_IOPUB_SECONDS = 0.05


class KernelNotReady(RuntimeError):
    """A forked kernel did not start; no cell has run."""


class MillraceClient(PapermillNotebookClient):
    """papermill's client; its kernel is forked, and need not be waited for when it ends."""

    fork = True
    exit_code: int | None = None  # of a kernel that has died: negative for a signal
    begun = 0  # cells that the kernel has begun, and not only been asked for

    def create_kernel_manager(self) -> Any:
        """Manager of a kernel that `ForkProvisioner` starts, unless the notebook's own kernel asks for another."""
        manager = super().create_kernel_manager()
        if self.fork and not isinstance(manager.kernel_spec.metadata.get("kernel_provisioner"), Mapping):
            manager.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": forking.NAME}
        return manager

    @property
    def provisioner(self) -> Any:
        """What started the kernel; None before."""
        return getattr(self.km, "provisioner", None)

    def signal_kernel(self, signum: int) -> None:
        """Send a signal to the kernel; SIGKILL reaches whatever the kernel has started too."""
        pid = getattr(self.provisioner, "pid", None)
        if pid is None:
            return  # it has not started yet, or has ended
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signum) if signum == signal.SIGKILL else os.kill(pid, signum)

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Take a message of the kernel's about a cell."""
        self.begun += msg["msg_type"] == "execute_input"
        return super().process_message(msg, cell, cell_index)

    async def async_start_new_kernel_client(self) -> Any:
        """Connect to the kernel, and wait until it answers.

        jupyter_client's own wait ends with 0.2 s of listening for what is left at IOPub. Here nothing need be flushed:
        nbclient takes a message for the cell whose request it answers.
        """
        if not isinstance(self.provisioner, ForkProvisioner):
            return await super().async_start_new_kernel_client()
        self.kc = self.km.client()
        self.kc.start_channels()
        try:
            await asyncio.wait_for(self._answer(), self.startup_timeout)
        except (TimeoutError, RuntimeError) as error:
            await self._async_cleanup_kernel()
            raise KernelNotReady(str(error) or f"no answer in {self.startup_timeout} s") from error
        self.kc.allow_stdin = False
        return self.kc

    start_new_kernel_client = run_sync(async_start_new_kernel_client)

    async def _answer(self) -> None:
        """An answer, and a message at IOPub with it: before, what a cell prints could be lost."""
        while True:
            self.kc.kernel_info()
            with contextlib.suppress(Empty):
                reply = await self.kc.shell_channel.get_msg(timeout=1)
                await self.kc.iopub_channel.get_msg(timeout=_IOPUB_SECONDS)
                self.kc._handle_kernel_info_reply(reply)
                return
            if not await self.km.is_alive():
                raise RuntimeError("it died before it answered")

    async def _async_cleanup_kernel(self) -> None:
        process = getattr(self.provisioner, "process", None)
        self.exit_code = process.poll() if process else None
        if isinstance(self.provisioner, ForkProvisioner) and isinstance(process, ForkedKernel):
            self.provisioner.let_go()
        await super()._async_cleanup_kernel()

    _cleanup_kernel = run_sync(_async_cleanup_kernel)


class MillraceEngine(NBClientEngine):
    """papermill's own engine with `MillraceClient`."""

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
        """Execute a notebook; papermill calls this.

        Parameters
        ----------
        nb_man, kernel_name, start_timeout, execution_timeout
            As papermill has them; the seconds for the start and for a cell.
        fork : bool
            Whether the kernel is forked, where that is possible.
        folder : str
            The kernel's; papermill's own ``cwd`` changes that of every thread.
        on_client : callable, optional
            Gets the client before the kernel starts, so that it can send a signal to the kernel.
        **options
            Of `PapermillNotebookClient`.
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
        client.fork = fork and forking.available()
        if on_client:
            on_client(client)
        client.execute()


class WrappingTranslator(PythonTranslator):
    """papermill's translator of parameters to Python, but a long list has a line an element: pages cut long lines."""

    @classmethod
    def translate_list(cls, val: list) -> str:
        """Python text of a list."""
        line = super().translate_list(val)
        if len(line) < _LONG_LINE:
            return line
        return "[\n" + "".join(f"    {cls.translate(one)},\n" for one in val) + "]"


class WholeFiles(LocalHandler):
    """Writes a file whole or not at all: papermill writes a notebook after each cell, and may be killed meanwhile."""

    def write(self, buf: str, path: str) -> None:
        """Write a text to a file."""
        part = f"{path}.part"
        super().write(buf, part)
        os.replace(part, path)


def execute(
    notebook: Path,
    executed: Path,
    parameters: Mapping[str, Any],
    folder: Path,
    fork: bool = True,
    on_client: Callable[[MillraceClient], None] | None = None,
) -> None:
    """Execute a notebook by papermill with this engine.

    Parameters
    ----------
    notebook, executed : Path
        The notebook, and its copy with outputs.
    parameters : mapping
        Those that its parameters cell names.
    folder : Path
        The kernel's.
    fork : bool
        Whether its kernel is forked.
    on_client : callable, optional
        Gets the client before the kernel starts.

    Raises
    ------
    PapermillExecutionError
        Where a cell did.
    """
    _register()

    def attempt(fork: bool) -> None:
        papermill.execute_notebook(
            str(notebook),
            str(executed),
            dict(parameters),
            engine_name=NAME,
            progress_bar=False,
            start_timeout=_START_SECONDS,
            folder=str(folder),
            fork=fork,
            on_client=on_client,
        )

    try:
        attempt(fork)
    except (KernelNotReady, ConnectionError, EOFError) as error:
        if not fork:
            raise
        print(f"A forked kernel did not get ready ({error}); a cold one is started instead.", file=sys.stderr)
        attempt(fork=False)


def _register() -> None:
    """Make engine, translator and handler known to papermill; it keeps one of each name."""
    papermill_engines.register(NAME, MillraceEngine)
    papermill_translators.register("python", WrappingTranslator)
    if not any(isinstance(handler, WholeFiles) for _, handler in papermill_io._handlers):
        papermill_io.register(os.sep, WholeFiles())
    logging.getLogger("papermill").setLevel(logging.ERROR)
