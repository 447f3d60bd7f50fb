"""Expensive test folders, built by one test process and shared by all of them."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path


def build_once(tmp_path_factory, name: str, build: Callable[[Path], None]) -> Path:
    """Return the folder of this name; the first process that asks fills it with `build`.

    All processes of pytest-xdist get the same folder. The other processes wait until it is complete.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # each worker's folder is inside that of the session
    folder, done = root / f"template-{name}", root / f"template-{name}.done"
    with open(root / f"template-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            build(folder)
            done.touch()
    return folder
