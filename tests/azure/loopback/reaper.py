"""Ends what a killed test run could not: reads process groups from its input, and kills those left when that closes."""

import contextlib
import os
import signal
import subprocess
import sys
import threading

_lock = threading.Lock()
_reaper: subprocess.Popen[str] | None = None


def tell(line: str) -> None:
    """Note a group (``"+123"``) or forget it (``"-123"``)."""
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
