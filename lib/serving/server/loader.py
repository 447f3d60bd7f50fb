"""The process that has loaded a model version, and forks its workers."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

from lib.forkserver import ForkServer
from lib.scoring.model_folder import ModelError, compute_digest
from lib.serving import model_process


class LoadError(Exception):
    """The process of a model version did not start; the message says why."""


class Loader:
    """The process that has loaded one model version, from which its workers are forked.

    Parameters
    ----------
    folder : Path
        The deployment's folder, which contains the folder ``model``.
    name, version : str
        Name and version of the model.
    sha256 : str or None
        The expected digest of the model folder.
    log_path : Path
        Log of the process and its workers.
    """

    def __init__(self, folder: Path, name: str, version: str, sha256: str | None, log_path: Path):
        self._folder, self._name, self._version, self._sha256 = folder, name, version, sha256
        self._log_path = log_path
        self._server: ForkServer | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the process was started and has ended."""
        return self._server is not None and self._server.has_ended

    async def start(self) -> dict[str, Any]:
        """Start the process, and wait until the model is loaded.

        Returns
        -------
        dict
            The facts that `lib.scoring.wire_protocol` describes, and ``forks``: whether the process can fork workers.

        Raises
        ------
        LoadError
            If the folder cannot be served, or the process ended. Its log then states the reason.
        """
        await self.end()  # an earlier process, if it is still running
        try:
            self._server = await asyncio.to_thread(self._start)
            ready = await asyncio.to_thread(self._server.wait_until_ready)
            if ready is None:
                raise LoadError("its process ended during startup")
            model_process.check_protocol(ready.facts)
        except ModelError as error:
            raise LoadError(str(error)) from None
        return {**ready.facts, "forks": ready.forks}

    def _start(self) -> ForkServer:
        model = self._folder / "model"
        if self._sha256 is not None and (actual := compute_digest(model)) != self._sha256:
            raise ModelError(f"the files in {model} have changed: their SHA-256 is {actual}, not {self._sha256}")
        return model_process.start(
            model, "lib.scoring.worker", self._name, self._version, folder=self._folder, log=self._log_path
        )

    def fork(self) -> socket.socket | None:
        """Fork a worker and return the connection to it; None if the process has ended."""
        if self._server is None:
            return None
        try:
            connection, _ = self._server.fork()
        except OSError:
            return None
        connection.setblocking(False)
        return connection

    async def end(self) -> None:
        """End the process; its workers end when their connections are closed."""
        if self._server is not None:
            await asyncio.to_thread(self._server.terminate)
