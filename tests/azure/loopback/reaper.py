"""Kill the child processes of a killed test run.

This program reads process groups from its input, and kills the remaining ones when the input is closed.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

_lock = threading.Lock()
_reaper: subprocess.Popen[str] | None = None


def report(line: str) -> None:
    """Register a process group (``"+123"``) or unregister it (``"-123"``)."""
    global _reaper
    with _lock:
        if _reaper is None:
            command = [sys.executable, "-S", __file__]
            _reaper = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)
        _reaper.stdin.write(f"{line}\n")
        _reaper.stdin.flush()


def main() -> None:
    groups = set()
    for line in sys.stdin:
        (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
