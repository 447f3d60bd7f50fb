"""The status of an endpoint."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.errors import EndpointError
from lib.invocation import endpoint_command
from lib.paths import display_path
from lib.serving.deploying.control_client import ControlClient

if TYPE_CHECKING:
    import psutil

RUNNING = "running"
# The keys of a deployed version in the record, enough to start it again.
IDENTITY = ("deployment", "model_name", "version", "sha256")


@dataclass(frozen=True)
class EndpointStatus:
    """The status of an endpoint on any backend.

    Attributes
    ----------
    name : str
        Name of the use case.
    state : str
        The state in words. A local endpoint is ``"running"``, ``"not answering"`` (though its process runs),
        ``"died"``, ``"stopped"`` or ``"never deployed"``.
    url : str
        URL to POST rows to, which stays the same over deployments; empty unless the endpoint is running.
    version : str
        Version of the model with most of the traffic; if the endpoint has stopped, the last such version.
    sha256 : str
        SHA-256 of that version's model folder.
    detail : str
        Further facts for people, such as the process, its start and its log.
    other_version : str
        Description of the second deployed version and its share of the traffic; empty without a second version.
    pid : int or None
        Process id of a local endpoint's router.
    workers : tuple of int
        Process ids of a local endpoint's workers.
    events : tuple of str
        Descriptions of the latest changes of a local endpoint's traffic, newest last.
    """

    name: str
    state: str
    url: str = ""
    version: str = ""
    sha256: str = ""
    detail: str = ""
    other_version: str = ""
    pid: int | None = None
    workers: tuple[int, ...] = ()
    events: tuple[str, ...] = ()


def read_status(name: str, log: Path, record: Mapping[str, Any], router: psutil.Process | None) -> EndpointStatus:
    """Return the status of a local endpoint.

    Parameters
    ----------
    name : str
        Name of the use case.
    log : Path
        Log of the endpoint's processes.
    record : mapping
        Content of ``endpoint.json``; empty if the file does not exist.
    router : psutil.Process or None
        The router's process, if it runs.
    """
    if router is not None:
        with contextlib.suppress(EndpointError), ControlClient(record["control"], 5) as client:
            record = client.command("state")["state"]
    state = _state(record, router is not None)
    leading = leading_version(record)
    other_version = _describe_other_version(record) if record.get("new") else ""
    detail = ""
    if state == RUNNING and router is not None:
        started = f"{datetime.datetime.fromtimestamp(record['started']):%Y-%m-%d %H:%M:%S}"
        facts = (leading.get("engine"), f"process {router.pid}", f"since {started}", f"log {display_path(log)}")
        detail = ", ".join(filter(None, (other_version, *facts, *record.get("trouble", ()))))
    elif state in ("died", "stopped"):
        detail = f"(start it with {endpoint_command('start', name)})"
    return EndpointStatus(
        name=name,
        state=state,
        url=record["url"] if state == RUNNING else "",
        version=leading.get("version") or "",
        sha256=leading.get("sha256") or "",
        detail=detail,
        other_version=other_version,
        pid=router.pid if router else None,
        workers=tuple(pid for role in ("stable", "new") for pid in record.get(role, {}).get("workers", ()) if router),
        events=tuple(record.get("events", ())),
    )


def describe_restart(version: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that start a version of the record again; records of earlier releases have no ``about``."""
    return {**{key: version[key] for key in IDENTITY}, "about": version.get("about", {})}


def leading_version(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the version with most of the traffic."""
    return record["new"] if record.get("new") and record["percent"] >= 50 else record.get("stable", {})


def _state(record: Mapping[str, Any], is_alive: bool) -> str:
    if not record:
        return "never deployed"
    if is_alive:
        return RUNNING if _is_ready(record["url"]) else "not answering"
    return "stopped" if record.get("stopped") else "died"


def _describe_other_version(record: Mapping[str, Any]) -> str:
    stable, new = record["stable"], record["new"]
    percent, mirror, watched = record["percent"], record["mirror"], record["watched"]
    if percent >= 50:
        text = f"version {stable['version']} stands by and gets {100 - percent:g} %"
    else:
        text = f"version {new['version']} is being rolled out and gets {percent:g} %"
    if mirror or watched["mirrored"]:
        text += f"; mirrored {mirror:g} %, {watched['agreed']} of {watched['mirrored']} answers the same"
    return text


def _is_ready(url: str) -> bool:
    import urllib.error
    import urllib.request

    # Without a proxy: a machine's proxy settings are for other machines.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url.removesuffix("/score") + "/ready", timeout=5) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False
