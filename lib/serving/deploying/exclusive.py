"""The lock of an endpoint, so that only one process at a time changes it."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from lib.errors import EndpointError


@contextlib.contextmanager
def lock_endpoint(path: Path, endpoint: str, patience_seconds: float = 0) -> Iterator[None]:
    """Hold the lock of an endpoint. The operating system releases it if this process dies.

    Parameters
    ----------
    path : Path
        The lock file. A file beside the lock file names the process that holds the lock.
    endpoint : str
        Name of the endpoint, for the message.
    patience_seconds : float
        Time to wait for another process that holds the lock.

    Raises
    ------
    EndpointError
        If another process holds the lock for longer; the message names the process.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    holder = path.with_suffix(".holder")
    try:
        lock = FileLock(path, timeout=patience_seconds).acquire()
    except Timeout:
        process_name = holder.read_text(encoding="utf-8") if holder.exists() else "another process"
        raise EndpointError(
            f"{process_name} is deploying, changing or stopping the endpoint {endpoint}. Wait until that has finished, "
            "and try again."
        ) from None
    with lock:
        holder.write_text(f"process {os.getpid()}, since {datetime.datetime.now():%H:%M:%S}", encoding="utf-8")
        try:
            yield
        finally:
            holder.unlink(missing_ok=True)
