"""Interrupts end a cell, even if the system delivers the signal when it does not wake the main thread."""

import asyncio
import os
import subprocess
import sys

import pytest

from lib.chain import forking
from tests.chain.test_forking import answer_of, own, with_kernel  # noqa: F401 (own is a fixture)

_SECONDS = 120
# The system delivers SIGINT to another thread, as it sometimes does by chance: nothing wakes the main thread.
SLEEP_UNWOKEN = """
import pathlib, signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
try:
    pathlib.Path({started!r}).touch()
    time.sleep(3600)
finally:
    pathlib.Path({cleaned!r}).touch()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
"""


@pytest.mark.skipif(not forking.is_available(), reason="kernels are forked on Linux only")
@pytest.mark.parametrize("fork", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["forked", "cold"])
def test_interrupt_wakes_a_sleeping_cell(own, tmp_path, monkeypatch, fork):  # noqa: F811
    if not fork:
        monkeypatch.setattr(forking, "is_available", lambda: False)
    started, cleaned = tmp_path / "started", tmp_path / "cleaned"

    async def interrupt(manager, client):
        code = SLEEP_UNWOKEN.format(started=str(started), cleaned=str(cleaned))
        running = asyncio.ensure_future(client.execute_interactive(code, output_hook=print, timeout=_SECONDS))
        while not started.exists():
            await asyncio.sleep(0.02)
        await manager.interrupt_kernel()
        reply = await running
        assert reply["content"]["ename"] == "KeyboardInterrupt" and cleaned.exists()
        # One interrupt is raised once, and children of the kernel keep Python's own handling of signals.
        return await answer_of(client, "import os, time\ntime.sleep(1.5)\nprint(os.system('exit 3') >> 8)")

    assert with_kernel(interrupt) == "3"


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
def test_forked_children_do_not_report_their_signals():
    program = (
        "import os, signal, time\nfrom lib.chain import interrupts\ninterrupts.ensure_delivery()\n"
        "if os.fork() == 0:\n    os._exit(7 if signal.set_wakeup_fd(-1) == -1 else 8)\n"
        "print(os.waitstatus_to_exitcode(os.wait()[1]), signal.set_wakeup_fd(-1) >= 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=_SECONDS)
    assert done.stdout.split() == ["7", "True"], done.stderr


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such signals")
def test_wake_signal_alone_interrupts_nothing():
    program = (
        "import os, signal, threading, time\nfrom lib.chain import interrupts\ninterrupts.ensure_delivery()\n"
        "threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGURG)).start()\n"
        "start = time.monotonic()\ntime.sleep(0.5)\nprint(time.monotonic() - start >= 0.5)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=_SECONDS)
    assert done.stdout.split() == ["True"], done.stderr
