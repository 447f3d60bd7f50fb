"""A systemd user unit that starts an endpoint when the machine starts."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from lib.errors import EndpointError
from lib.paths import ROOT

# This folder exists if systemd runs the machine, see sd_booted(3).
_BOOTED = Path("/run/systemd/system")
_UNIT = """\
[Unit]
Description=Millrace endpoint {name}
After=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
WorkingDirectory={root}
ExecStart={start}
ExecStop={stop}
TimeoutStartSec=300

[Install]
WantedBy=default.target
"""


def enable(folder: Path, name: str) -> Path:
    """Write a unit that starts an endpoint, and enable it.

    Parameters
    ----------
    folder, name : Path, str
        Folder and name of the endpoint.

    Returns
    -------
    Path
        The unit's file.

    Raises
    ------
    EndpointError
        If this machine does not run systemd, or systemd refuses the unit.
    """
    arguments = [sys.executable, "-m", "lib.serving.deploying.restart", str(folder), name]
    if shutil.which("systemctl") is None or not _BOOTED.is_dir():
        raise EndpointError(
            "This machine does not run systemd. Have its own program for services run this command in "
            f"{ROOT}: {' '.join([*arguments, 'start'])}"
        )
    units = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"
    units.mkdir(parents=True, exist_ok=True)
    unit = units / _unit_name(folder, name)
    start, stop = (" ".join(map(_quote, [*arguments, action])) for action in ("start", "stop"))
    text = _UNIT.format(name=name.replace("%", "%%"), root=str(ROOT).replace("%", "%%"), start=start, stop=stop)
    unit.write_text(text, encoding="utf-8")
    for command in (["daemon-reload"], ["enable", unit.name]):
        ran = subprocess.run(["systemctl", "--user", *command], capture_output=True, text=True, check=False)
        if ran.returncode:
            raise EndpointError(
                f"The unit was written to {unit}, but systemctl --user {' '.join(command)} failed: {ran.stderr.strip()}"
            )
    return unit


def _unit_name(folder: Path, name: str) -> str:
    """Return a file name that differs between endpoints of one name in several workspaces."""
    suffix = hashlib.sha256(str(folder).encode()).hexdigest()[:6]
    return f"millrace-{re.sub(r'[^a-zA-Z0-9_-]', '-', name)}-{suffix}.service"


def _quote(word: str) -> str:
    """Quote a word of a command line in a unit, see systemd.syntax(7)."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
