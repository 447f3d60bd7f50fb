"""How an endpoint is, from what its router wrote down and what it says."""

from __future__ import annotations

import contextlib
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from lib.errors import EndpointError
from lib.serving.deploying.control_client import ControlClient

# What tells one deployed version from another.
IDENTITY = ("deployment", "model_name", "version", "sha256")


@dataclass(frozen=True)
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
        Which has most of the traffic, or had.
    sha256 : str or None
        What the deployer said that model's digest must be.
    form : str or None
        How that model is served: ``"compiled"``, or ``"plain"`` and why.
    pid : int or None
        Of the router.
    started : float or None
        When that began, in seconds since 1970.
    beside : str
        Which other version is there, and who gets what; empty where there is none.
    workers : tuple of int
        Ids of the processes that answer.
    kept : dict
        How many requests were handed on to be kept, and how many were dropped.
    events : tuple of str
        What happened to the traffic, newest last.
    log : Path
        Where its processes write.
    """

    name: str
    state: str
    url: str | None
    model_name: str | None
    version: str | None
    sha256: str | None
    form: str | None
    pid: int | None
    started: float | None
    beside: str
    workers: tuple[int, ...]
    kept: dict[str, int]
    events: tuple[str, ...]
    log: Path


def of(name: str, log: Path, record: dict[str, Any], router: psutil.Process | None) -> EndpointStatus:
    """Status of an endpoint.

    Parameters
    ----------
    name, log
        Of the endpoint.
    record : dict
        What stands in ``endpoint.json``; empty where there is none.
    router : psutil.Process or None
        Its living router.
    """
    if router is not None:
        with contextlib.suppress(EndpointError), ControlClient(record["control"], 5) as line:
            record = line.say("state")["state"]
    if not record:
        state = "never deployed"
    elif router is not None:
        state = "running" if _answers(record) else "not answering"
    else:
        state = "stopped" if record.get("stopped") else "died"
    first = leading(record)
    return EndpointStatus(
        name=name,
        state=state,
        url=record.get("url"),
        **{key: first.get(key) for key in ("model_name", "version", "sha256", "form")},
        pid=router.pid if router else None,
        started=record.get("started"),
        beside=_beside(record) if record.get("new") else "",
        workers=tuple(pid for role in ("stable", "new") for pid in record.get(role, {}).get("workers", ()) if router),
        kept=record.get("request_log", {}),
        events=tuple(record.get("events", ())),
        log=log,
    )


def leading(record: dict[str, Any]) -> dict[str, Any]:
    """The version with most of the traffic."""
    return record["new"] if record.get("new") and record["percent"] >= 50 else record.get("stable", {})


def _beside(record: dict[str, Any]) -> str:
    stable, new = record["stable"], record["new"]
    percent, mirror, watched = record["percent"], record["mirror"], record["watched"]
    if percent >= 50:
        text = f"version {stable['version']} stands by and gets {100 - percent:g} %"
    else:
        text = f"version {new['version']} on its way in gets {percent:g} %"
    if mirror or watched["mirrored"]:
        text += f"; mirrored {mirror:g} %, {watched['agreed']} of {watched['mirrored']} answers the same"
    return text


def _answers(record: dict[str, Any]) -> bool:
    # No proxy: a machine's proxy settings are for other machines.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(record["url"].removesuffix("/score") + "/ready", timeout=5) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False
