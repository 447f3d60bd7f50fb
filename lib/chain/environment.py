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
    """Treat SIGTERM and SIGHUP like Ctrl-C and let kernels find ``lib`` from any folder, inside a ``with`` block.

    A terminal that is closed sends SIGHUP, except to programs that were started with ``nohup``, which ignore the
    signal. SIGINT is set as well: shells start background jobs with SIGINT ignored.
    """

    def interrupt(signum: int, frame: Any) -> None:
        raise KeyboardInterrupt

    signals = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    handlers = {signum: signal.signal(signum, interrupt) for signum in signals}
    path = os.environ.get("PYTHONPATH", "")
    if str(ROOT) not in path.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), path]))
    try:
        yield
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
