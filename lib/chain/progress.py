"""Progress of a run in the terminal: a line for each finished notebook, and a live line for the running ones."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_REFRESH_SECONDS = 0.5
_CLEAR_LINE = "\r\x1b[2K"


class Progress:
    """Progress lines of a run.

    Parameters
    ----------
    total : int
        Number of executions.
    stream : TextIO, optional
        By default stderr. The live line appears on terminals only.
    """

    def __init__(self, total: int, stream: TextIO | None = None):
        self._total = total
        self._finished = 0
        self._stream = stream or sys.stderr
        self._is_live = self._stream.isatty()
        self._start_by_label: dict[str, float] = {}  # seconds; running notebooks only
        self._refresher: threading.Thread | None = None
        self._lock = threading.Lock()

    @contextmanager
    def running(self, label: str) -> Iterator[None]:
        """Show a notebook as running inside a ``with`` block; afterwards print its result and duration."""
        started = time.monotonic()
        with self._lock:
            self._start_by_label[label] = started
            if self._is_live and self._refresher is None:
                self._refresher = threading.Thread(target=self._refresh, name="progress", daemon=True)
                self._refresher.start()
        mark = "✗"
        try:
            yield
            mark = "✓"
        finally:
            with self._lock:
                del self._start_by_label[label]
                self._finished += mark == "✓"
                self._write(f"{mark} [{self._finished}/{self._total}] {label:<28} {time.monotonic() - started:6.1f} s")

    def note(self, label: str, text: str) -> None:
        """Print a line about a notebook."""
        with self._lock:
            self._write(f"  {label}: {text}")

    def skip(self, label: str, reason: str) -> None:
        """Print the line of a notebook that is skipped."""
        with self._lock:
            self._finished += 1
            self._write(f"✓ [{self._finished}/{self._total}] {label:<28} {reason}")

    def _refresh(self) -> None:
        """Redraw the live line until no notebook is running; the loop of a thread."""
        while True:
            with self._lock:
                if not self._start_by_label:
                    self._refresher = None
                    return
                self._draw_live_line()
            time.sleep(_REFRESH_SECONDS)

    def _write(self, line: str) -> None:
        self._stream.write(f"{_CLEAR_LINE if self._is_live else ''}{line}\n")
        if self._is_live and self._start_by_label:
            self._draw_live_line()
        self._stream.flush()

    def _draw_live_line(self) -> None:
        seconds = time.monotonic() - min(self._start_by_label.values())
        line = f"… [{self._finished}/{self._total}] {', '.join(self._start_by_label):<28} {seconds:6.1f} s"
        self._stream.write(f"{_CLEAR_LINE}{line}")
        self._stream.flush()
