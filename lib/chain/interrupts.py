"""Interrupts that always reach the main thread of a kernel.

CPython runs signal handlers in the main thread, between two instructions of Python. A signal does not wake the main
thread if it arrives just before the thread blocks in a system call, or if the system delivers it to another thread:
then ``time.sleep(3600)`` goes on for an hour after Ctrl-C (https://docs.python.org/3/library/signal.html). Under load,
about 2 of 1,000 interrupts were lost in this way.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

# SIGURG is ignored by default, so it cannot end a process, and hardly any program uses it.
_WAKE_SIGNAL = "SIGURG"
# The first wake-up may come too early as well, hence several ones.
_WAKE_PAUSES_SECONDS = (0.05, 0.2, 1.0)


def ensure_delivery() -> None:
    """Start a thread that wakes the main thread after each SIGINT. Call this in the main thread, once per process."""
    if not hasattr(signal, _WAKE_SIGNAL):  # Windows
        return
    # Python installs its handlers without SA_RESTART, so that the signal ends a system call, after which the handler
    # of SIGINT runs. If SIGINT has been handled already, the system call is repeated (PEP 475).
    signal.signal(signal.SIGURG, lambda signum, frame: None)
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=_forget_wakeup_pipe)
    thread = threading.Thread(target=_wake_main_thread, args=(read_end,), name="interrupts", daemon=True)
    thread.start()


def _wake_main_thread(pipe: int) -> None:
    """Interrupt the system call of the main thread some time after each SIGINT."""
    main_thread_id = threading.main_thread().ident
    assert main_thread_id is not None  # it has started
    while signums := os.read(pipe, 4096):
        if signal.SIGINT in signums:
            for pause_seconds in _WAKE_PAUSES_SECONDS:
                time.sleep(pause_seconds)
                signal.pthread_kill(main_thread_id, signal.SIGURG)


def _forget_wakeup_pipe() -> None:
    """Stop reporting signals in a forked child, which shares the pipe with the kernel."""
    with suppress(ValueError):  # not in the main thread, whose signals the child does not handle
        signal.set_wakeup_fd(-1)
