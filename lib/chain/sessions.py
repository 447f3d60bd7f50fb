"""Sessions of processes: a kernel leads one, and the processes that it starts belong to it.

A process leaves its session only by calling ``setsid``, as the endpoint does, which has to outlive its kernel.
"""

from __future__ import annotations

import os
import signal
import sys
import time

_TERMINATION_SECONDS = 3
_POLL_SECONDS = 0.02


def end(session_id: int) -> None:
    """End all processes of a session except this one: first with SIGTERM, after a grace period with SIGKILL.

    Parameters
    ----------
    session_id : int
        Process id of the session's leader, which may have ended.
    """
    members = find_members(session_id)
    _send(members, signal.SIGTERM)
    deadline = time.monotonic() + _TERMINATION_SECONDS
    while members and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        members = find_members(session_id)
    while members:  # a process may start another one while it is being killed
        _send(members, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
        members = find_members(session_id)


def find_members(session_id: int) -> list[int]:
    """Return the ids of the processes of a session, except this process and zombies."""
    if not hasattr(os, "getsid"):  # on Windows
        return []
    return [pid for pid in _list_pids() if pid != os.getpid() and _is_running_in(pid, session_id)]


def _is_running_in(pid: int, session_id: int) -> bool:
    try:
        return os.getsid(pid) == session_id and not _is_zombie(pid)
    except OSError:  # the process has ended, or belongs to another user
        return False


def _is_zombie(pid: int) -> bool:
    """Return whether a process has ended, and its parent has not yet collected the exit code."""
    if not sys.platform.startswith("linux"):
        import psutil

        try:
            return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True
    with open(f"/proc/{pid}/stat", "rb") as file:
        # The state follows the name, which is in parentheses and may contain any character.
        return file.read().rpartition(b")")[2].split()[0] == b"Z"


def _list_pids() -> list[int]:
    if sys.platform.startswith("linux"):
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    import psutil

    return list(psutil.pids())


def _send(pids: list[int], signum: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, signum)
        except OSError:  # the process has ended, or belongs to another user
            continue
