"""The process that has loaded a model version, and forks its workers."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import NamedTuple

from lib.forkserver import ForkServer
from lib.scoring.model_folder import ModelError, verify
from lib.serving import model_process

# The router ends a worker that exceeds the time limit. If it does not, the system does so this much later.
_SPARE_SECONDS = 5


class LoadError(Exception):
    """The process of a model version did not start; the message says why."""


class LoadedModel(NamedTuple):
    """What a process tells about the model that it has loaded.

    Attributes
    ----------
    classes : list or None
        The labels of a classifier.
    engine : str
        ``"fast"`` if the fast model predicts, else ``"scikit-learn"`` with the reason.
    can_fork : bool
        Whether the process can fork workers. If not, the process itself is the only worker.
    """

    classes: list | None
    engine: str
    can_fork: bool


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
    timeout_seconds : float
        Time limit of a request.
    log_path : Path
        Log of the process and its workers.
    """

    def __init__(
        self, folder: Path, name: str, version: str, sha256: str | None, timeout_seconds: float, log_path: Path
    ):
        self._folder, self._name, self._version, self._sha256 = folder, name, version, sha256
        self._timeout_seconds, self._log_path = timeout_seconds, log_path
        self.counts_folder = folder.resolve() / "counts"
        self._server: ForkServer | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the process was started and has ended."""
        return self._server is not None and self._server.has_ended

    async def start(self) -> LoadedModel:
        """Verify the model, start the process, and wait until the model is loaded.

        Raises
        ------
        LoadError
            If the folder cannot be served, or the process ended. Its log then states the reason.
        """
        await self.end()  # an earlier process, if it is still running
        model_folder = self._folder / "model"
        try:
            if self._sha256 is not None:
                await asyncio.to_thread(verify, model_folder, self._sha256)
            # Not in a thread: the process ends when the thread that started it ends.
            server = self._server = self._start_process(model_folder)
            ready = await asyncio.to_thread(server.wait_until_ready)
            if ready is None:
                raise LoadError("its process ended during startup")
            model_process.check_protocol(ready.facts)
        except ModelError as error:
            raise LoadError(str(error)) from None
        facts = ready.facts
        engine = facts.get("engine") or facts.get("form", "")  # the code of older models calls it "form"
        return LoadedModel(facts["classes"], engine, ready.can_fork)

    def _start_process(self, model_folder: Path) -> ForkServer:
        self.counts_folder.mkdir(mode=0o700, exist_ok=True)
        return model_process.start(
            model_folder,
            "lib.scoring.worker",
            self._name,
            self._version,
            bytecode=self._folder / "bytecode",
            folder=self._folder,
            log=self._log_path,
            request_seconds=self._timeout_seconds + _SPARE_SECONDS,
            counts_folder=self.counts_folder,
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
        """End the process and its workers."""
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(server.terminate)
