"""The process that has loaded a model version, and forks its workers."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

from lib.forkserver import ForkServer
from lib.scoring.model_folder import ModelError, digest
from lib.serving import model_process


class LoadError(Exception):
    """The process of a model version did not start; the message says why."""


class Loader:
    """The process of one model version, as the router sees it.

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
            ``classes`` and ``form`` of the model, and ``can_fork``: whether the process can have several workers.

        Raises
        ------
        LoadError
            If the folder cannot be served, or the process ended, in which case its log says why.
        """
        await self.end()  # of an earlier process, if it has not ended
        try:
            self._server = await asyncio.to_thread(self._start)
            ready = await asyncio.to_thread(self._server.wait_until_ready)
            if ready is None:
                raise LoadError("its process ended during startup")
            model_process.check_protocol(ready.facts)
        except ModelError as error:
            raise LoadError(str(error)) from None
        return {**ready.facts, "can_fork": ready.can_fork}

    def _start(self) -> ForkServer:
        model = self._folder / "model"
        if self._sha256 is not None and (actual := digest(model)) != self._sha256:
            raise ModelError(f"the files in {model} have changed: their SHA-256 is {actual}, not {self._sha256}")
        return model_process.start(
            model, "lib.scoring.worker", self._name, self._version, folder=self._folder, log=self._log_path
        )

    def fork(self) -> socket.socket | None:
        """Return the connection to a new worker, which may still be starting; None if the process has ended."""
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
