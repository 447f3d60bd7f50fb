"""One change of an endpoint at a time, across processes."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from lib.errors import EndpointError


@contextlib.contextmanager
def exclusive(path: Path, endpoint: str, patience_seconds: float = 0) -> Iterator[None]:
    """Hold the lock of an endpoint; the system releases it however the process ends.

    Parameters
    ----------
    path : Path
        The lock file. A file beside it names the process that holds the lock.
    endpoint : str
        Name of the endpoint, for the message.
    patience_seconds : float
        How long to wait for another process.

    Raises
    ------
    EndpointError
        If another process holds the lock for longer than that; the message names it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    holder = path.with_suffix(".holder")
    try:
        lock = FileLock(path, timeout=patience_seconds).acquire()
    except Timeout:
        name = holder.read_text(encoding="utf-8") if holder.exists() else "another process"
        raise EndpointError(
            f"{name} is deploying, changing or stopping the endpoint {endpoint}. Wait until that has finished, "
            "and try again."
        ) from None
    with lock:
        holder.write_text(f"process {os.getpid()}, since {datetime.datetime.now():%H:%M:%S}", encoding="utf-8")
        try:
            yield
        finally:
            holder.unlink(missing_ok=True)
