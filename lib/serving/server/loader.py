"""The process that has loaded a model version, as the router starts it and speaks to it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.paths import ROOT


class PoolFailed(Exception):
    """The process of a model version did not come up; the message says why."""


class Loader:
    """One process of `lib.scoring.worker`; it forks a worker for each socket that it is sent.

    Parameters
    ----------
    folder : Path
        Of the deployment; holds the folder ``model``.
    arguments : sequence of str
        What else the process is told.
    log_path : Path
        Where it and its workers write.
    """

    def __init__(self, folder: Path, arguments: Sequence[str], log_path: Path):
        self._folder, self._arguments, self._log_path = folder, arguments, log_path
        self._channel: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the process was started and is gone."""
        return self._process is not None and self._process.returncode is not None

    async def start(self) -> dict[str, Any]:
        """Start the process, and wait until the model is loaded.

        Returns
        -------
        dict
            ``classes``, ``form``, and ``forks``: whether it takes more than one socket.

        Raises
        ------
        PoolFailed
            Where it ended before; the log says why.
        """
        self._hang_up()
        self._channel, theirs = socket.socketpair()
        self._channel.setblocking(False)
        command = [sys.executable, "-m", "lib.scoring.worker", str(self._folder), *self._arguments]
        # A row at a time is too little work to share among threads; and a process with threads cannot be forked.
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        # pandas imports Arrow, and its allocator starts one.
        threads["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
        with theirs, self._log_path.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                "--channel",
                str(theirs.fileno()),
                cwd=self._folder,
                env={**os.environ, **threads, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
            )
        line = await asyncio.get_running_loop().sock_recv(self._channel, 2**20)
        if not line:
            raise PoolFailed("its process ended while it started")
        return json.loads(line)

    def fork(self) -> socket.socket | None:
        """Socket of a new worker, which may yet have to come up; None where the process is gone."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._channel, [b"w"], [theirs.fileno()])
            except OSError:
                ours.close()
                return None
        ours.setblocking(False)
        return ours

    async def end(self) -> None:
        """End the process; its workers end as their sockets are closed."""
        self._hang_up()
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    def _hang_up(self) -> None:
        if self._channel is not None:
            self._channel.close()
