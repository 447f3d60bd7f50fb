"""GPUs of this machine, one training on each at a time.

Trainings that run side by side would otherwise share a GPU's memory, and both fail where it is not enough for two.
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
_LOOK_AGAIN_SECONDS = 0.2


def visible() -> list[str]:
    """Ids of the NVIDIA GPUs that this process may use, in the order in which CUDA counts them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [one.strip() for one in chosen.split(",") if one.strip() not in ("", "-1")]
    names = [re.fullmatch(r"nvidia(\d+)", one.name) for one in _DEVICES.glob("nvidia*")]
    return sorted((name[1] for name in names if name), key=int)


@contextlib.contextmanager
def one() -> Iterator[str]:
    """Wait for a GPU that no other training uses, and have it alone.

    Yields
    ------
    str
        As XGBoost and PyTorch call it: ``"cuda:0"``.
    """
    ids = visible() or ["0"]  # under WSL there is no file for each
    locks = [FileLock(Path(tempfile.gettempdir()) / f"millrace-gpu-{_user()}-{one}.lock") for one in ids]
    while True:
        for number, lock in enumerate(locks):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                yield f"cuda:{number}"
            finally:
                lock.release()
            return
        time.sleep(_LOOK_AGAIN_SECONDS)


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
