"""An interrupt is heard while the chain waits, whichever thread the system gives it to."""

import subprocess
import sys

from lib.paths import ROOT

# Another thread gets the signal once the main one is in its wait, from which nothing but time then wakes it.
CODE = """
import signal, sys, threading
from concurrent.futures import Future
from lib.chain import running

main = threading.main_thread().ident

def interrupt():
    frame = None
    while getattr(frame, "f_code", None) is not running.wait.__code__:
        frame = sys._current_frames()[main]
        while frame and frame.f_code is not running.wait.__code__:
            frame = frame.f_back
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
try:
    running._wait([Future()])
except KeyboardInterrupt:
    print("heard")
"""


def test_an_interrupt_that_does_not_wake_the_main_thread_is_heard():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "heard", done.stderr
