"""Kernels that are forked from one process, which has imported the packages that notebooks need.

A new kernel imports MLflow, scikit-learn and scrapbook first, which takes longer than most stages. Here a fork server
(`lib.forkserver`) imports these packages once (`lib.chain.preload`), and forks itself for each kernel
(`lib.chain.kernel_pool`). `ForkProvisioner` offers the kernels to jupyter_client
(https://jupyter-client.readthedocs.io/en/stable/provisioning.html). Kernels that cannot be forked are started as usual.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner
from traitlets import Bool

from lib.chain import kernel_pool
from lib.chain.kernel_pool import GRACE_SECONDS, ForkedKernel, fits_socket_path, with_lib

NAME = "millrace-fork"
_KERNEL_APP = "lib.chain.kernel_app"


def is_available() -> bool:
    """Return whether kernels can be forked here: on Linux only, because macOS's frameworks crash after a fork."""
    return sys.platform.startswith("linux")


def register() -> None:
    """Register the provisioner with jupyter_client, in case this project is not installed as a package."""
    from importlib.metadata import EntryPoint

    factory = KernelProvisionerFactory.instance()
    entry = EntryPoint(NAME, f"{__name__}:{ForkProvisioner.__name__}", factory.GROUP_NAME)
    factory.provisioners.setdefault(NAME, entry)


class ForkProvisioner(LocalProvisioner):
    """Starts kernels, and ends the processes that they have started.

    A Python kernel of this environment is forked, or runs `lib.chain.kernel_app` in a new process. `LocalProvisioner`
    starts any other kernel.
    """

    fork = Bool(True, help="Whether to fork kernels where that is possible.").tag(config=True)

    process: Any
    _can_fork = False
    _session_id: int | None = None  # of a kernel that was not forked
    _folder: tempfile.TemporaryDirectory[str] | None = None  # of the connection file of a kernel that was not forked
    # The last one is the current kernel. Its predecessors before restarts remain, since the first owns the sockets.
    _kernels: tuple[ForkedKernel, ...] = ()

    async def pre_launch(self, **options: Any) -> dict[str, Any]:
        """Prepare a launch. A forked kernel chooses its own sockets, so none are reserved for it."""
        command = self.kernel_spec.argv
        is_python_kernel = command[1:3] == ["-m", "ipykernel_launcher"] and _is_this_python(command[0])
        is_encrypted = getattr(self.parent, "transport_encryption", "") == "required"
        self._can_fork = self.fork and is_available() and is_python_kernel and not is_encrypted
        if not self._can_fork:
            if is_python_kernel:
                self._use_private_sockets()
                options["env"] = with_lib(options.get("env") or os.environ)
            options = await super().pre_launch(**options)
            if is_python_kernel:
                options["cmd"][2] = _KERNEL_APP
            return options
        options.pop("transport_encryption", None)
        return await super(LocalProvisioner, self).pre_launch(cmd=options.pop("extra_arguments", []), **options)

    async def launch_kernel(self, cmd: list[str], **options: Any) -> KernelConnectionInfo:
        """Start a kernel, or take one that was forked in advance."""
        if not self._can_fork:
            connection_info = await super().launch_kernel(cmd, **options)
            self._session_id = self.pid if self.pgid == self.pid else None
            return connection_info
        connection_file = self._kernels[0].connection_file if self._kernels else ""
        kernel = await asyncio.wrap_future(kernel_pool.kernels.take(tuple(cmd), connection_file))
        kernel.begin(options.get("cwd") or os.getcwd(), options["env"])
        self.process, self.pid, self.pgid = kernel, kernel.pid, kernel.pid  # the kernel leads its own process group
        self._kernels = (*self._kernels, kernel)
        self.connection_info = kernel.connection_info
        return self.connection_info

    async def wait(self) -> int | None:
        """Wait for the end of the kernel, and return its exit code."""
        if not isinstance(self.process, ForkedKernel):
            return await super().wait()
        while (exit_code := self.process.poll()) is None:
            await asyncio.sleep(0.02)
        self.process = None
        return exit_code

    async def send_signal(self, signum: int) -> None:
        """Send a signal to the kernel; on POSIX, also to its process group, except an interrupt.

        jupyter_client interrupts each kernel before its end. Processes of a pool, which wait for work, would print
        tracebacks.
        """
        if signum == signal.SIGINT and os.name == "posix" and self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signum)
            return
        await super().send_signal(signum)

    def get_shutdown_wait_time(self, recommended: float = 5.0) -> float:
        """Return the seconds until a kernel is killed; after half of them it gets SIGTERM, without exit functions."""
        return max(recommended, 2 * GRACE_SECONDS)

    async def cleanup(self, restart: bool = False) -> None:
        """Release the resources of a kernel, unless it is to be restarted."""
        await super().cleanup(restart=restart)
        if self._session_id:
            kernel_pool.kernels.end_session(self._session_id)
            self._session_id = None
        if not restart:
            self.release_kernels()
            if self._folder is not None:
                self._folder.cleanup()

    def _use_private_sockets(self) -> None:
        """Let a new process use Unix sockets in a folder of its own: a free port may be taken before it starts."""
        if os.name != "posix" or self._folder is not None:
            return
        self._folder = tempfile.TemporaryDirectory(prefix="kernel-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        manager: Any = self.parent
        manager.connection_file = str(folder / "kernel.json")
        if fits_socket_path(folder):
            manager.transport, manager.ip, manager.cache_ports = "ipc", str(folder / "kernel-ipc"), False

    def release_kernels(self) -> None:
        """End the forked kernels in the background, so that they have time to clean up."""
        released, self._kernels, self.process = self._kernels, (), None
        for kernel in released:
            kernel_pool.kernels.end(kernel)


def _is_this_python(program: str) -> bool:
    """Return whether the program of a kernel spec is the Python interpreter of this process."""
    return program in (sys.executable, "python", "python3")
