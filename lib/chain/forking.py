"""Kernels that are forked from one process, which has imported the packages that notebooks need.

A new kernel imports MLflow, scikit-learn and scrapbook first, which takes longer than most stages. Here a fork server
(`lib.forkserver`) imports these packages once (`lib.chain.preload`), and forks itself for each kernel. Spare kernels
are forked while a stage runs: a spare has started IPython and waits for its working folder. `ForkProvisioner` offers
the kernels to jupyter_client (https://jupyter-client.readthedocs.io/en/stable/provisioning.html). Kernels that cannot
be forked are started as usual.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo, write_connection_file
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner
from traitlets import Bool

from lib.chain import sessions
from lib.forkserver import ForkedProcess, ForkServer
from lib.paths import ROOT

NAME = "millrace-fork"
_KERNEL_APP = "lib.chain.kernel_app"
# Arguments of a kernel: without a log, which would mix with the chain's output, and without a file of past commands.
ARGUMENTS = ("--IPKernelApp.log_level=CRITICAL", "--HistoryManager.hist_file=:memory:")

_MAX_SOCKET_FOLDER_LENGTH = 70  # the path of a Unix socket may have about 100 characters
_GRACE_SECONDS = 10


def is_available() -> bool:
    """Return whether kernels can be forked here: on Linux only, because macOS's frameworks crash after a fork."""
    return sys.platform.startswith("linux")


def register() -> None:
    """Register the provisioner with jupyter_client, in case this project is not installed as a package."""
    from importlib.metadata import EntryPoint

    factory = KernelProvisionerFactory.instance()
    entry = EntryPoint(NAME, f"{__name__}:{ForkProvisioner.__name__}", factory.GROUP_NAME)
    factory.provisioners.setdefault(NAME, entry)


class ForkedKernel(ForkedProcess):
    """A forked process that runs a kernel. It is a spare until `begin` is called.

    Parameters
    ----------
    server : ForkServer
        A server of the module `lib.chain.preload`.
    arguments : sequence of str
        Command line arguments of the kernel.
    connection_file : str, optional
        An existing connection file. By default, a file with new sockets is written.
    """

    def __init__(self, server: ForkServer, arguments: Sequence[str] = ARGUMENTS, connection_file: str = ""):
        self._folder = tempfile.TemporaryDirectory(prefix="kernel-", ignore_cleanup_errors=True)
        self.connection_file = connection_file or _new_connection_file(Path(self._folder.name))
        self._has_begun = False
        super().__init__(server)
        self._send([self.connection_file, *arguments])

    @property
    def connection_info(self) -> KernelConnectionInfo:
        """The kernel's sockets and key in jupyter_client's format."""
        info = json.loads(Path(self.connection_file).read_text(encoding="utf-8"))
        return {**info, "key": info["key"].encode()}

    def begin(self, folder: str, environment: dict[str, str]) -> None:
        """Let the kernel accept requests.

        Parameters
        ----------
        folder : str
            Working folder.
        environment : dict of str
            All environment variables.
        """
        self._has_begun = True
        self._send([folder, environment])

    def _send(self, message: list) -> None:
        with contextlib.suppress(OSError):  # the kernel has died; `poll` reports it
            self.connection.sendall(json.dumps(message).encode() + b"\n")

    def end(self) -> None:
        """End the kernel and the processes that it started: let it clean up, and kill it after a grace period."""
        if self._has_begun:
            self._send([])
        else:
            self.connection.close()  # a spare ends when its connection is closed
        if self.wait(_GRACE_SECONDS) is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
        sessions.end(self.pid)
        self.close()
        self._folder.cleanup()


class KernelPool:
    """The forked kernels that are not in use: spares, and kernels that are ending."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted_spare_count = 0
        self._spares: deque[Future[ForkedKernel]] = deque()
        self._fork_executor: ThreadPoolExecutor | None = None
        self._ending_threads: list[threading.Thread] = []

    def prepare(self, count: int) -> None:
        """Keep a number of spares ready from now on; the first spare starts the fork server."""
        with self._lock:
            self._wanted_spare_count = count
            self._fork_spares()

    def take(self, arguments: tuple[str, ...], connection_file: str = "") -> Future[ForkedKernel]:
        """Return the future of a kernel, a spare or a new fork. The caller has to call its `begin`."""
        with self._lock:
            self._discard_dead_spares()
            can_use_spare = self._spares and arguments == ARGUMENTS and not connection_file
            kernel = self._spares.popleft() if can_use_spare else self._submit_fork(arguments, connection_file)
            self._fork_spares()
            return kernel

    def _discard_dead_spares(self) -> None:
        """Forget spares that could not be forked, have ended, or whose fork server has ended."""
        dead = [spare for spare in self._spares if spare.done() and _is_dead(spare)]
        for spare in dead:
            self._spares.remove(spare)
            if spare.exception() is None:
                self._start_ending(spare.result().end)

    def _fork_spares(self) -> None:
        while len(self._spares) < self._wanted_spare_count:
            self._spares.append(self._submit_fork(ARGUMENTS))

    def _submit_fork(self, arguments: tuple[str, ...], connection_file: str = "") -> Future[ForkedKernel]:
        if self._fork_executor is None:
            self._fork_executor = ThreadPoolExecutor(1, thread_name_prefix="fork")
        return self._fork_executor.submit(_fork_kernel, arguments, connection_file)

    def end(self, kernel: ForkedKernel) -> None:
        """End a kernel in the background."""
        with self._lock:
            self._start_ending(kernel.end)

    def end_session(self, session_id: int) -> None:
        """End the processes of a session in the background."""
        with self._lock:
            self._start_ending(lambda: sessions.end(session_id))

    def _start_ending(self, end: Callable[[], None]) -> None:
        thread = threading.Thread(target=end, name="end of kernel", daemon=True)
        self._ending_threads = [other for other in self._ending_threads if other.is_alive()] + [thread]
        thread.start()

    def close(self) -> None:
        """End the spares, and wait for all kernels that are ending."""
        with self._lock:
            spares, ending_threads = list(self._spares), self._ending_threads
            self._spares.clear()
            self._wanted_spare_count = 0
        for spare in spares:
            if not spare.cancel() and spare.exception() is None:
                spare.result().end()
        for thread in ending_threads:
            thread.join()


def _is_dead(spare: Future[ForkedKernel]) -> bool:
    return spare.exception() is not None or spare.result().poll() is not None


kernels = KernelPool()
_server: ForkServer | None = None
_imported_code: dict[Path, tuple[int, int]] = {}  # the state of the files when the server imported them
_server_lock = threading.Lock()


def _fork_kernel(arguments: tuple[str, ...], connection_file: str = "") -> ForkedKernel:
    """Fork a kernel from the fork server, which is started if it does not run."""
    from lib.chain.fingerprint import read_code_state

    global _server, _imported_code
    with _server_lock:
        if _server is None or _server.has_ended:
            environment = _with_lib(os.environ)
            environment.pop("JPY_PARENT_PID", None)  # set if the chain itself runs in a kernel
            _imported_code = read_code_state()
            if _server is not None:
                _server.close()
            _server = ForkServer("lib.chain.preload", environment=environment)
    return ForkedKernel(_server, arguments, connection_file)


def replace_outdated_server() -> None:
    """End the fork server and the spare kernels if the library has changed since the server imported it.

    The next kernel starts a new server. Call this function only while no kernel is in use.
    """
    from lib.chain.fingerprint import read_code_state

    with _server_lock:
        is_outdated = _server is not None and not _server.has_ended and read_code_state() != _imported_code
    if is_outdated:
        kernels.close()
        with _server_lock:
            if _server is not None:
                _server.terminate()


@atexit.register
def _end_all_processes() -> None:
    kernels.close()
    if _server is not None:
        _server.terminate()


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
                options["env"] = _with_lib(options.get("env") or os.environ)
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
        kernel = await asyncio.wrap_future(kernels.take(tuple(cmd), connection_file))
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

    def get_shutdown_wait_time(self, recommended: float = 5.0) -> float:
        """Return the seconds until a kernel is killed; after half of them it gets SIGTERM, without exit functions."""
        return max(recommended, 2 * _GRACE_SECONDS)

    async def cleanup(self, restart: bool = False) -> None:
        """Release the resources of a kernel, unless it is to be restarted."""
        await super().cleanup(restart=restart)
        if self._session_id:
            kernels.end_session(self._session_id)
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
        if _fits_socket_path(folder):
            manager.transport, manager.ip, manager.cache_ports = "ipc", str(folder / "kernel-ipc"), False

    def release_kernels(self) -> None:
        """End the forked kernels in the background, so that they have time to clean up."""
        released, self._kernels, self.process = self._kernels, (), None
        for kernel in released:
            kernels.end(kernel)


def _is_this_python(program: str) -> bool:
    """Return whether the program of a kernel spec is the Python interpreter of this process."""
    return program in (sys.executable, "python", "python3")


def _fits_socket_path(folder: Path) -> bool:
    return len(os.fsencode(folder)) < _MAX_SOCKET_FOLDER_LENGTH


def _with_lib(environment: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables with which Python finds this checkout's ``lib``."""
    folders = filter(None, [str(ROOT), *environment.get("PYTHONPATH", "").split(os.pathsep)])
    return {**environment, "PYTHONPATH": os.pathsep.join(dict.fromkeys(folders))}


def _new_connection_file(folder: Path) -> str:
    """Write a connection file with new sockets in a folder that other users cannot enter, and return its path."""
    fits_socket_path = _fits_socket_path(folder)
    file, _ = write_connection_file(
        str(folder / "kernel.json"),
        key=os.urandom(32).hex().encode(),
        transport="ipc" if fits_socket_path else "tcp",
        ip=str(folder / "kernel-ipc") if fits_socket_path else "",
    )
    return file
