"""The GPUs of this machine, reserved for one training at a time.

Trainings that share a GPU also share its memory, and both fail if it is too small for the two of them.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

_DEVICES = Path("/dev")
_POLL_SECONDS = 0.2


def list_visible_ids() -> list[str]:
    """Return the ids of the NVIDIA GPUs that this process may use, in the order of CUDA's device numbers."""
    setting = os.environ.get("CUDA_VISIBLE_DEVICES")
    if setting is not None:
        ids = [gpu_id.strip() for gpu_id in setting.split(",")]
        return [gpu_id for gpu_id in ids if gpu_id not in ("", "-1")]
    matches = [re.fullmatch(r"nvidia(\d+)", path.name) for path in _DEVICES.glob("nvidia*")]
    return sorted((match[1] for match in matches if match), key=int)


@contextlib.contextmanager
def reserve() -> Iterator[str]:
    """Wait for a free GPU, and reserve it until the ``with`` block ends.

    The reservation is a file lock, so it also holds between processes and ends with the process.

    Yields
    ------
    str
        The device's name for XGBoost and PyTorch, e.g. ``"cuda:0"``.
    """
    ids = list_visible_ids() or ["0"]  # the Windows Subsystem for Linux has no device files
    locks = [FileLock(Path(tempfile.gettempdir()) / f"millrace-gpu-{_user_id()}-{gpu_id}.lock") for gpu_id in ids]
    while True:
        for index, lock in enumerate(locks):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                yield f"cuda:{index}"
            finally:
                lock.release()
            return
        time.sleep(_POLL_SECONDS)


def _user_id() -> str:
    """Return the id of the current user. It is part of a lock file's name, as users cannot open each other's files."""
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
