"""Executing one notebook: whatever ends it, the notebook, the message and the cause told apart say so."""

import os
import re
import signal
import threading

import pytest

from lib.chain import executor, failures
from lib.chain.executor import Cancellation, KernelExecutor
from tests.chain.small_notebooks import (
    code_of,
    errors_of,
    notebook,
    once,
    papermill_says,
    touch,
    touch_and_sleep,
    wait_for,
)
from tests.processes import has_ended


class Execution:
    """One notebook, executed in a forked kernel."""

    def __init__(self, folder):
        self.folder, self.executed, self.cancelled = folder, folder / "executed.ipynb", Cancellation()

    def run(self, *cells, timeout_minutes=None, fork=True, **contract):
        notebook(self.folder, "01_setup.ipynb", *cells, **contract)
        KernelExecutor(1, fork).execute(
            self.folder / "01_setup.ipynb",
            self.executed,
            {},
            timeout_minutes=timeout_minutes,
            cancelled=self.cancelled,
            report=print,
        )

    @property
    def cells(self):
        return code_of(self.executed)

    @property
    def error(self):
        (error,) = errors_of(self.cells)
        return error


@pytest.fixture
def execution(tmp_path):
    return Execution(tmp_path)


# In the cell that sleeps: before each cell ipykernel puts Python's own handler back.
DEAF = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"


def ended(file):
    """Whether the process whose id is in a file ends: a kernel is not waited for."""
    pid = int(file.read_text())
    return wait_for(lambda: has_ended(pid))


def test_a_notebook_that_runs_to_its_end(execution):
    execution.run("answer = 42", hand_on="answer=answer", timeout_minutes=30)
    assert set(papermill_says(execution.cells)) == {"completed"}
    assert errors_of(execution.cells) == []


class TestTimeout:
    def test_the_notebook_says_so_and_which_cells_never_ran(self, execution, tmp_path):
        started = tmp_path / "started"
        with pytest.raises(failures.StageFailed) as failed:
            execution.run(touch_and_sleep(started), "after = 1", timeout_minutes=0.1)
        assert "It was stopped after 0.1 minutes, the limit that timeout_minutes sets." in str(failed.value)
        assert failed.value.status == "failed" and failed.value.is_retryable
        if started.exists():  # on a very slow machine the kernel itself may not have been there in time
            assert papermill_says(execution.cells) == ["completed", "completed", "failed", "pending", "pending"]
            assert "TimedOut" in [error["ename"] for error in errors_of(execution.cells)]
            assert "Cell [3]: import os, pathlib ..." in str(failed.value)
            assert ended(started)

    def test_one_that_ignores_being_asked_is_killed_after_the_grace(self, execution, tmp_path, monkeypatch):
        monkeypatch.setattr(executor, "_GRACE_SECONDS", 1)
        started = tmp_path / "started"
        with pytest.raises(failures.StageFailed, match="It was stopped after 0.1 minutes"):
            execution.run(DEAF + touch_and_sleep(started), timeout_minutes=0.1)
        if started.exists():
            assert ended(started)
            assert execution.error["ename"] == "TimedOut"

    def test_what_a_kernel_has_started_is_killed_with_it(self, execution, tmp_path, monkeypatch):
        monkeypatch.setattr(executor, "_GRACE_SECONDS", 1)
        child = (
            "import subprocess\n"
            f"child = subprocess.Popen(['sleep', '3600'])\n"
            f"pathlib = __import__('pathlib'); pathlib.Path({str(tmp_path / 'child')!r}).write_text(str(child.pid))\n"
        )
        once((tmp_path / "started").exists, execution.cancelled.set)
        with pytest.raises(failures.Interrupted):
            execution.run(DEAF + child + touch_and_sleep(tmp_path / "started"))
        assert ended(tmp_path / "child")


class TestCancelling:
    def test_the_cell_is_interrupted_and_the_notebook_says_so(self, execution, tmp_path):
        once((tmp_path / "started").exists, execution.cancelled.set)
        with pytest.raises(failures.Interrupted):
            execution.run(touch_and_sleep(tmp_path / "started"), "after = 1")
        assert execution.error["ename"] == "KeyboardInterrupt"
        assert papermill_says(execution.cells) == ["completed", "completed", "failed", "pending", "pending"]
        assert ended(tmp_path / "started")

    def test_a_finally_of_the_cell_still_runs(self, execution, tmp_path):
        sleep = "\n".join(f"    {line}" for line in touch_and_sleep(tmp_path / "started").splitlines())
        tidy = f"try:\n{sleep}\nfinally:\n    pathlib.Path({str(tmp_path / 'tidied')!r}).touch()"
        once((tmp_path / "started").exists, execution.cancelled.set)
        with pytest.raises(failures.Interrupted):
            execution.run(tidy)
        assert (tmp_path / "tidied").exists()

    def test_a_finally_that_takes_its_time_is_not_interrupted(self, execution, tmp_path):
        sleep = "\n".join(f"    {line}" for line in touch_and_sleep(tmp_path / "started").splitlines())
        seconds = 3 * executor._INTERRUPT_SECONDS
        touch = f"pathlib.Path({str(tmp_path / 'tidied')!r}).touch()"
        tidy = f"try:\n{sleep}\nfinally:\n    time.sleep({seconds})\n    {touch}"
        once((tmp_path / "started").exists, execution.cancelled.set)
        with pytest.raises(failures.Interrupted):
            execution.run(tidy)
        assert (tmp_path / "tidied").exists()

    def test_at_once_nothing_is_waited_for(self, execution, tmp_path, monkeypatch):
        monkeypatch.setattr(executor, "_GRACE_SECONDS", 3600)

        def cancel():
            execution.cancelled.at_once = True
            execution.cancelled.set()

        once((tmp_path / "started").exists, cancel)
        with pytest.raises(failures.Interrupted):
            execution.run(DEAF + touch_and_sleep(tmp_path / "started"))
        assert ended(tmp_path / "started")

    def test_before_the_kernel_is_there(self, execution):
        execution.cancelled.set()
        with pytest.raises(failures.Interrupted):
            execution.run("import time\ntime.sleep(3600)")


class TestDying:
    """The kernel has gone; why is told apart."""

    @pytest.mark.parametrize("fork", [True, False], ids=["forked", "cold"])
    @pytest.mark.parametrize(
        ("last_words", "said"),
        [
            (
                "os.kill(os.getpid(), signal.SIGSEGV)",
                "died of SIGSEGV: compiled code crashed, or",
            ),
            ("os.kill(os.getpid(), signal.SIGABRT)", "died of SIGABRT"),
            ("os._exit(3)", r"exited with code 3 \(did a cell call os._exit\?\)"),
            ("os._exit(0)", r"exited with code 0"),
            ("os.kill(os.getpid(), signal.SIGKILL)", "was killed, by another program or because memory ran out"),
        ],
    )
    def test_the_cause(self, execution, monkeypatch, last_words, said, fork):
        monkeypatch.setattr(failures, "count_memory_kills", lambda: 7)  # another process's, while ours ran or before
        with pytest.raises(failures.StageFailed, match=said) as failed:
            execution.run(f"import os, signal\n{last_words}", "after = 1", fork=fork)
        assert re.search(said, execution.error["evalue"])
        assert execution.error["ename"] == "KernelDied"
        assert papermill_says(execution.cells) == ["completed", "completed", "failed", "pending", "pending"]
        assert "Cell [3]: import os, signal ..." in str(failed.value)
        assert str(execution.executed) in str(failed.value)
        assert "Traceback" not in str(failed.value)

    def test_one_killed_while_the_system_wanted_memory(self, execution, monkeypatch):
        kills = iter([7, 8])
        monkeypatch.setattr(failures, "count_memory_kills", lambda: next(kills))
        with pytest.raises(failures.StageFailed, match="ran out of memory, and the system killed it"):
            execution.run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
        assert execution.error["ename"] == "OutOfMemory"

    def test_one_that_is_killed_from_outside_while_a_cell_sleeps(self, execution, tmp_path):
        started = tmp_path / "started"
        once(started.exists, lambda: os.kill(int(started.read_text()), signal.SIGKILL))
        with pytest.raises(failures.StageFailed, match="killed, by another program"):
            execution.run(touch_and_sleep(started))

    def test_what_the_notebook_printed_before_is_kept(self, execution):
        with pytest.raises(failures.StageFailed):
            execution.run("print('so far')", "import os\nos._exit(3)")
        assert execution.cells[2]["outputs"][0]["text"] == ["so far\n"]


def test_memory_kills_are_those_that_the_system_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(failures, "_VMSTAT", tmp_path / "vmstat")
    assert failures.count_memory_kills() == 0
    (tmp_path / "vmstat").write_text("pgfault 12\noom_kill 3\noom_kill_other 9\n")
    assert failures.count_memory_kills() == 3


class TestLeaving:
    def test_sys_exit_ends_a_notebook_without_an_error_and_the_kernel_is_gone(self, execution, tmp_path):
        """What it did not hand on is told by whoever reads its outputs."""
        execution.run(touch(tmp_path / "started") + "\nimport sys\nsys.exit(0)", hand_on="late=1")
        assert not [cell for cell in execution.cells if "late" in str(cell["outputs"])]
        assert ended(tmp_path / "started")

    def test_no_watch_is_left(self, execution):
        execution.run("answer = 42", timeout_minutes=30)
        assert not [one for one in threading.enumerate() if one.name == "watchdog"]


def test_a_notebook_that_is_none_is_told_by_name(execution, tmp_path):
    (tmp_path / "01_setup.ipynb").write_text("{")
    with pytest.raises(failures.StageFailed) as failed:
        KernelExecutor(1, True).execute(
            tmp_path / "01_setup.ipynb",
            execution.executed,
            {},
            timeout_minutes=None,
            cancelled=execution.cancelled,
            report=print,
        )
    assert str(execution.executed) in str(failed.value)
