"""Faults of the machine: killed processes and full disks."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import psutil

from lib.errors import DataError

_SMALLEST_STEP_BYTES = 2**12


def send_signal(process: psutil.Process, signum: signal.Signals) -> bool:
    """Send a signal to a process; return whether the process still ran."""
    try:
        process.send_signal(signum)
    except psutil.NoSuchProcess:
        return False
    return True


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Mount a disk in memory on an existing folder during the ``with`` block.

    Raises
    ------
    DataError
        If this user may not mount disks.
    """
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "millrace", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = str(getattr(error, "stderr", "") or error).strip()
        raise DataError(
            f"A full disk needs a small disk, and this user may not mount one ({reason}). On Linux, put "
            "`unshare --user --map-root-user --mount` before the command, or run it as root."
        ) from None
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Fill the disk of a folder during the ``with`` block."""
    filler = folder / "filler"
    try:
        with filler.open("wb") as file:
            fill_disk(file)
        yield
    finally:
        filler.unlink(missing_ok=True)


def fill_disk(file: BinaryIO) -> None:
    """Extend a file until its disk is full, in ever smaller steps, because other processes use the disk as well."""
    step_bytes, size_bytes = 2**28, 0
    while step_bytes >= _SMALLEST_STEP_BYTES:
        try:
            os.posix_fallocate(file.fileno(), size_bytes, step_bytes)
            size_bytes += step_bytes
        except OSError:
            step_bytes //= 2
