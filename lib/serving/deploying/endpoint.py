"""The local endpoint, whose URL stays the same when the model version changes.

The folder of an endpoint::

    endpoint.json        the state, written by the router
    keys.json            the two keys, readable by the owner only
    endpoint.log         the output of the endpoint's processes; endpoint.log.1 is the log before
    lock, lock.holder    the lock of a process that changes the endpoint, and the name of the process
    deployments/<name>/  a deployed version, with a copy of its model
    requests/day=*/      the request log
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from lib.errors import EndpointError
from lib.invocation import command
from lib.serving import keys, process
from lib.serving.deploying import deployments, router_process
from lib.serving.deploying.control_client import ControlClient
from lib.serving.deploying.exclusive import lock_endpoint
from lib.serving.deploying.listener import open_listener
from lib.serving.deploying.request_log_settings import RequestLogSettings
from lib.serving.deploying.router_process import LOG
from lib.serving.deploying.status import EndpointStatus, describe_restart, leading_version, read_status
from lib.serving.rollout import Rollout

# Longer than the router itself waits for requests in progress.
_STOP_SECONDS = 20


class LocalEndpoint:
    """A real-time endpoint on this machine.

    Parameters
    ----------
    folder : Path
        The endpoint's folder, which the first deployment creates.
    name : str
        Name of the use case.
    """

    def __init__(self, folder: Path, name: str):
        self.folder = Path(folder).resolve()
        self.name = name
        self.log = self.folder / LOG
        self._keys = self.folder / "keys.json"
        self._deployments = self.folder / "deployments"

    def exists(self) -> bool:
        """Return whether a version was ever deployed here."""
        return bool(self._record())

    def deploy(
        self,
        model_folder: Path,
        version: str,
        *,
        model_name: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        check: Callable[[str, str], object] | None = None,
        timeout_seconds: float = 120,
        sha256: str | None = None,
        workers: int = 2,
        rollout: Rollout | None = None,
        request_log: RequestLogSettings | None = None,
        allowed_hosts: Sequence[str] = (),
        about: Mapping[str, str] | None = None,
    ) -> EndpointStatus:
        """Start a model version beside the live version, check the new version, and only then give it traffic.

        If a step fails or is interrupted, the new version is removed. The live version is not affected.

        Parameters
        ----------
        model_folder : Path
            An MLflow model folder; it is copied.
        version : str
            Version of the model, repeated in every answer.
        model_name : str, optional
            Name of the model, repeated in every answer; by default the endpoint's name.
        host, port : str, int
            Address to listen on. Port 0 means the endpoint's latest port if it is free, else any free port.
        check : callable, optional
            Called with the new version's own URL and a key; the deployment fails if it raises.
        timeout_seconds : float
            Time limit of the version's start, and of each request.
        sha256 : str, optional
            The expected SHA-256 of the model folder. If it differs, no code of the model is run.
        workers : int
            Number of worker processes.
        rollout : Rollout, optional
            The new version's share of the traffic and its limits; by default it gets all traffic.
        request_log : RequestLogSettings, optional
            Settings of the request log; by default, requests are not logged.
        allowed_hosts : sequence of str
            Host names by which clients may address the endpoint, besides IP addresses and this machine's own name.
        about : mapping of str to str, optional
            Facts about the model, which the page shows: ``target``, ``metric`` and ``score``.

        Raises
        ------
        EndpointError
            If the port is in use, the version did not start in time, the model is not the expected one or lacks its
            code, or another process holds the endpoint's lock for longer than a deployment may take.
        """
        with self._locked(patience_seconds=2 * timeout_seconds):  # time for a start and a check
            record = self._record()
            router = self._router(record)
            listener = open_listener(host, port, record if router else {}, record)
            folder = deployments.add(Path(model_folder), self._deployments, version, sha256)
            request = {
                "deployment": folder.name,
                "model_name": model_name or self.name,
                "version": version,
                "sha256": sha256,
                "workers": workers,
                "timeout_seconds": timeout_seconds,
                "about": dict(about or {}),
            }
            is_live = False
            try:
                key = keys.create(self._keys)["primary"]
                with router_process.connect(self.folder, self.name, record, router, listener, request) as routers:
                    current = routers.current
                    url = router_process.start_version(current, request, self.log)
                    try:
                        if check is not None:
                            check(url, key)
                        current.command("shift", **dataclasses.asdict(rollout or Rollout()))
                        is_live = True
                    finally:
                        if not is_live:
                            current.command("take_down")
                    if routers.outdated is not None:
                        routers.outdated.command("leave")
                    log_settings = dataclasses.asdict(request_log or RequestLogSettings(on=False))
                    hosts = [host.lower() for host in allowed_hosts]
                    current.command("configure", request_log=log_settings, allowed_hosts=hosts)
            finally:
                if listener is not None:
                    listener.close()
                if not is_live:
                    shutil.rmtree(folder, ignore_errors=True)
            deployments.remove_unused(self._deployments, self._record())
            return self.status()

    def shift(self, percent: float, mirror: float = 0) -> EndpointStatus:
        """Change the traffic of the version that is being rolled out.

        Parameters
        ----------
        percent : float
            Percentage of the requests that the new version answers.
        mirror : float
            Percentage of the other requests of which the new version gets a copy. Its answers to copies are compared
            with the stable version's, and not used.

        Raises
        ------
        EndpointError
            If no version is being rolled out, or the endpoint does not run.
        """
        with self._running_router() as router:
            router.command("shift", percent=percent, mirror=mirror)
        return self.status()

    def roll_back(self) -> EndpointStatus:
        """Give all traffic back to the previous version.

        Raises
        ------
        EndpointError
            If there is no previous version, or the endpoint does not run.
        """
        with self._running_router() as router:
            router.command("roll_back", why="rolled back by hand")
        return self.status()

    def status(self) -> EndpointStatus:
        """Return the current status, as reported by the router if it runs, else from the endpoint's record."""
        record = self._record()
        return read_status(self.name, self.log, record, self._router(record))

    def stop(self) -> EndpointStatus:
        """End all processes after they have answered their requests. A later deployment uses the same port again."""
        with self._locked():
            record = self._record()
            router = self._router(record)
            if router is not None:
                process.end(router, _STOP_SECONDS)
            record = self._record()
            if record:
                self._save({**record, "stopped": True})
            deployments.remove_unused(self._deployments, record)
            return self.status()

    def start(self) -> EndpointStatus:
        """Start an endpoint that was stopped or died, on the same port, with the same keys and settings.

        The version with most of the traffic is started from the endpoint's own copy of the model.

        Raises
        ------
        EndpointError
            If no version was ever deployed, the copy of the model was changed or deleted, or the port is in use.
        """
        with self._locked():
            record = self._record()
            if self._router(record) is not None:
                return self.status()
            request = self._describe_restart(record)
            listener = open_listener(record["host"], record["port"], {}, record)
            assert listener is not None, "no router is running"
            with listener:
                keys.create(self._keys)
                with router_process.connect(self.folder, self.name, record, None, listener, request) as routers:
                    router_process.start_version(routers.current, request, self.log)
                    routers.current.command("shift", percent=100)
                    if record.get("settings"):
                        routers.current.command("configure", **record["settings"], previous=record.get("previous"))
            return self.status()

    def _describe_restart(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of the command that starts the leading version again."""
        if not record:
            raise EndpointError(f"No version of {self.name} was ever deployed here. Run the chain: {command()}")
        leading = leading_version(record)
        if not (self._deployments / str(leading.get("deployment")) / "model").is_dir():
            raise EndpointError(
                f"The endpoint's copy of version {leading.get('version')} is gone. Deploy the version in production "
                f"again: {command('--from', 'deploy')}"
            )
        settings = {"workers": 2, "timeout_seconds": 120, **record.get("pool_settings", {})}
        return {**describe_restart(leading), **settings}

    def logs(self, lines: int = 50) -> str:
        """Return the last lines of the log."""
        if not self.log.exists():
            return ""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def keys(self) -> dict[str, str]:
        """Return the keys by name, ``primary`` and ``secondary``; empty before the first deployment."""
        return keys.read(self._keys) if self._keys.exists() else {}

    def renew_key(self, name: str) -> str:
        """Replace a key and return the new one; a running endpoint refuses the old one when this returns."""
        key = keys.renew(self._keys, name)[name]
        time.sleep(keys.CHECK_SECONDS)  # the router then refuses the old key
        return key

    @contextlib.contextmanager
    def _locked(self, patience_seconds: float = 0) -> Iterator[None]:
        """Prevent other processes from changing the endpoint."""
        with lock_endpoint(self.folder / "lock", self.name, patience_seconds):
            yield

    @contextlib.contextmanager
    def _running_router(self) -> Iterator[ControlClient]:
        """Lock the endpoint and connect to its router, which has to be running."""
        with self._locked():
            record = self._record()
            if self._router(record) is None:
                raise EndpointError(f"The endpoint {self.name} is not running, so its traffic cannot be changed.")
            with ControlClient(record["control"], 120) as router:
                yield router

    def _router(self, record: dict[str, Any]) -> psutil.Process | None:
        """Return the process of the router, if it runs."""
        return process.find(record.get("pid"), str(self.folder))

    def _record(self) -> dict[str, Any]:
        try:
            return json.loads((self.folder / "endpoint.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def _save(self, record: dict[str, Any]) -> None:
        unfinished = self.folder / "endpoint.json.new"
        unfinished.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        unfinished.replace(self.folder / "endpoint.json")
