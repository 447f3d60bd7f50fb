"""Faults that befall a running chain. Each is a function of the use case and of the chain's process.

A fault returns a description of what it did. It also undoes what an operator would undo: it frees the disk, continues a
stopped process and sets the clock right.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable

import psutil

from lib.simulation.faults import fill_disk, send_signal
from tests.soak.use_case import UseCase

Fault = Callable[[UseCase, psutil.Process, random.Random], str]

_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGABRT, signal.SIGSEGV)
_FULL_SECONDS = 3.0
_STOPPED_SECONDS = 4.0
_JUMP_SECONDS = (-86_400, -3_600, 3_600, 86_400 * 400)


def signal_the_chain(use_case: UseCase, chain: psutil.Process, choose: random.Random) -> str:
    """Send a signal to the chain's own process."""
    return _send(chain, choose.choice(_SIGNALS))


def signal_a_child(use_case: UseCase, chain: psutil.Process, choose: random.Random) -> str:
    """Send a signal to a random process below the chain, such as the fork server or a kernel."""
    children = chain.children(recursive=True)
    return _send(choose.choice(children), choose.choice(_SIGNALS)) if children else "no child yet"


def stop_a_process(use_case: UseCase, chain: psutil.Process, choose: random.Random) -> str:
    """Stop a random process of the tree for some seconds, as a suspended laptop does."""
    process = choose.choice([chain, *chain.children(recursive=True)])
    description = _send(process, signal.SIGSTOP)
    time.sleep(_STOPPED_SECONDS)
    _send(process, signal.SIGCONT)
    return description


def fill_the_disk(use_case: UseCase, chain: psutil.Process, choose: random.Random) -> str:
    """Fill the disk of workspace, runs and temporary files for some seconds."""
    filler = use_case.folder / "filler"
    with filler.open("wb") as file:
        fill_disk(file)
    _wait_for_end(chain, _FULL_SECONDS)
    filler.unlink()
    return "disk full"


def delete_a_folder(use_case: UseCase, chain: psutil.Process, choose: random.Random) -> str:
    """Delete the folder of the run, of temporary files or of a run's artifacts."""
    runs, artifacts = use_case.runs_folder, use_case.workspace / "artifacts"
    folders = [*runs.glob("*/"), *use_case.temporary_folder.glob("*/"), *artifacts.glob("*/*/")]
    folder = choose.choice([path for path in folders if path.is_dir()] or [use_case.temporary_folder])
    shutil.rmtree(folder, ignore_errors=True)
    use_case.temporary_folder.mkdir(exist_ok=True)
    return f"deleted {folder.relative_to(use_case.folder).parts[0]}/…"


def start_a_second_run(use_case: UseCase, chain: psutil.Process, choose: random.Random) -> str:
    """Start a second run in the same workspace, and wait for its end."""
    return f"second run ended with {use_case.start().wait(use_case.TIMEOUT_SECONDS)}"


def edit_the_library(use_case: UseCase, chain: psutil.Process, choose: random.Random) -> str:
    """Append a comment to a random module of a stage."""
    module = choose.choice(sorted((use_case.checkout / "lib" / "stages").glob("*.py")))
    with module.open("a") as file:
        file.write("# edited\n")
    return f"edited {module.name}"


def jump_the_clock(use_case: UseCase, chain: psutil.Process, choose: random.Random) -> str:
    """Shift the wall clock of all processes, until the run has ended."""
    seconds = choose.choice(_JUMP_SECONDS)
    use_case.clock_file.write_text(str(seconds))
    _wait_for_end(chain, use_case.TIMEOUT_SECONDS)
    use_case.clock_file.write_text("0")
    return f"clock {seconds:+d} s"


def close_the_terminal(use_case: UseCase, chain: psutil.Process, choose: random.Random) -> str:
    """Close the pipe that the chain writes to, as ``| head`` does."""
    use_case.close_output()
    return "output closed"


FAULTS: dict[str, Fault] = {
    "signal to the chain": signal_the_chain,
    "signal to a child": signal_a_child,
    "SIGSTOP": stop_a_process,
    "full disk": fill_the_disk,
    "deleted folder": delete_a_folder,
    "two runs at once": start_a_second_run,
    "edit of lib": edit_the_library,
    "clock jump": jump_the_clock,
    "closed output": close_the_terminal,
}


def _send(process: psutil.Process, signum: signal.Signals) -> str:
    """Send a signal to a process, and describe both."""
    try:
        command = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return "process has just ended"
    if not send_signal(process, signum):
        return "process has just ended"
    role = "chain" if "run_all.py" in command else "fork server or kernel" if "forkserver" in command else "other"
    return f"{signum.name} to {role}"


def _wait_for_end(process: psutil.Process, seconds: float) -> None:
    """Wait for the end of a process, but not longer than some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.05)


def compile_clock(folder: os.PathLike[str]) -> str:
    """Compile the library that shifts the clock, and return its path."""
    source = os.path.join(os.path.dirname(__file__), "clock.c")
    library = os.path.join(folder, "clock.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    return library
