"""Rotation of the log while several processes append to it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MAX_LOG_BYTES = 5 * 2**20


def rotate(log: Path) -> None:
    """Copy a log that has become too long to ``<name>.1``, and empty it.

    The file itself stays, since the processes of the endpoint keep it open. A line that is written between the copying
    and the emptying is lost.
    """
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        shutil.copyfile(log, log.with_name(log.name + ".1"))
        os.truncate(log, 0)
