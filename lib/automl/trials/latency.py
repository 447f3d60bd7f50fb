"""Measurement of a model's latency."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

_MAX_CALLS, _MAX_SECONDS = 5, 0.3


def measure_row_ms(predict_row: Callable[[], object]) -> float:
    """Return the median duration, in milliseconds, of up to five calls that predict one row.

    Examples
    --------
    >>> 1 < measure_row_ms(lambda: time.sleep(0.002)) < 1000
    True
    """
    seconds: list[float] = []
    while len(seconds) < _MAX_CALLS and sum(seconds) <= _MAX_SECONDS:
        started = time.perf_counter()
        predict_row()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1000
