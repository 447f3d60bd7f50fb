"""The heartbeat of a run: a thread that notes in ``run.json`` every few seconds that the run is alive."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from lib.chain.record import RunRecord
from lib.errors import StorageError

INTERVAL_SECONDS = 5.0
_MEGABYTE = 1024**2


@contextlib.contextmanager
def heartbeat(record: RunRecord, interval_seconds: float = INTERVAL_SECONDS) -> Iterator[None]:
    """Note the time and the memory of this process and its children in a run's record, during the ``with`` block."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(interval_seconds):
            # A full disk or a deleted folder must not end the thread: the heartbeat goes on once there is space again.
            with contextlib.suppress(OSError, StorageError):
                record.beat(memory_megabytes())

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def memory_megabytes() -> int:
    """Return the memory of this process and all its children in megabytes, without memory that they share."""
    import psutil

    process = psutil.Process()
    total_bytes = 0
    for member in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):  # a child may have ended, or belong to another user
            information = member.memory_info()
            total_bytes += information.rss - getattr(information, "shared", 0)
    return total_bytes // _MEGABYTE
