"""The environment of the chain's process and its kernels: signals and the module search path."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lib.paths import ROOT


@contextmanager
def chain_environment() -> Iterator[None]:
    """In a ``with`` block, treat SIGTERM like Ctrl-C, and let kernels import ``lib`` from any folder.

    SIGINT gets a handler too, because shells start background jobs with SIGINT ignored.
    """

    def interrupt(signum: int, frame: Any) -> None:
        raise KeyboardInterrupt

    handlers = {signum: signal.signal(signum, interrupt) for signum in (signal.SIGINT, signal.SIGTERM)}
    path = os.environ.get("PYTHONPATH", "")
    if str(ROOT) not in path.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), path]))
    try:
        yield
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
