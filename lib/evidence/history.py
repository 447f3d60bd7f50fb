"""The history of a model: which version was in production when, by which run, decided by whom.

It is read from the workspace's ledger, ``manifests.jsonl``, to which each sealed run and each command that changes the
versions in production appends a line with the hash of the line before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.evidence import verifier
from lib.evidence.verifier import LEDGER, MANIFEST, RUN

_RECORD = "run.json"


@dataclass(frozen=True)
class Period:
    """A time during which the same version was in production.

    Attributes
    ----------
    version : str
        Empty if nothing was in production.
    since, until : str
        Times in UTC, ISO 8601; ``until`` is empty for the current version.
    run : str
        The run that decided; empty if a command did.
    decided_by : str
        Who started the run, or the command with its reason and user.
    why : str
        The decision of the run.
    """

    version: str
    since: str
    until: str
    run: str
    decided_by: str
    why: str


def read_history(name: str, workspace: Path, runs_folder: Path) -> list[Period]:
    """Return the periods of a model, oldest first.

    Parameters
    ----------
    name : str
        Name of the use case.
    workspace : Path
        Folder of the ledger.
    runs_folder : Path
        Folder of the runs, whose records say who started them.
    """
    periods: list[Period] = []
    for entry in _read_entries(workspace):
        version = _read_version(entry, name, runs_folder)
        current = periods[-1].version if periods else ""
        if version is None or version == current:
            continue
        if periods:
            periods[-1] = Period(**{**vars(periods[-1]), "until": entry["sealed"]})
        decided_by, why = _read_decision(entry, runs_folder)
        periods.append(Period(version, entry["sealed"], "", str(entry.get("run", "")), decided_by, why))
    return periods


def find_broken_links(workspace: Path) -> list[str]:
    """Return a sentence for each line of the ledger that does not continue the line before; empty if none is."""
    lines, faults = verifier.read_ledger(workspace), []
    for number, line in enumerate(lines, start=1):
        try:
            is_chained = json.loads(line)["previous"] == verifier.hash_line(lines[: number - 1])
        except (ValueError, KeyError, TypeError):
            faults.append(f"Line {number} of {LEDGER} cannot be read: it has changed.")
            continue
        if not is_chained:
            faults.append(f"Line {number} of {LEDGER} does not continue line {number - 1}: one of them has changed.")
    return faults


def _read_entries(workspace: Path) -> Iterator[dict[str, Any]]:
    for line in verifier.read_ledger(workspace):
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # `find_broken_links` names it
        if isinstance(entry, dict) and "sealed" in entry:
            yield entry


def _read_version(entry: Mapping[str, Any], name: str, runs_folder: Path) -> str | None:
    """Return the version in production after an entry; empty if there was none, None if the entry does not say."""
    if "production" in entry:
        # The tag decides; the alias, marked with @, follows it.
        return next((each for each in entry["production"].get(name, []) if not each.startswith("@")), "")
    state = _read_record(entry, runs_folder)
    if state.get("name") != name:
        return None
    facts = [stage["facts"] for stage in state["stages"] if "production" in stage.get("facts", {})]
    return facts[-1]["production"] if facts else None


def _read_decision(entry: Mapping[str, Any], runs_folder: Path) -> tuple[str, str]:
    """Return who decided, and why."""
    if "run" not in entry:
        return str(entry.get("reason", "")), ""
    state = _read_record(entry, runs_folder)
    if not state:
        return "unknown: the run's folder is gone", ""
    origin = state.get("started_by") or {}
    decisions = [stage["outputs"]["decision"] for stage in state["stages"] if "decision" in stage.get("outputs", {})]
    who = f"{origin.get('user', 'unknown')} on {origin.get('host', 'unknown')}"
    if not _is_as_sealed(entry, runs_folder):
        who += f" according to {_RECORD}, which has changed since it was sealed"
    return who, decisions[-1] if decisions else ""


def _read_record(entry: Mapping[str, Any], runs_folder: Path) -> dict[str, Any]:
    file = runs_folder / str(entry.get("run", "")) / _RECORD
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _is_as_sealed(entry: Mapping[str, Any], runs_folder: Path) -> bool:
    """Return whether the record of a run is the one that the entry's manifest was made of."""
    folder = runs_folder / str(entry["run"])
    for file in [folder / MANIFEST, *sorted(folder.glob("manifest-*.json"))]:
        if file.is_file() and verifier.hash_file(file) == entry.get("manifest"):
            is_newest = file.name == MANIFEST
            sealed = json.loads(file.read_bytes())["files"][RUN].get(_RECORD)
            # A run that was resumed was sealed again, so the record of its first attempt is gone.
            return not is_newest or sealed == verifier.hash_file(folder / _RECORD)
    return False
