"""What the clients of a scenario call: a sorted list of method, host, path template and api-version, in git.

A new SDK that asks for something else shows as a diff. How often a call is made is not part of it: clients poll.
"""

import os
from pathlib import Path

from .journal import Entry

FOLDER = Path(__file__).parents[1] / "contracts"
# Set to write the contracts anew, to be read and committed.
WRITE = "LOOPBACK_WRITE_CONTRACTS"
# What the SDKs tell Application Insights decides nothing, and depends on how long a run takes.
IGNORED_HOSTS = ("services.visualstudio.com", "applicationinsights.azure.com", "monitor.azure.com", "169.254.169.254")


def lines(entries: list[Entry]) -> list[str]:
    """The contract that these calls keep."""
    found = set()
    for entry in entries:
        if entry.route and not entry.route.split()[1].endswith(IGNORED_HOSTS):
            found.add(f"{entry.route} {entry.api_version}".rstrip())
    return sorted(found, key=lambda line: (line.split()[1:], line))


def differences(entries: list[Entry], scenario: str, folder: Path = FOLDER) -> list[str]:
    """What the calls of a scenario add to its committed contract (``+``) and no longer ask for (``-``).

    A line that starts with ``?`` in the file may be there or not: a call that depends on how fast the machine is.
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
