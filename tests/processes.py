"""The state of other processes."""

import psutil


def has_ended(pid):
    """Return whether a process has ended; a zombie, whose exit code its parent has not collected yet, has ended too."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
