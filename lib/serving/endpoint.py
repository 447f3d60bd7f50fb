"""The local endpoint: one URL that stays, and behind it one model version after the other.

On disk::

    endpoint.json        what is live: deployment, pid, URL, model version
    keys.json            the two keys, readable by the owner only
    endpoint.log         what its processes said (and endpoint.log.1 before it)
    lock                 held while somebody deploys or stops
    deployments/<name>/  one a deployment: the model, the pid
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lib.errors import EndpointError
from lib.serving import keys
from lib.serving.deployment import Deployment
from lib.serving.listener import open_listener

LARGEST_LOG = 5 * 2**20


@dataclasses.dataclass(frozen=True)
class EndpointStatus:
    """How an endpoint is.

    Attributes
    ----------
    name : str
        Of the endpoint.
    state : str
        ``"running"``, ``"not answering"`` (its process lives), ``"died"``, ``"stopped"`` or ``"never deployed"``.
    url : str or None
        To POST rows to. It stays the same over deployments.
    model_name, version : str or None
        What is live, or was.
    sha256 : str or None
        What the deployer said the model's digest must be.
    pid : int or None
        Of the live process.
    started : float or None
        When that went live, in seconds since 1970.
    log : Path
        Where its processes write.
    """

    name: str
    state: str
    url: str | None
    model_name: str | None
    version: str | None
    sha256: str | None
    pid: int | None
    started: float | None
    log: Path


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
        self.log = self.folder / "endpoint.log"
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
        check: Callable[[str, str], None] | None = None,
        timeout_seconds: float = 120,
        sha256: str | None = None,
    ) -> EndpointStatus:
        """Bring a model version up beside the live one, check it there, and only then give it the traffic.

        Whatever fails or interrupts this, the new process is gone afterwards and the old one never knew.

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
            Called with the new version's private URL and a key; what it raises ends the deployment.
        timeout_seconds : float
            How long the start of the process may take.
        sha256 : str, optional
            What `lib.serving.model_folder.digest` must say of the model; nothing of it is run otherwise.

        Raises
        ------
        EndpointError
            The port is taken, the process died or took too long, the model is another one, or somebody
            else is deploying to this endpoint.
        """
        with self._alone():
            record = self._record()
            live = self._live(record)
            self._sweep(live)
            listener = open_listener(host, port, record if live else {}, record)
            new = Deployment.create(self._deployments, Path(model_folder), version, sha256)
            served_as = model_name or self.name
            is_public = False
            try:
                key = keys.create(self._keys)["primary"]
                new.start(served_as, version, sha256, self._keys, self.log, timeout_seconds)
                if check is not None:
                    check(f"http://127.0.0.1:{new.private_port}/score", key)
                is_public = True
                new.go_live(listener, live)
                new.keep()
                address = listener.getsockname()[:2] if listener else (record["host"], record["port"])
                self._write(new, served_as, version, sha256, *address)
            finally:
                if listener is not None:
                    listener.close()
                # Whichever of the two is on record now stays, and the other goes.
                if self._record().get("deployment") != new.folder.name:
                    # It may hold requests by now, and then ends after them; else at once.
                    new.leave() if is_public else new.end()
                    new.remove()
                elif live is not None:
                    live.leave()
            return self.status()

    def status(self) -> EndpointStatus:
        """How the endpoint is, asked of the process itself."""
        record = self._record()
        live = self._live(record)
        if not record:
            state = "never deployed"
        elif live is not None:
            state = "running" if _answers(record) else "not answering"
        else:
            state = "stopped" if record.get("stopped") else "died"
        known = {key: record.get(key) for key in ("url", "model_name", "version", "sha256", "started")}
        return EndpointStatus(name=self.name, state=state, pid=record["pid"] if live else None, log=self.log, **known)

    def stop(self) -> EndpointStatus:
        """End all its processes, after the requests under way; a later deployment takes the same port again."""
        with self._alone():
            for deployment in self._all():
                deployment.end()
                deployment.remove()
            record = self._record()
            if record:
                self._save({**record, "stopped": True})
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
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / "lock").open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise EndpointError(
                    f"Process {lock.read().strip() or 'unknown'} is deploying to the endpoint {self.name} or stopping "
                    "it right now. Wait for it to finish and try again."
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
                self.log.replace(self.log.with_suffix(".log.1"))
            yield

    def _all(self) -> list[Deployment]:
        return [Deployment(path) for path in sorted(self._deployments.glob("*")) if path.is_dir()]

    def _live(self, record: dict[str, Any]) -> Deployment | None:
        if not record:
            return None
        deployment = Deployment(self._deployments / record["deployment"])
        return deployment if deployment.process else None

    def _sweep(self, live: Deployment | None) -> None:
        """What earlier deployments left behind: predecessors that have left, or never were told to."""
        for deployment in self._all():
            if live is None or deployment.folder != live.folder:
                deployment.leave()
                if deployment.process is None:
                    deployment.remove()

    def _record(self) -> dict[str, Any]:
        try:
            return json.loads((self.folder / "endpoint.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}

    def _write(self, live: Deployment, model_name: str, version: str, sha256: str | None, host: str, port: int) -> None:
        found = live.process
        if found is None:
            raise EndpointError(
                f"Version {version} ended right after it went live. The end of its log:\n{self.logs(15)}"
            )
        reached = (
            "127.0.0.1" if host == "0.0.0.0" else "[::1]" if host == "::" else f"[{host}]" if ":" in host else host
        )
        self._save(
            {
                "name": self.name,
                "deployment": live.folder.name,
                "model_name": model_name,
                "version": version,
                "sha256": sha256,
                "pid": found.pid,
                "host": host,
                "port": port,
                "url": f"http://{reached}:{port}/score",
                "started": time.time(),
            }
        )

    def _save(self, record: dict[str, Any]) -> None:
        unfinished = self.folder / "endpoint.json.new"
        unfinished.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        unfinished.replace(self.folder / "endpoint.json")


def _answers(record: dict[str, Any]) -> bool:
    # No proxy: a machine's proxy settings are for other machines.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(record["url"].removesuffix("/score") + "/ready", timeout=5) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False
