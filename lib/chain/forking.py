"""Kernels forked from one process that has imported what notebooks need.

A cold kernel imports MLflow, scikit-learn and scrapbook before it does anything, which takes longer than most
stages. Here multiprocessing's fork server imports them once, without starting a thread or opening a file, and each
kernel is a fork of it. `ForkProvisioner` is a kernel provisioner as jupyter_client knows them
(https://jupyter-client.readthedocs.io/en/stable/provisioning.html); what it cannot fork it starts as usual.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
from typing import Any

from jupyter_client.provisioning import LocalProvisioner

NAME = "millrace-fork"

# What every notebook of the chain imports sooner or later, and the kernel's own modules.
PRELOAD = (
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "lib.backends.local.backend",
    "lib.backends.tracking",
    "lib.pipelines.base",
    "lib.serving.model_folder",
    "mlflow.sklearn",
    "mlflow.store.tracking.sqlalchemy_store",
    "scrapbook",
    "sklearn.ensemble",
    "sklearn.inspection",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "xgboost",
)


def available() -> bool:
    """Whether kernels can be forked here; macOS forks, but its own frameworks do not survive it."""
    return sys.platform.startswith("linux")


def preload() -> None:
    """Start the process that kernels are forked from; it imports while the caller goes on."""
    from multiprocessing import forkserver

    _context().set_forkserver_preload(list(PRELOAD))
    forkserver.ensure_running()


def register(fork: bool) -> None:
    """Make the provisioner known to jupyter_client, and the one that kernels get unless they ask for another."""
    from importlib.metadata import EntryPoint

    from jupyter_client.provisioning import KernelProvisionerFactory

    factory = KernelProvisionerFactory.instance()
    factory.provisioners[NAME] = EntryPoint(NAME, f"{__name__}:{ForkProvisioner.__name__}", factory.GROUP_NAME)
    factory.default_provisioner_name = NAME if fork else "local-provisioner"


def is_registered() -> bool:
    """Whether kernels are forked now."""
    from jupyter_client.provisioning import KernelProvisionerFactory

    return KernelProvisionerFactory.instance().default_provisioner_name == NAME


class ForkProvisioner(LocalProvisioner):
    """Forks a Python kernel of this environment; any other kernel is started by `LocalProvisioner`."""

    process: Any

    async def launch_kernel(self, cmd: list[str], **options: Any) -> dict[str, Any]:
        """Start the kernel whose connection file `cmd` names."""
        if not available() or cmd[1:3] != ["-m", "ipykernel_launcher"] or not _is_this_python(cmd[0]):
            return await super().launch_kernel(cmd, **options)
        environment = dict(options.get("env") or os.environ)
        process = _context().Process(target=_kernel, args=(cmd[3:], options.get("cwd"), environment), daemon=False)
        process.start()
        self.process = _Popen(process)
        self.pid, self.pgid = process.pid, process.pid  # it makes a group of its own
        return self.connection_info

    async def wait(self) -> int | None:
        """Wait for the kernel's end."""
        if not isinstance(self.process, _Popen):
            return await super().wait()
        while self.process.poll() is None:
            await asyncio.sleep(0.02)
        code, self.process = self.process.poll(), None
        return code


class _Popen:
    """A multiprocessing process with the methods of a `subprocess.Popen` that provisioners call."""

    def __init__(self, process: Any):
        self._process = process
        self.pid = process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def _kernel(arguments: list[str], folder: str | None, environment: dict[str, str]) -> None:
    """Be a kernel: the body of the forked process."""
    os.setsid()
    # A terminal's Ctrl-C is for the chain, which passes it on; a fork server ignores it, and so did this process.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder or os.getcwd())
    sys.argv = ["ipykernel_launcher", *arguments]
    sys.path.insert(0, "")
    import numpy as np
    from ipykernel.kernelapp import IPKernelApp

    np.random.seed()  # else every kernel would draw the same numbers: it was seeded before the fork
    threading.Thread(target=_end_with_the_chain, name="chain", daemon=True).start()
    IPKernelApp.launch_instance(argv=arguments)


def _end_with_the_chain() -> None:
    """End the kernel when the chain's process ends, however it does.

    ipykernel looks at its parent. That is the fork server here, which lives for as long as a kernel of it does.
    """
    multiprocessing.parent_process().join()
    os._exit(1)


def _is_this_python(program: str) -> bool:
    return program in (sys.executable, "python", "python3")


def _context() -> Any:
    return multiprocessing.get_context("forkserver")
