"""Contracts: the calls of a scenario as a sorted list of method, host, path template and api-version.

If a new SDK makes different calls, the committed contract differs. The number of calls is ignored, because clients
poll.
"""

import os
from pathlib import Path

from .journal import Entry

FOLDER = Path(__file__).parents[1] / "contracts"
# If this variable is set, the contracts are written instead of compared. Review and commit them.
WRITE = "LOOPBACK_WRITE_CONTRACTS"
# Telemetry does not matter, and depends on the duration of a run.
IGNORED_HOSTS = ("services.visualstudio.com", "applicationinsights.azure.com", "monitor.azure.com", "169.254.169.254")


def lines(entries: list[Entry]) -> list[str]:
    """Return the contract lines of calls."""
    contract_lines = set()
    for entry in entries:
        if entry.route and not entry.route.split()[1].endswith(IGNORED_HOSTS):
            contract_lines.add(f"{entry.route} {entry.api_version}".rstrip())
    return sorted(contract_lines, key=lambda line: (line.split()[1:], line))


def differences(entries: list[Entry], scenario: str, folder: Path = FOLDER) -> list[str]:
    """Return the calls that a committed contract lacks (``+``), and those that were not made (``-``).

    Lines that start with ``?`` in the file are optional: these calls depend on the speed of the machine.
    """
    file = folder / f"{scenario}.txt"
    now = lines(entries)
    kept = file.read_text().splitlines() if file.exists() else []
    optional = {line[1:].strip() for line in kept if line.startswith("?")}
    if os.environ.get(WRITE):
        folder.mkdir(exist_ok=True)
        text = "".join(
            f"? {line}\n" if line in optional else f"{line}\n" for line in sorted({*now, *optional}, key=key)
        )
        file.write_text(text)
        return []
    required = {line for line in kept if line and not line.startswith(("#", "?"))}
    added = [f"+ {line}" for line in now if line not in required | optional]
    return added + [f"- {line}" for line in sorted(required - set(now), key=key)]


def key(line: str) -> tuple[list[str], str]:
    return line.split()[1:], line
