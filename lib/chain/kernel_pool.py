"""The forked kernels of this process: in use, kept ready as spares, or ending; and the fork server that forks them.

Spare kernels are forked while a stage runs: a spare has started IPython and waits for its working folder.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from jupyter_client.connect import KernelConnectionInfo, write_connection_file

from lib.chain import sessions
from lib.forkserver import ForkedProcess, ForkServer
from lib.paths import ROOT

# Arguments of a kernel: without a log, which would mix with the chain's output, and without a file of past commands.
ARGUMENTS = ("--IPKernelApp.log_level=CRITICAL", "--HistoryManager.hist_file=:memory:")
GRACE_SECONDS = 10  # for a kernel to clean up after its last cell

_MAX_SOCKET_FOLDER_LENGTH = 70  # the path of a Unix socket may have about 100 characters


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
        if self.wait(GRACE_SECONDS) is None:
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
            environment = with_lib(os.environ)
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


def fits_socket_path(folder: Path) -> bool:
    """Return whether the paths of Unix sockets in a folder are short enough for the system."""
    return len(os.fsencode(folder)) < _MAX_SOCKET_FOLDER_LENGTH


def with_lib(environment: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables with which Python finds this checkout's ``lib``."""
    folders = filter(None, [str(ROOT), *environment.get("PYTHONPATH", "").split(os.pathsep)])
    return {**environment, "PYTHONPATH": os.pathsep.join(dict.fromkeys(folders))}


def _new_connection_file(folder: Path) -> str:
    """Write a connection file with new sockets in a folder that other users cannot enter, and return its path."""
    has_short_path = fits_socket_path(folder)
    file, _ = write_connection_file(
        str(folder / "kernel.json"),
        key=os.urandom(32).hex().encode(),
        transport="ipc" if has_short_path else "tcp",
        ip=str(folder / "kernel-ipc") if has_short_path else "",
    )
    return file
