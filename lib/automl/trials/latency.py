"""How long a model takes to answer one row."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

_TIMES, _MOST_SECONDS = 5, 0.3


def row_milliseconds(answer: Callable[[], object]) -> float:
    """Milliseconds of a call that answers one row: the median of a few."""
    seconds: list[float] = []
    while len(seconds) < _TIMES and sum(seconds) <= _MOST_SECONDS:
        begun = time.perf_counter()
        answer()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds) * 1000
