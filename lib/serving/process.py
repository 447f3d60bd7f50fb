"""Processes that outlive their parent: started, identified later, and ended; and the owner of a port."""

from __future__ import annotations

import functools
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

_CODE_SUFFIXES = (".py", ".html", ".js", ".css")
_END_SECONDS = 5  # between the end of a process's connections and the end of the process
_POLL_SECONDS = 0.02


def start(command: Sequence[str], folder: Path, log: Path, variables: Mapping[str, str], files: Sequence[int]) -> int:
    """Start a process in a session of its own, which neither Ctrl-C nor the parent's end reaches.

    Parameters
    ----------
    command : sequence of str
        Command line; visible to every user of the machine.
    folder : Path
        Working directory.
    log : Path
        File to which its output is appended.
    variables : mapping
        Environment variables in addition to this process's.
    files : sequence of int
        File descriptors that it inherits.

    Returns
    -------
    int
        Its process id.
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
    process.returncode = 0  # without it, Popen warns that the process is still running
    return process.pid


def find(pid: int | None, word: str) -> psutil.Process | None:
    """Return the running process with a process id, unless the id now belongs to another process.

    Parameters
    ----------
    pid : int or None
        The process id.
    word : str
        A word of the command line that no other process has, such as the folder of the endpoint. A start time would
        not do, because clocks can be set.
    """
    try:
        process = psutil.Process(pid) if pid else None
        if process is None or process.status() == psutil.STATUS_ZOMBIE or word not in process.cmdline():
            return None
        return process
    except psutil.Error:
        return None


def describe_end(pid: int | None) -> str:
    """Return how a process that this process started has ended; empty if it still runs, or another one started it.

    Examples
    --------
    >>> import sys
    >>> child = subprocess.Popen([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    >>> describe_end(child.pid)
    'killed by SIGKILL'
    """
    deadline = time.monotonic() + _END_SECONDS
    while pid is not None and time.monotonic() < deadline:
        try:
            ended_pid, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            break
        if ended_pid:
            exit_code = os.waitstatus_to_exitcode(status)
            return f"killed by {signal.Signals(-exit_code).name}" if exit_code < 0 else f"exit code {exit_code}"
        time.sleep(_POLL_SECONDS)
    return ""


def end(process: psutil.Process, timeout_seconds: float) -> None:
    """Ask a process to finish what it is doing, and kill it after a timeout."""
    try:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout_seconds)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(5)
    except psutil.NoSuchProcess:
        pass


def port_owner(port: int) -> str:
    """Return name and id of the process that listens on a TCP port, as far as this user may know."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()}, process {connection.pid}"
    except psutil.Error:
        pass
    return "another program"


@functools.cache
def code_digest() -> str:
    """Return the SHA-256 of this package's code, computed once per process.

    A router with another digest runs older or newer code.
    """
    total = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(path for path in folder.rglob("*") if path.suffix in _CODE_SUFFIXES):
        total.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()
