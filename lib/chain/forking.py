"""Kernels that are forked from one process that has imported what notebooks need.

A cold kernel imports MLflow, scikit-learn and scrapbook before it does anything, which takes longer than most stages.
Here a fork server (`lib.forkserver`) imports them once (`lib.chain.preload`), and each kernel is a fork of it. Spare
kernels are forked in advance, while a stage runs: a spare has started IPython already and waits for its folder.
`ForkProvisioner` is a kernel provisioner for jupyter_client
(https://jupyter-client.readthedocs.io/en/stable/provisioning.html); kernels that cannot be forked are started as usual.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo, write_connection_file
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

from lib.forkserver import ForkedProcess, ForkServer
from lib.paths import ROOT

NAME = "millrace-fork"
# Arguments that nbclient needs. What a kernel logs would come between the lines of the chain.
ARGUMENTS = ("--IPKernelApp.log_level=CRITICAL", "--HistoryManager.hist_file=:memory:")

_MAX_SOCKET_FOLDER = 70  # the path of a Unix socket has at most about a hundred characters
_GRACE_SECONDS = 10


def available() -> bool:
    """Return whether kernels can be forked here. macOS can fork, but its own frameworks do not survive it."""
    return sys.platform.startswith("linux")


def register() -> None:
    """Make the provisioner known to jupyter_client, in case this project is not installed as a package."""
    from importlib.metadata import EntryPoint

    factory = KernelProvisionerFactory.instance()
    entry = EntryPoint(NAME, f"{__name__}:{ForkProvisioner.__name__}", factory.GROUP_NAME)
    factory.provisioners.setdefault(NAME, entry)


class ForkedKernel(ForkedProcess):
    """A forked process with a kernel that waits to be used.

    Parameters
    ----------
    server : ForkServer
        The server of `lib.chain.preload`.
    arguments : sequence of str
        Command line arguments of the kernel.
    connection_file : str, optional
        An existing connection file; by default a new one, with new sockets.
    """

    def __init__(self, server: ForkServer, arguments: Sequence[str] = ARGUMENTS, connection_file: str = ""):
        self._folder = tempfile.TemporaryDirectory(prefix="kernel-", ignore_cleanup_errors=True)
        self.connection_file = connection_file or _new_connection_file(Path(self._folder.name))
        self._begun = False
        super().__init__(server)
        self._send([self.connection_file, *arguments])

    @property
    def connection_info(self) -> KernelConnectionInfo:
        """The kernel's sockets and key in jupyter_client's format."""
        info = json.loads(Path(self.connection_file).read_text(encoding="utf-8"))
        return {**info, "key": info["key"].encode()}

    def begin(self, folder: str, environment: dict[str, str]) -> None:
        """Let the kernel take requests, in a folder and with environment variables."""
        self._begun = True
        self._send([folder, environment])

    def _send(self, order: list) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has died, as `poll` tells
            self.connection.sendall(json.dumps(order).encode() + b"\n")

    def end(self) -> None:
        """Let the kernel clean up and end; kill it after a grace period."""
        if self._begun:
            self.terminate()
        else:
            self.connection.close()  # which a kernel that never began takes as its end
        if self.wait(_GRACE_SECONDS) is None:
            self.kill()
            self.wait()
        self.close()
        self._folder.cleanup()


class Kernels:
    """The forked kernels that are not in use: the spares, and those that are ending."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted_spares = 0
        self._spares: deque[Future[ForkedKernel]] = deque()
        self._forks: ThreadPoolExecutor | None = None
        self._ends: list[threading.Thread] = []

    def prepare(self, count: int) -> None:
        """Keep so many spares ready from now on; the first one starts the fork server."""
        with self._lock:
            self._wanted_spares = count
            self._fork_spares()

    def take(self, arguments: tuple[str, ...], connection_file: str = "") -> Future[ForkedKernel]:
        """Take a kernel: a spare, if there is one and it fits."""
        with self._lock:
            fits = self._spares and arguments == ARGUMENTS and not connection_file
            kernel = self._spares.popleft() if fits else self._submit_fork(arguments, connection_file)
            self._fork_spares()
            return kernel

    def _fork_spares(self) -> None:
        while len(self._spares) < self._wanted_spares:
            self._spares.append(self._submit_fork(ARGUMENTS))

    def _submit_fork(self, arguments: tuple[str, ...], connection_file: str = "") -> Future[ForkedKernel]:
        if self._forks is None:
            self._forks = ThreadPoolExecutor(1, thread_name_prefix="fork")
        return self._forks.submit(_fork, arguments, connection_file)

    def end(self, kernel: ForkedKernel) -> None:
        """Let a kernel end, without waiting for it."""
        ending = threading.Thread(target=kernel.end, name=f"end of kernel {kernel.pid}", daemon=True)
        with self._lock:
            self._ends = [thread for thread in self._ends if thread.is_alive()] + [ending]
        ending.start()

    def close(self) -> None:
        """End the spares, and wait until they and all other kernels have ended."""
        with self._lock:
            spares, ends = list(self._spares), self._ends
            self._spares.clear()
            self._wanted_spares = 0
        for spare in spares:
            if not spare.cancel() and spare.exception() is None:
                spare.result().end()
        for ending in ends:
            ending.join()


kernels = Kernels()
_server: ForkServer | None = None
_server_lock = threading.Lock()


def _fork(arguments: tuple[str, ...], connection_file: str = "") -> ForkedKernel:
    """Fork a kernel from the server, which is started for the first one."""
    global _server
    with _server_lock:
        if _server is None or _server.has_ended:
            path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
            environment = {**os.environ, "PYTHONPATH": path}
            environment.pop("JPY_PARENT_PID", None)  # set if the chain itself runs in a kernel
            _server = ForkServer("lib.chain.preload", environment=environment)
    return ForkedKernel(_server, arguments, connection_file)


@atexit.register
def _end_all() -> None:
    kernels.close()
    if _server is not None:
        _server.terminate()


class ForkProvisioner(LocalProvisioner):
    """Forks a Python kernel of this environment; any other kernel is started by `LocalProvisioner`."""

    process: Any
    _forks = False
    _forked: tuple[ForkedKernel, ...] = ()  # after a restart several; the folder of the first has the sockets of all

    async def pre_launch(self, **options: Any) -> dict[str, Any]:
        """Prepare a launch; a forked kernel chooses its own sockets."""
        command = self.kernel_spec.argv
        is_kernel = command[1:3] == ["-m", "ipykernel_launcher"] and _is_this_python(command[0])
        is_encrypted = getattr(self.parent, "transport_encryption", "") == "required"
        self._forks = available() and is_kernel and not is_encrypted
        if not self._forks:
            return await super().pre_launch(**options)
        options.pop("transport_encryption", None)
        return await super(LocalProvisioner, self).pre_launch(cmd=options.pop("extra_arguments", []), **options)

    async def launch_kernel(self, cmd: list[str], **options: Any) -> KernelConnectionInfo:
        """Start a kernel, or take one that was forked in advance."""
        if not self._forks:
            return await super().launch_kernel(cmd, **options)
        connection_file = self._forked[0].connection_file if self._forked else ""
        kernel = await asyncio.wrap_future(kernels.take(tuple(cmd), connection_file))
        kernel.begin(options.get("cwd") or os.getcwd(), options["env"])
        self.process, self.pid, self.pgid = kernel, kernel.pid, kernel.pid  # it leads a process group of its own
        self._forked = (*self._forked, kernel)
        self.connection_info = kernel.connection_info
        return self.connection_info

    async def wait(self) -> int | None:
        """Wait for the end of the kernel."""
        if not isinstance(self.process, ForkedKernel):
            return await super().wait()
        while (code := self.process.poll()) is None:
            await asyncio.sleep(0.02)
        self.process = None
        return code

    async def cleanup(self, restart: bool = False) -> None:
        """Remove everything of a kernel that is not started again."""
        await super().cleanup(restart=restart)
        if not restart:
            self.let_go()

    def let_go(self) -> None:
        """Let the forked kernels clean up and end by themselves, without waiting for them."""
        forked, self._forked, self.process = self._forked, (), None
        for kernel in forked:
            kernels.end(kernel)


def _is_this_python(program: str) -> bool:
    return program in (sys.executable, "python", "python3")


def _new_connection_file(folder: Path) -> str:
    """Write a connection file with new sockets: in the folder itself, which other users cannot enter."""
    is_short = len(str(folder)) < _MAX_SOCKET_FOLDER
    file, _ = write_connection_file(
        str(folder / "kernel.json"),
        key=os.urandom(32).hex().encode(),
        transport="ipc" if is_short else "tcp",
        ip=str(folder / "kernel-ipc") if is_short else "",
    )
    return file
