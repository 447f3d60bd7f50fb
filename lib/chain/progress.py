"""Progress of a run in the terminal: a line for each finished notebook, and one for the running notebooks."""

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
    execution_count : int
        Number of executions in the run.
    stream : TextIO, optional
        By default stderr. The line for the running notebooks appears on terminals only.
    """

    def __init__(self, execution_count: int, stream: TextIO | None = None):
        self._execution_count = execution_count
        self._finished_count = 0
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._start_by_label: dict[str, float] = {}  # seconds; running notebooks only
        self._refresher: threading.Thread | None = None
        self._lock = threading.Lock()

    @contextmanager
    def running(self, label: str) -> Iterator[None]:
        """Show a notebook as running inside a ``with`` block; afterwards print its result and duration."""
        started = time.monotonic()
        with self._lock:
            self._start_by_label[label] = started
            if self._is_terminal and self._refresher is None:
                self._refresher = threading.Thread(target=self._refresh, name="progress", daemon=True)
                self._refresher.start()
        symbol = "✗"
        try:
            yield
            symbol = "✓"
        finally:
            with self._lock:
                del self._start_by_label[label]
                self._finished_count += symbol == "✓"
                self._write(f"{symbol} {self._format_counts()} {label:<28} {time.monotonic() - started:6.1f} s")

    def note(self, label: str, text: str) -> None:
        """Print a line about a notebook."""
        with self._lock:
            self._write(f"  {label}: {text}")

    def skip(self, label: str, reason: str) -> None:
        """Print the line of a notebook that is skipped."""
        with self._lock:
            self._finished_count += 1
            self._write(f"✓ {self._format_counts()} {label:<28} {reason}")

    def _format_counts(self) -> str:
        """Return the numbers of finished and of all executions: ``[3/8]``."""
        return f"[{self._finished_count}/{self._execution_count}]"

    def _refresh(self) -> None:
        """Redraw the line for the running notebooks twice a second until none is running; the body of a thread."""
        while True:
            with self._lock:
                if not self._start_by_label:
                    self._refresher = None
                    return
                self._draw_running_line()
            time.sleep(_REFRESH_SECONDS)

    def _write(self, line: str) -> None:
        self._stream.write(f"{_CLEAR_LINE if self._is_terminal else ''}{line}\n")
        if self._is_terminal and self._start_by_label:
            self._draw_running_line()
        self._stream.flush()

    def _draw_running_line(self) -> None:
        seconds = time.monotonic() - min(self._start_by_label.values())
        line = f"… {self._format_counts()} {', '.join(self._start_by_label):<28} {seconds:6.1f} s"
        self._stream.write(f"{_CLEAR_LINE}{line}")
        self._stream.flush()
