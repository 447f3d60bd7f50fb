"""Processes that tests look at."""

import psutil


def has_ended(pid):
    """Whether a process has ended; nobody may have waited for it yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
