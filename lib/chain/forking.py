"""Kernels forked from one process that has imported what notebooks need.

A cold kernel imports MLflow, scikit-learn and scrapbook before it does anything, which takes longer than most
stages. Here multiprocessing's fork server imports them once (`lib.chain.preload`) and each kernel is a fork of it. Some
are forked ahead, while a stage runs: such a spare has started IPython already, and waits to be told its folder.
`ForkProvisioner` is a kernel provisioner as jupyter_client knows them
(https://jupyter-client.readthedocs.io/en/stable/provisioning.html); what it cannot fork it starts as usual.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import tempfile
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jupyter_client.connect import write_connection_file
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

NAME = "millrace-fork"
# A kernel's own, as nbclient asks for; what it logs would come between the lines of the chain.
ARGUMENTS = ("--IPKernelApp.log_level=CRITICAL", "--HistoryManager.hist_file=:memory:")

_LONGEST_SOCKET_FOLDER = 70  # the system takes about a hundred letters for the path of a socket
_GRACE_SECONDS = 10


def available() -> bool:
    """Whether kernels can be forked here; macOS forks, but its own frameworks do not survive it."""
    return sys.platform.startswith("linux")


def register() -> None:
    """Make the provisioner known to jupyter_client where this project is not installed as a package."""
    from importlib.metadata import EntryPoint

    factory = KernelProvisionerFactory.instance()
    entry = EntryPoint(NAME, f"{__name__}:{ForkProvisioner.__name__}", factory.GROUP_NAME)
    factory.provisioners.setdefault(NAME, entry)


class ForkedKernel:
    """A forked process that has a kernel ready, and sockets of its own.

    Parameters
    ----------
    arguments : sequence of str
        Of the kernel.
    connection_file : str, optional
        Where it stands already which sockets it has; by default new ones.
    """

    _one_at_a_time = threading.Lock()  # multiprocessing polls all its children whenever it starts one

    def __init__(self, arguments: tuple[str, ...] = ARGUMENTS, connection_file: str = ""):
        self._folder = tempfile.TemporaryDirectory(prefix="kernel-", ignore_cleanup_errors=True)
        self.connection_file = connection_file or _new_connection_file(Path(self._folder.name))
        self._begun = False
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["lib.chain.preload"])
        orders, self._orders = context.Pipe(duplex=False)
        self._process = context.Process(target=_kernel, args=(self.connection_file, arguments, orders), daemon=False)
        with self._one_at_a_time:
            self._process.start()
        orders.close()
        self.pid: int = self._process.pid

    @property
    def connection(self) -> dict[str, Any]:
        """Its sockets and its key, as jupyter_client has them."""
        info = json.loads(Path(self.connection_file).read_text(encoding="utf-8"))
        return {**info, "key": info["key"].encode()}

    def begin(self, folder: str, environment: dict[str, str]) -> None:
        """Let it take requests, in a folder and with environment variables."""
        self._orders.send((folder, environment))
        self._begun = True

    def end(self) -> None:
        """Let it clean up and end; kill what does not."""
        self._orders.close()  # ends one that never began
        if self._begun:
            self.terminate()
        if not multiprocessing.connection.wait([self._process.sentinel], _GRACE_SECONDS):
            self.kill()
            self.wait()
        self._folder.cleanup()

    # What provisioners call of a subprocess.Popen

    def poll(self) -> int | None:
        """Exit code; None while it lives."""
        with self._one_at_a_time:
            return self._process.exitcode

    def wait(self) -> int | None:
        """Exit code, once it has ended."""
        while self.poll() is None:
            multiprocessing.connection.wait([self._process.sentinel])
        return self.poll()

    def send_signal(self, signum: int) -> None:
        """Send a signal; SIGKILL reaches whatever it has started too."""
        if self.poll() is None:
            try:
                # Between the fork and setsid it has no group of its own.
                os.killpg(self.pid, signum) if signum == signal.SIGKILL else os.kill(self.pid, signum)
            except ProcessLookupError:
                os.kill(self.pid, signum)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Let it clean up and end."""
        self.send_signal(signal.SIGTERM)


class Kernels:
    """Forked kernels: those forked ahead, and those that are ending."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead = 0
        self._spares: deque[Future[ForkedKernel]] = deque()
        self._forks: ThreadPoolExecutor | None = None
        self._ends: list[threading.Thread] = []

    def prepare(self, count: int) -> None:
        """Have so many kernels ready from now on, whenever one is taken; the first one starts the fork server."""
        with self._lock:
            self._ahead = count
            self._fork_ahead()

    def take(self, arguments: tuple[str, ...], connection_file: str = "") -> Future[ForkedKernel]:
        """Take one, forked ahead if there is one that fits."""
        with self._lock:
            fits = self._spares and arguments == ARGUMENTS and not connection_file
            taken = self._spares.popleft() if fits else self._fork(arguments, connection_file)
            self._fork_ahead()
            return taken

    def _fork_ahead(self) -> None:
        while len(self._spares) < self._ahead:
            self._spares.append(self._fork(ARGUMENTS))

    def _fork(self, *arguments: Any) -> Future[ForkedKernel]:
        if self._forks is None:
            self._forks = ThreadPoolExecutor(1, thread_name_prefix="fork")
        return self._forks.submit(ForkedKernel, *arguments)

    def end(self, kernel: ForkedKernel) -> None:
        """Let one end, and do not wait for it."""
        ending = threading.Thread(target=kernel.end, name=f"end of kernel {kernel.pid}", daemon=True)
        with self._lock:
            self._ends = [one for one in self._ends if one.is_alive()] + [ending]
        ending.start()

    def close(self) -> None:
        """End those nobody took, and wait until all have ended."""
        with self._lock:
            spares, ends = list(self._spares), self._ends
            self._spares.clear()
            self._ahead = 0
        for spare in spares:
            if not spare.cancel() and spare.exception() is None:
                spare.result().end()
        for ending in ends:
            ending.join()


kernels = Kernels()
atexit.register(kernels.close)


class ForkProvisioner(LocalProvisioner):
    """Forks a Python kernel of this environment; any other kernel is started by `LocalProvisioner`."""

    process: Any
    _forks = False
    _forked: tuple[ForkedKernel, ...] = ()  # the folder of the first holds the sockets, which outlive a restart

    async def pre_launch(self, **options: Any) -> dict[str, Any]:
        """Prepare a launch; the sockets of a forked kernel are its own choice."""
        command = self.kernel_spec.argv
        is_kernel = command[1:3] == ["-m", "ipykernel_launcher"] and _is_this_python(command[0])
        self._forks = available() and is_kernel and self.parent.transport_encryption != "required"
        if not self._forks:
            return await super().pre_launch(**options)
        options.pop("transport_encryption", None)
        return await super(LocalProvisioner, self).pre_launch(cmd=options.pop("extra_arguments", []), **options)

    async def launch_kernel(self, cmd: list[str], **options: Any) -> dict[str, Any]:
        """Start a kernel, or take the one that waits."""
        if not self._forks:
            return await super().launch_kernel(cmd, **options)
        sockets = self._forked[0].connection_file if self._forked else ""
        kernel = await asyncio.wrap_future(kernels.take(tuple(cmd), sockets))
        kernel.begin(options.get("cwd") or os.getcwd(), options["env"])
        self.process, self.pid, self.pgid = kernel, kernel.pid, kernel.pid  # it has made a group of its own
        self._forked = (*self._forked, kernel)
        self.connection_info = kernel.connection
        return self.connection_info

    async def wait(self) -> int | None:
        """Wait for the kernel's end."""
        if not isinstance(self.process, ForkedKernel):
            return await super().wait()
        while (code := self.process.poll()) is None:
            await asyncio.sleep(0.02)
        self.process = None
        return code

    async def cleanup(self, restart: bool = False) -> None:
        """Leave nothing of a kernel that is not started again."""
        await super().cleanup(restart=restart)
        if not restart:
            self.let_go()

    def let_go(self) -> None:
        """Let forked kernels clean up and end by themselves; nobody waits for them."""
        forked, self._forked, self.process = self._forked, (), None
        for kernel in forked:
            kernels.end(kernel)


def _kernel(connection_file: str, arguments: tuple[str, ...], orders: Any) -> None:
    """Be a kernel: the body of the forked process."""
    os.setsid()
    # A terminal's Ctrl-C is for the chain, which passes it on; a fork server ignores it, and so did this process.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_the_chain, name="chain", daemon=True).start()
    sys.argv = ["ipykernel_launcher", "-f", connection_file, *arguments]
    sys.path.insert(0, "")
    import numpy as np
    from ipykernel.kernelapp import IPKernelApp

    np.random.seed()  # else every kernel would draw the same numbers: it was seeded before the fork
    try:
        app = IPKernelApp.instance()
        app.initialize(sys.argv[1:])
        try:
            folder, environment = orders.recv()
        except EOFError:
            return  # nobody needs it
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        # Not before: there is nothing to clean up till now, and imports have been seen to lose the exception.
        signal.signal(signal.SIGTERM, _leave)
        app.start()
    finally:
        atexit._run_exitfuncs()  # multiprocessing's children leave without them; MLflow, for one, has some


def _leave(signum: int, frame: Any) -> None:
    raise SystemExit(0)


def _end_with_the_chain() -> None:
    """End the kernel when the chain's process ends, however it does.

    ipykernel looks at its parent. That is the fork server here, which lives for as long as a kernel of it does.
    """
    multiprocessing.parent_process().join()
    os._exit(1)


def _is_this_python(program: str) -> bool:
    return program in (sys.executable, "python", "python3")


def _new_connection_file(folder: Path) -> str:
    """Connection file with new sockets: in the folder itself, where nobody else on the machine can listen in."""
    private = len(str(folder)) < _LONGEST_SOCKET_FOLDER
    where = {"transport": "ipc", "ip": str(folder / "kernel-ipc")} if private else {"transport": "tcp"}
    file, _ = write_connection_file(str(folder / "kernel.json"), key=os.urandom(32).hex().encode(), **where)
    return file
