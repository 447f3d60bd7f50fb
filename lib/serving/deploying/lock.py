"""One at a time: whoever changes an endpoint holds its lock, and says who that is."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from lib.errors import EndpointError

_LOOK_AGAIN_SECONDS = 0.1


@contextlib.contextmanager
def held(path: Path, endpoint: str, patience: float = 0) -> Iterator[None]:
    """Hold the lock of an endpoint meanwhile; the system lets go of it however the process ends.

    Parameters
    ----------
    path : Path
        Of the file; the number of the process that holds it stands there.
    endpoint : str
        Its name, for people.
    patience : float
        Seconds to wait for whoever holds it.

    Raises
    ------
    EndpointError
        With the other's process number, where it holds the lock for longer than that.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    deadline, pause = time.monotonic() + patience, threading.Event()
    with path.open("a+", encoding="utf-8") as lock:
        while not _taken(lock.fileno()):
            if time.monotonic() >= deadline:
                lock.seek(0)
                raise EndpointError(
                    f"Process {lock.read().strip() or 'unknown'} is deploying to the endpoint {endpoint} or stopping "
                    "it right now. Wait for it to finish and try again."
                )
            pause.wait(_LOOK_AGAIN_SECONDS)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
