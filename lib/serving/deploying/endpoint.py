"""The local endpoint: one URL that stays, and behind it one model version after the other.

On disk::

    endpoint.json        what it is up to, written by its router
    keys.json            the two keys, readable by the owner only
    endpoint.log         what its processes said (and endpoint.log.1 before it)
    lock                 held while somebody deploys, shifts traffic or stops
    deployments/<name>/  one a model version: a copy of the model
    requests/day=*/      what was asked and answered
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lib.errors import EndpointError
from lib.serving import keys, process
from lib.serving.deploying import deployments, lock, routers, status
from lib.serving.deploying.control_client import ControlClient
from lib.serving.deploying.listener import open_listener
from lib.serving.rollout import Rollout

LARGEST_LOG = 5 * 2**20


@dataclasses.dataclass(frozen=True)
class Keeping:
    """What is kept of requests.

    Attributes
    ----------
    on : bool
        Whether anything is.
    columns : tuple of str
        Of the model's columns; empty: all.
    megabytes : float
        What the files may take; beyond it the oldest go.
    """

    on: bool = True
    columns: tuple[str, ...] = ()
    megabytes: float = 500


class LocalEndpoint:
    """A real-time endpoint on this machine.

    Parameters
    ----------
    folder : Path
        Where it keeps everything; made if need be.
    name : str
        For people.
    """

    def __init__(self, folder: Path, name: str):
        self.folder = Path(folder).resolve()
        self.name = name
        self.log = self.folder / routers.LOG
        self._keys = self.folder / "keys.json"
        self._deployments = self.folder / "deployments"

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
        keeping: Keeping | None = None,
    ) -> status.EndpointStatus:
        """Bring a model version up beside the live one, check it there, and only then give it traffic.

        Whatever fails or interrupts this, the new version is gone afterwards and the old one never knew.

        Parameters
        ----------
        model_folder : Path
            An MLflow model folder; it is copied.
        version : str
            Version of the model, said in every answer.
        model_name : str, optional
            Name of the model, said likewise; by default the endpoint's.
        host, port : str, int
            Where to listen; port 0 stands for the port the endpoint had before, or else a free one.
        check : callable, optional
            Called with the new version's own URL and a key; what it raises ends the deployment.
        timeout_seconds : float
            How long the start of the version, and later one request, may take.
        sha256 : str, optional
            What `lib.scoring.model_folder.digest` must say of the model; nothing of it is run otherwise.
        workers : int
            How many processes answer.
        rollout : Rollout, optional
            Its share of the traffic, and the limits it must keep to; by default it gets all.
        keeping : Keeping, optional
            What is kept of requests; by default nothing.

        Raises
        ------
        EndpointError
            The port is taken, the process died or took too long, the model is another one, or somebody
            else has been deploying to this endpoint for longer than a deployment may take.
        """
        with self._alone(patience=2 * timeout_seconds):  # a start, and a check
            record = self._record()
            router = self._router(record)
            listener = open_listener(host, port, record if router else {}, record)
            folder = deployments.copy(Path(model_folder), self._deployments, version, sha256)
            said = {
                "deployment": folder.name,
                "model_name": model_name or self.name,
                "version": version,
                "sha256": sha256,
                "workers": workers,
                "timeout_seconds": timeout_seconds,
            }
            is_live = False
            try:
                key = keys.create(self._keys)["primary"]
                with routers.line_to(self.folder, self.name, record, router, listener, said) as line:
                    url = routers.bring_up(line, said, self.log)
                    try:
                        if check is not None:
                            check(url, key)
                        line.say("shift", **dataclasses.asdict(rollout or Rollout()))
                        is_live = True
                    finally:
                        if not is_live:
                            line.say("take_down")
                    line.say("keep", **dataclasses.asdict(keeping or Keeping(on=False)))
            finally:
                if listener is not None:
                    listener.close()
                if not is_live:
                    shutil.rmtree(folder, ignore_errors=True)
            deployments.remove_unused(self._deployments, self._record())
            return self.status()

    def shift(self, percent: float, mirror: float = 0) -> status.EndpointStatus:
        """Change the share of the version that is on its way in.

        Parameters
        ----------
        percent : float
            Of the requests that it answers.
        mirror : float
            Of the other requests, those that it is asked as well.

        Raises
        ------
        EndpointError
            There is no such version, or the endpoint does not run.
        """
        with self._told() as line:
            line.say("shift", percent=percent, mirror=mirror)
        return self.status()

    def roll_back(self) -> status.EndpointStatus:
        """Give all traffic back to the version before.

        Raises
        ------
        EndpointError
            There is none, or the endpoint does not run.
        """
        with self._told() as line:
            line.say("roll_back", why="rolled back by hand")
        return self.status()

    def status(self) -> status.EndpointStatus:
        """How the endpoint is, asked of the process itself."""
        record = self._record()
        return status.of(self.name, self.log, record, self._router(record))

    def stop(self) -> status.EndpointStatus:
        """End all its processes, after the requests under way; a later deployment takes the same port again."""
        with self._alone():
            record = self._record()
            router = self._router(record)
            if router is not None:
                process.end(router, 15)
            if record:
                self._save({**record, "stopped": True})
            shutil.rmtree(self._deployments, ignore_errors=True)
            return self.status()

    def logs(self, lines: int = 50) -> str:
        """The last lines of its log."""
        if not self.log.exists():
            return ""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def keys(self) -> dict[str, str]:
        """The keys by name, ``primary`` and ``secondary``; empty before the first deployment."""
        return keys.read(self._keys) if self._keys.exists() else {}

    def renew_key(self, name: str) -> str:
        """Replace the key of that name; a running endpoint takes the new one at once and refuses the old."""
        return keys.renew(self._keys, name)[name]

    @contextlib.contextmanager
    def _alone(self, patience: float = 0) -> Iterator[None]:
        with lock.held(self.folder / "lock", self.name, patience):
            if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
                self.log.replace(self.log.with_suffix(".log.1"))
            yield

    @contextlib.contextmanager
    def _told(self) -> Iterator[ControlClient]:
        """Line to the router, for what needs one that runs."""
        with self._alone():
            record = self._record()
            if self._router(record) is None:
                raise EndpointError(f"The endpoint {self.name} does not run, so nothing of its traffic can be changed.")
            with ControlClient(record["control"], 120) as line:
                yield line

    def _router(self, record: dict[str, Any]) -> Any:
        """Its living router."""
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
