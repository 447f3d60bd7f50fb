"""How many cores there are for us, and work on all of them."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item, Result = TypeVar("Item"), TypeVar("Result")


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


def ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """Each item with what a function gives for it; the next items are made meanwhile, and few are there at a time."""
    with ThreadPoolExecutor(available()) as threads:
        waiting = deque()
        for item in items:
            waiting.append((item, threads.submit(function, item)))
            if len(waiting) > 2 * available():
                first, given = waiting.popleft()
                yield first, given.result()
        for item, given in waiting:
            yield item, given.result()
