"""The state of other processes."""

import psutil


def has_ended(pid):
    """Whether a process has ended, including a zombie whose parent has not yet collected its exit code."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
