"""papermill's client of a kernel, with forked kernels, complete outputs, and outputs without secrets."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from queue import Empty
from typing import Any

import zmq
from jupyter_core.utils import run_sync
from nbclient.exceptions import CellExecutionComplete
from nbformat import NotebookNode, from_dict
from papermill.clientwrap import PapermillNotebookClient

from lib.chain import forking, large_outputs, secret_search
from lib.chain.cell_streams import CellStreams
from lib.chain.forking import ForkProvisioner
from lib.chain.kernel_pool import ForkedKernel
from lib.secrets import files

_IOPUB_TIMEOUT_SECONDS = 0.05
_MAX_SILENCE_SECONDS = 10  # between a kernel's reply and the end of the cell's output


class KernelNotReady(RuntimeError):
    """A kernel did not start; no cell has run."""


class OutputLost(RuntimeError):
    """The kernel has finished a cell, but a part of the cell's output did not arrive."""


class KernelLeft(RuntimeError):
    """The kernel ended without an error, because a cell called ``sys.exit``."""


class SecretPrinted(RuntimeError):
    """A cell has written a secret into its output, from where it was removed."""


class MillraceClient(PapermillNotebookClient):
    """papermill's client with a forked kernel.

    Attributes
    ----------
    fork : bool
        Whether to fork the kernel.
    exit_code : int or None
        Exit code of a kernel that died, negative for a signal; None if no kernel has died.
    has_lost_server : bool
        Whether the fork server ended before the kernel.
    started_cell_count : int
        Number of cells that the kernel has started to execute.
    secrets : dict of list
        Secrets in the outputs so far, by the number of the code cell, as messages describe them.
    """

    fork = True
    exit_code: int | None = None
    has_lost_server = False
    started_cell_count = 0

    def __init__(self, nb_man: Any, **options: Any):
        super().__init__(nb_man, **options)
        self._streams = CellStreams()
        self.secrets: dict[int, list[str]] = {}

    def create_kernel_manager(self) -> Any:
        """Create a kernel manager that uses `ForkProvisioner`, unless the kernel spec names another provisioner."""
        manager = super().create_kernel_manager()
        # Otherwise ZeroMQ silently drops messages when 1,000 of them wait to be read.
        manager.context.setsockopt(zmq.RCVHWM, 0)
        if not isinstance(manager.kernel_spec.metadata.get("kernel_provisioner"), Mapping):
            provisioner = {"provisioner_name": forking.NAME, "config": {"fork": self.fork}}
            manager.kernel_spec.metadata["kernel_provisioner"] = provisioner
        return manager

    @property
    def provisioner(self) -> Any:
        """The provisioner that started the kernel; None before the start."""
        return getattr(self.km, "provisioner", None)

    def signal_kernel(self, signum: int) -> None:
        """Send a signal to the kernel, if it runs."""
        pid = getattr(self.provisioner, "pid", None)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Process a message from the kernel about a cell."""
        if msg["msg_type"] == "execute_input":
            self.started_cell_count += 1
        self._streams.flush_if_due()  # papermill may save the notebook after a message
        return super().process_message(msg, cell, cell_index)

    def output(self, outs: list[Any], msg: dict[str, Any], display_id: str | None, cell_index: int) -> Any:
        """Add an output to a cell. Texts of a stream are merged, as a terminal shows them."""
        if self.output_hook_stack[msg["parent_header"].get("msg_id")] or self.clear_before_next_output:
            return super().output(outs, msg, display_id, cell_index)
        content = msg["content"]
        if msg["msg_type"] == "stream":
            return self._streams.add(outs, content["name"], content["text"])
        if msg["msg_type"] != "display_data":
            return super().output(outs, msg, display_id, cell_index)
        # As in nbclient, but without its validation of each output, which takes most of the time of many displays.
        output = NotebookNode(output_type="display_data", data=from_dict(content["data"]), metadata=content["metadata"])
        if display_id:
            self._display_id_map.setdefault(display_id, {}).setdefault(cell_index, []).append(len(outs))
        outs.append(output)
        return output

    def papermill_execute_cells(self) -> None:
        """Execute all cells.

        Raises
        ------
        KernelLeft
            If a cell ended the kernel. papermill takes ``sys.exit(0)`` for the success of the whole notebook.
        """
        super().papermill_execute_cells()
        for cell in self.nb.cells:
            if cell.cell_type == "code" and "raises-exception" not in cell.metadata.get("tags", []):
                _check_exit(cell)
        if self.started_cell_count < self.code_cells_executed:
            raise KernelLeft("the kernel ended before the last cell")

    async def async_execute_cell(self, cell: Any, cell_index: int, **options: Any) -> Any:
        """Execute a cell, remove secrets from its outputs, and move its large outputs into files.

        Raises
        ------
        SecretPrinted
            If there was a secret in the outputs of a cell that has not failed.
        """
        try:
            await super().async_execute_cell(cell, cell_index, **options)
        finally:
            self._streams.close()
            self._redact(cell, cell_index)
            path = self.nb_man.output_path
            if cell.cell_type == "code" and path and "://" not in str(path) and Path(path).parent.is_dir():
                large_outputs.move(cell, cell_index + 1, Path(path))
        if self.secrets:
            raise SecretPrinted(secret_search.describe(self.secrets))
        return cell

    def _redact(self, cell: Any, cell_index: int) -> None:
        """Remove secrets from the outputs of a cell, before papermill saves them or shows an error."""
        if cell.cell_type == "code":
            outputs, secrets = files.redact_outputs(cell.outputs)
            if secrets:
                cell.outputs = from_dict(outputs)
                number = sum(other.cell_type == "code" for other in self.nb.cells[: cell_index + 1])
                self.secrets.setdefault(number, []).extend(secrets)

    execute_cell = run_sync(async_execute_cell)

    async def _async_poll_output_msg(self, parent_msg_id: str, cell: Any, cell_index: int) -> None:
        """Process all messages about a cell, however long they take.

        Raises
        ------
        OutputLost
            If the messages end before the cell's output is complete.
        """
        while True:
            try:
                message = await self.kc.iopub_channel.get_msg(timeout=_MAX_SILENCE_SECONDS)
            except Empty:
                if "shell.execute_reply" in cell.metadata.get("execution", {}):
                    raise OutputLost(
                        "the end of the cell's output did not arrive; a part of the output may be lost"
                    ) from None
                continue
            if message["parent_header"].get("msg_id") == parent_msg_id:
                try:
                    self.process_message(message, cell, cell_index)
                except CellExecutionComplete:
                    return

    async def async_start_new_kernel_client(self) -> Any:
        """Connect to the kernel and wait until it answers.

        jupyter_client's own method then waits another 0.2 s for old IOPub messages. This is not necessary, because
        nbclient matches each message to the cell that caused it.
        """
        if not isinstance(self.provisioner, ForkProvisioner):
            try:
                return await super().async_start_new_kernel_client()
            except RuntimeError as error:
                raise KernelNotReady(str(error)) from error
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
        self.has_lost_server = getattr(process, "is_lost", False)
        if isinstance(self.provisioner, ForkProvisioner) and isinstance(process, ForkedKernel):
            self.provisioner.release_kernels()
        await super()._async_cleanup_kernel()

    _cleanup_kernel = run_sync(_async_cleanup_kernel)


def _check_exit(cell: Any) -> None:
    """Raise KernelLeft if a cell called ``sys.exit`` without an error code."""
    for output in cell.outputs:
        if output.output_type == "error" and output.ename == "SystemExit" and output.evalue in ("", "0", "None"):
            raise KernelLeft(f"a cell called sys.exit({output.evalue})")
