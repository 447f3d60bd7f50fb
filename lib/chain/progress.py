"""What a person sees while the chain runs: a line a stage, with its time; nothing where there is no terminal."""

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
    steps : int
        How many there will be.
    stream : TextIO
        Where to; what is no terminal gets nothing.
    """

    def __init__(self, steps: int, stream: TextIO = sys.stderr):
        self._steps = steps
        self._done = 0
        self._stream = stream
        self._live = stream.isatty()

    @contextmanager
    def step(self, label: str) -> Iterator[None]:
        """Show a step while it runs, and leave its line with the time it took."""
        if not self._live:
            yield
            return
        self._done += 1
        started, ended = time.monotonic(), threading.Event()

        def show(mark: str, end: str = "") -> None:
            line = f"{mark} [{self._done}/{self._steps}] {label:<28} {time.monotonic() - started:6.1f} s"
            self._stream.write(f"{_CLEAR_LINE}{line}{end}")
            self._stream.flush()

        def tick() -> None:
            while not ended.wait(_TICK_SECONDS):
                show("…")

        show("…")
        ticking = threading.Thread(target=tick, daemon=True)
        ticking.start()
        mark = "✗"
        try:
            yield
            mark = "✓"
        finally:
            ended.set()
            ticking.join()
            show(mark, end="\n")
