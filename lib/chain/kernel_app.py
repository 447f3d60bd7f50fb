"""The program of a kernel: ipykernel, without a limit of unsent output, and with an end to all child processes.

    python -m lib.chain.kernel_app -f FILE [OPTIONS]

Forked kernels run the same application, see `lib.chain.preload`.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import ipykernel_launcher
import zmq
from ipykernel.kernelapp import IPKernelApp

from lib.chain import interrupts, sessions

_POLL_SECONDS = 0.5


class KernelApp(IPKernelApp):
    """ipykernel's application, adapted to the chain."""

    def init_iopub(self, context: Any) -> None:
        """Create the socket for outputs with an unlimited queue.

        By default, ZeroMQ drops messages silently when 1,000 of them wait to be sent.
        """
        context.setsockopt(zmq.SNDHWM, 0)  # for all sockets that are created from now on
        super().init_iopub(context)

    def init_signal(self) -> None:
        """Initialize the signal handlers."""
        super().init_signal()
        interrupts.ensure_delivery()

    def init_kernel(self) -> None:
        """Create the kernel. Its child processes are ended after it, by the chain, except on Windows.

        ipykernel would send them SIGTERM for 14 seconds before it runs the exit functions of user code, and a resource
        tracker of multiprocessing ignores SIGTERM.
        """
        super().init_kernel()
        if sys.platform != "win32":
            self.kernel._progressively_terminate_all_children = _leave_children

    def init_poller(self) -> None:
        """Watch the parent process on Windows only; elsewhere, `main` and the fork server's children do it."""
        if sys.platform == "win32":
            super().init_poller()


async def _leave_children() -> None:
    """Do nothing."""


def end_with_children() -> None:
    """End this process at once, and the processes that it has started."""
    try:
        sessions.end(os.getsid(0))
    finally:
        os._exit(1)


def launcher_arguments(arguments: list[str]) -> list[str]:
    """Return the ``sys.argv`` of ``python -m ipykernel_launcher``."""
    return [ipykernel_launcher.__file__, *arguments]


def _watch_parent(parent_pid: int) -> None:
    """End the kernel when its parent, the chain's process, has ended."""
    while os.getppid() == parent_pid:
        time.sleep(_POLL_SECONDS)
    end_with_children()


def main() -> None:
    """Run a kernel in a new process."""
    if sys.platform != "win32":
        threading.Thread(target=_watch_parent, args=(os.getppid(),), name="parent", daemon=True).start()
    # As in ipykernel_launcher: IPython adds the folder again, after the standard library.
    if sys.path[0] == "" or Path(sys.path[0]) == Path.cwd():
        del sys.path[0]
    sys.argv = launcher_arguments(sys.argv[1:])
    KernelApp.launch_instance()


if __name__ == "__main__":
    main()
