"""The environment of the chain's process and its kernels: signals, the module search path, and IPython's folder."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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
        with _writable_ipython_folder():
            yield
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)


@contextmanager
def _writable_ipython_folder() -> Iterator[None]:
    """Let kernels use a temporary folder inside a ``with`` block if they cannot write into IPython's own folder.

    A kernel does not start without its profile folder. The home folder may be missing, read-only or full.
    """
    folder = Path(os.environ.get("IPYTHONDIR") or os.path.expanduser("~/.ipython"))
    try:
        (folder / "profile_default").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder / "profile_default") as file:
            file.write(b"IPython writes as little")
    except OSError:
        pass
    else:
        yield
        return
    previous = os.environ.get("IPYTHONDIR")
    with tempfile.TemporaryDirectory(prefix="ipython-", ignore_cleanup_errors=True) as temporary_folder:
        os.environ["IPYTHONDIR"] = temporary_folder
        try:
            yield
        finally:
            del os.environ["IPYTHONDIR"]
            if previous is not None:
                os.environ["IPYTHONDIR"] = previous
