"""How many cores there are for us, and work on all of them."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def available() -> int:
    """Cores this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """What a function gives for each item; on columns, which NumPy and Arrow do outside Python's lock."""
    items = list(items)
    if len(items) < 2:  # to start threads takes longer than many a column of a small table
        return [function(one) for one in items]
    with ThreadPoolExecutor(available()) as threads:
        return list(threads.map(function, items))
