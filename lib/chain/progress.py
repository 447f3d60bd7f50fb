"""What a person sees while the chain runs: a line for each notebook that has ended, and on a terminal what runs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_TICK_SECONDS = 0.5
_CLEAR_LINE = "\r\x1b[2K"


class Progress:
    """Lines of a run.

    Parameters
    ----------
    total : int
        How many notebooks there will be.
    stream : TextIO
        Where to.
    """

    def __init__(self, total: int, stream: TextIO | None = None):
        self._total = total
        self._done = 0
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._running: dict[str, float] = {}
        self._ticking: threading.Thread | None = None
        self._lock = threading.Lock()

    @contextmanager
    def line(self, label: str) -> Iterator[None]:
        """Show a notebook while it runs, and leave a line with the time it took."""
        started = time.monotonic()
        with self._lock:
            self._running[label] = started
            if self._live and self._ticking is None:
                self._ticking = threading.Thread(target=self._tick, name="progress", daemon=True)
                self._ticking.start()
        mark = "✗"
        try:
            yield
            mark = "✓"
        finally:
            with self._lock:
                del self._running[label]
                self._done += mark == "✓"
                self._write(f"{mark} [{self._done}/{self._total}] {label:<28} {time.monotonic() - started:6.1f} s")

    def say(self, label: str, text: str) -> None:
        """Show a line about a notebook."""
        with self._lock:
            self._write(f"  {label}: {text}")

    def skip(self, label: str, text: str) -> None:
        """Leave a line for a notebook that need not run."""
        with self._lock:
            self._done += 1
            self._write(f"✓ [{self._done}/{self._total}] {label:<28} {text}")

    def _tick(self) -> None:
        while True:
            with self._lock:
                if not self._running:
                    self._ticking = None
                    return
                self._show_running()
            time.sleep(_TICK_SECONDS)

    def _write(self, line: str) -> None:
        self._stream.write(f"{_CLEAR_LINE if self._live else ''}{line}\n")
        if self._live and self._running:
            self._show_running()
        self._stream.flush()

    def _show_running(self) -> None:
        seconds = time.monotonic() - min(self._running.values())
        line = f"… [{self._done}/{self._total}] {', '.join(self._running):<28} {seconds:6.1f} s"
        self._stream.write(f"{_CLEAR_LINE}{line}")
        self._stream.flush()
