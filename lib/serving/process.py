"""A process that outlives its parent: started, recognised again, ended; and who holds a port."""

from __future__ import annotations

import functools
import hashlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil


def start(command: Sequence[str], folder: Path, log: Path, variables: dict[str, str], files: Sequence[int]) -> int:
    """Start a process in a session of its own, so that neither Ctrl-C nor the parent's end reaches it.

    Parameters
    ----------
    command : sequence of str
        What to run; visible to everybody on the machine.
    folder : Path
        Its working directory.
    log : Path
        Where its output is appended.
    variables : dict
        Laid over this process's environment.
    files : sequence of int
        Descriptors it inherits.

    Returns
    -------
    int
        Its pid.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=files,
        )
    process.returncode = 0  # it is meant to outlive us: without this, Popen warns when it is collected
    return process.pid


def find(pid: int | None, mark: str) -> psutil.Process | None:
    """The living process of that pid if it is the one meant, whatever became of the pid since.

    The mark is a word of its command line that no other process has: the folder of its deployment. Start
    times would do, too, if clocks were never set anew.
    """
    try:
        process = psutil.Process(pid) if pid else None
        if process is None or process.status() == psutil.STATUS_ZOMBIE or mark not in process.cmdline():
            return None
        return process
    except psutil.Error:
        return None


def end(process: psutil.Process, patience_seconds: float) -> None:
    """Ask a process to finish what it is doing; kill it where it takes longer than that."""
    try:
        process.send_signal(signal.SIGTERM)
        process.wait(patience_seconds)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(5)
    except psutil.NoSuchProcess:
        pass


def port_holder(port: int) -> str:
    """Who listens on a TCP port, as far as this user may know."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()}, process {connection.pid}"
    except psutil.Error:
        pass
    return "another program"


@functools.cache
def code_digest() -> str:
    """SHA-256 of this package's code as it was when first asked: tells whether a router runs today's."""
    total = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(one for one in folder.rglob("*") if one.suffix in (".py", ".html", ".js", ".css")):
        total.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()
