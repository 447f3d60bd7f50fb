"""One deployment of an endpoint, seen from outside: its folder, its process, and the talk between the two."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import psutil

import lib
from lib.errors import EndpointError
from lib.serving import process
from lib.serving.model_folder import NOT_HASHED, digest, find

ROOT = Path(lib.__file__).parents[1]


class Deployment:
    """A model version in a process of its own.

    Parameters
    ----------
    folder : Path
        ``<endpoint>/deployments/<name>``: the copy of the model, and ``process.json``.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.private_port: int | None = None
        self._channel: socket.socket | None = None

    @classmethod
    def create(cls, parent: Path, model_folder: Path, version: str, sha256: str | None) -> Deployment:
        """Copy a model into a new folder, and check the copy.

        The copy is what gets served, so nobody can change the model between the check and the loading, and
        the endpoint lives on when the original is deleted.
        """
        name = re.sub(r"[^\w.-]", "-", version)[:40]
        deployment = cls(parent / f"{name}-{secrets.token_hex(4)}")
        deployment.folder.mkdir(parents=True, mode=0o700)
        try:
            shutil.copytree(find(model_folder), deployment.model, ignore=shutil.ignore_patterns(*NOT_HASHED))
            found = digest(deployment.model)
            if sha256 is not None and found != sha256:
                raise EndpointError(
                    f"Version {version} was not deployed: the model in {model_folder} is not the one that was "
                    f"registered (its SHA-256 is {found}, the registry says {sha256}). Register the model again."
                )
        except BaseException:
            deployment.remove()
            raise
        return deployment

    @property
    def model(self) -> Path:
        """The folder of the model."""
        return self.folder / "model"

    @property
    def process(self) -> psutil.Process | None:
        """Its process, while it lives."""
        try:
            pid = json.loads((self.folder / "process.json").read_text())["pid"]
        except (OSError, ValueError, KeyError):
            return None
        return process.find(pid, str(self.folder))

    def start(self, name: str, version: str, sha256: str | None, keys: Path, log: Path, timeout_seconds: float) -> None:
        """Start the process and wait until it answers on its private port.

        Raises
        ------
        EndpointError
            With the last lines of its log, where it does not.
        """
        ours, theirs = socket.socketpair()
        self._channel = ours
        beginning = log.stat().st_size if log.exists() else 0
        command = [sys.executable, "-m", "lib.serving.server", str(self.folder), "--name", name, "--version", version]
        command += ["--keys", str(keys), "--channel", str(theirs.fileno())] + (["--sha256", sha256] if sha256 else [])
        # A row at a time is too little work to share among threads; see scorer._use_one_thread.
        variables = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
        with theirs:
            pid = process.start(command, self.folder, log, variables, [theirs.fileno()])
        (self.folder / "process.json").write_text(json.dumps({"pid": pid, "started": time.time()}))
        try:
            self.private_port = self._hear(timeout_seconds)["port"]
        except TimeoutError:
            raise EndpointError(
                f"Version {version} did not answer within {timeout_seconds:g} seconds. Its log: {log}"
            ) from None
        except EOFError:
            with log.open("rb") as file:
                file.seek(beginning)
                tail = file.read().decode("utf-8", "replace").strip().splitlines()[-15:]
            raise EndpointError(
                "\n  ".join([f"Version {version} ended while it started. The end of {log}:", *tail])
            ) from None

    def go_live(self, listener: socket.socket | None, predecessor: Deployment | None) -> None:
        """Let it answer on the public port: on a new listener, or on the predecessor's."""
        try:
            if listener is not None:
                socket.send_fds(self._channel, [b'{"live": null}\n'], [listener.fileno()])
            else:
                assert predecessor is not None
                self._say({"live": f"../{predecessor.folder.name}/listener"})
            answer = self._hear(30)
        except (OSError, EOFError) as error:
            raise EndpointError(
                f"The new version ended, or did not answer, when it was to go live: {error!r}"
            ) from error
        if not answer.get("live"):
            raise EndpointError(f"The new version could not go live: {answer.get('why')}")

    def keep(self) -> None:
        """Let it stay when this program ends."""
        self._say({"keep": True})
        self._hang_up()

    def leave(self) -> None:
        """Let it end once its clients have moved to the successor; returns at once."""
        self._hang_up()
        found = self.process
        if found is not None:
            found.send_signal(signal.SIGUSR1)

    def end(self, patience_seconds: float = 10) -> None:
        """End its process, after the requests under way."""
        self._hang_up()
        found = self.process
        if found is not None:
            process.end(found, patience_seconds)

    def remove(self) -> None:
        """Delete its folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _hang_up(self) -> None:
        """Close the channel, on which a process that was never told to stay ends by itself."""
        if self._channel is not None:
            self._channel.close()

    def _say(self, message: dict[str, Any]) -> None:
        assert self._channel is not None
        self._channel.sendall(json.dumps(message).encode() + b"\n")

    def _hear(self, timeout_seconds: float) -> dict[str, Any]:
        assert self._channel is not None
        self._channel.settimeout(timeout_seconds)
        line = self._channel.recv(4096)
        if not line:
            raise EOFError("its process ended")
        return json.loads(line)
