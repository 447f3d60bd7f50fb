"""A bar for work whose length is known; nothing where there is no terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_WIDTH = 30
_EVERY_SECONDS = 0.1


class Bar:
    """A line that is drawn anew.

    Parameters
    ----------
    unit : str
        Of what is counted.
    stream : TextIO, optional
        Where to; by default stderr.
    """

    def __init__(self, unit: str, stream: TextIO | None = None):
        self._unit, self._stream = unit, stream or sys.stderr
        self._live = self._stream.isatty()
        self._began, self._drawn = time.monotonic(), 0.0

    def show(self, share: float, count: int) -> None:
        """Draw it, unless it was a moment ago."""
        now = time.monotonic()
        if self._live and (now - self._drawn > _EVERY_SECONDS or share >= 1):
            self._drawn = now
            full = round(_WIDTH * min(1.0, share))
            speed = count / max(now - self._began, 1e-9)
            bar = "█" * full + "░" * (_WIDTH - full)
            self._stream.write(f"\r\x1b[2K{bar} {share:4.0%}  {count:,} {self._unit}  {speed:,.0f}/s")
            self._stream.flush()

    def end(self) -> None:
        """Leave the line as it is."""
        if self._live:
            self._stream.write("\n")
