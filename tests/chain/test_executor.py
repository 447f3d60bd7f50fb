"""Execution of one notebook: each failure has its own cause, in the message and in the notebook."""

import os
import re
import signal
import threading

import psutil
import pytest

from lib.chain import executor, failures
from lib.chain.executor import Cancellation, KernelExecutor
from tests.chain.small_notebooks import (
    call_when,
    cell_statuses,
    code_of,
    errors_of,
    notebook,
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


# Must be in the cell that sleeps: ipykernel restores Python's own handler before each cell.
IGNORE_INTERRUPTS = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"


def ended(file):
    """Wait until the process whose id is in a file has ended; the executor does not wait for kernels."""
    pid = int(file.read_text())
    return wait_for(lambda: has_ended(pid))


def test_successful_notebook_has_no_errors(execution):
    execution.run("answer = 42", outputs="answer=answer", timeout_minutes=30)
    assert set(cell_statuses(execution.cells)) == {"completed"}
    assert errors_of(execution.cells) == []


class TestTimeout:
    def test_timeout_is_written_into_the_notebook(self, execution, tmp_path):
        started = tmp_path / "started"
        with pytest.raises(failures.StageFailed) as failed:
            execution.run(touch_and_sleep(started), "after = 1", timeout_minutes=0.1)
        assert "It was stopped after 0.1 minutes, the limit that timeout_minutes sets." in str(failed.value)
        assert failed.value.status == "failed" and failed.value.is_retryable
        if started.exists():  # on a very slow machine the time is over before the kernel starts
            assert cell_statuses(execution.cells) == ["completed", "completed", "failed", "pending", "pending"]
            assert "TimedOut" in [error["ename"] for error in errors_of(execution.cells)]
            assert "Cell [3]: import os, pathlib ..." in str(failed.value)
            assert ended(started)

    def test_kernel_that_ignores_interrupts_is_killed(self, execution, tmp_path, monkeypatch):
        monkeypatch.setattr(executor, "_GRACE_SECONDS", 1)
        started = tmp_path / "started"
        with pytest.raises(failures.StageFailed, match="It was stopped after 0.1 minutes"):
            execution.run(IGNORE_INTERRUPTS + touch_and_sleep(started), timeout_minutes=0.1)
        if started.exists():
            assert ended(started)
            assert execution.error["ename"] == "TimedOut"

    def test_child_processes_are_killed_with_the_kernel(self, execution, tmp_path, monkeypatch):
        monkeypatch.setattr(executor, "_GRACE_SECONDS", 1)
        child = (
            "import subprocess\n"
            f"child = subprocess.Popen(['sleep', '3600'])\n"
            f"pathlib = __import__('pathlib'); pathlib.Path({str(tmp_path / 'child')!r}).write_text(str(child.pid))\n"
        )
        call_when((tmp_path / "started").exists, execution.cancelled.set)
        with pytest.raises(failures.Interrupted):
            execution.run(IGNORE_INTERRUPTS + child + touch_and_sleep(tmp_path / "started"))
        assert ended(tmp_path / "child")


class TestCancellation:
    def test_cell_is_interrupted_and_the_notebook_records_it(self, execution, tmp_path):
        call_when((tmp_path / "started").exists, execution.cancelled.set)
        with pytest.raises(failures.Interrupted):
            execution.run(touch_and_sleep(tmp_path / "started"), "after = 1")
        assert execution.error["ename"] == "KeyboardInterrupt"
        assert cell_statuses(execution.cells) == ["completed", "completed", "failed", "pending", "pending"]
        assert ended(tmp_path / "started")

    def test_finally_block_of_the_cell_runs(self, execution, tmp_path):
        sleep = "\n".join(f"    {line}" for line in touch_and_sleep(tmp_path / "started").splitlines())
        cleanup = f"try:\n{sleep}\nfinally:\n    pathlib.Path({str(tmp_path / 'cleaned_up')!r}).touch()"
        call_when((tmp_path / "started").exists, execution.cancelled.set)
        with pytest.raises(failures.Interrupted):
            execution.run(cleanup)
        assert (tmp_path / "cleaned_up").exists()

    def test_slow_finally_block_is_not_interrupted(self, execution, tmp_path):
        sleep = "\n".join(f"    {line}" for line in touch_and_sleep(tmp_path / "started").splitlines())
        seconds = 3 * executor._INTERRUPT_INTERVAL_SECONDS
        touch = f"pathlib.Path({str(tmp_path / 'cleaned_up')!r}).touch()"
        cleanup = f"try:\n{sleep}\nfinally:\n    time.sleep({seconds})\n    {touch}"
        call_when((tmp_path / "started").exists, execution.cancelled.set)
        with pytest.raises(failures.Interrupted):
            execution.run(cleanup)
        assert (tmp_path / "cleaned_up").exists()

    def test_at_once_skips_the_grace_period(self, execution, tmp_path, monkeypatch):
        monkeypatch.setattr(executor, "_GRACE_SECONDS", 3600)

        def cancel():
            execution.cancelled.at_once = True
            execution.cancelled.set()

        call_when((tmp_path / "started").exists, cancel)
        with pytest.raises(failures.Interrupted):
            execution.run(IGNORE_INTERRUPTS + touch_and_sleep(tmp_path / "started"))
        assert ended(tmp_path / "started")

    def test_cancellation_before_the_kernel_starts(self, execution):
        execution.cancelled.set()
        with pytest.raises(failures.Interrupted):
            execution.run("import time\ntime.sleep(3600)")


class TestDeadKernel:
    """A kernel that died; the message names the cause."""

    @pytest.mark.parametrize("fork", [True, False], ids=["forked", "cold"])
    @pytest.mark.parametrize(
        ("last_words", "message"),
        [
            (
                "os.kill(os.getpid(), signal.SIGSEGV)",
                "died of SIGSEGV: compiled code crashed, or",
            ),
            ("os.kill(os.getpid(), signal.SIGABRT)", "died of SIGABRT"),
            ("os.kill(os.getpid(), signal.SIGTERM)", "died of SIGTERM"),
            ("os._exit(3)", r"exited with code 3 \(perhaps a cell called os._exit or quit\)"),
            ("os._exit(0)", r"exited with code 0"),
            ("os.kill(os.getpid(), signal.SIGKILL)", "was killed, by another program or because memory ran out"),
        ],
    )
    def test_cause_of_death_is_named(self, execution, monkeypatch, last_words, message, fork):
        monkeypatch.setattr(failures, "count_memory_kills", lambda: 7)  # those of other processes
        with pytest.raises(failures.StageFailed, match=message) as failed:
            execution.run(f"import os, signal\n{last_words}", "after = 1", fork=fork)
        assert re.search(message, execution.error["evalue"])
        assert execution.error["ename"] == "KernelDied"
        assert cell_statuses(execution.cells) == ["completed", "completed", "failed", "pending", "pending"]
        assert "Cell [3]: import os, signal ..." in str(failed.value)
        assert str(execution.executed) in str(failed.value)
        assert "Traceback" not in str(failed.value)

    def test_kernel_killed_for_lack_of_memory(self, execution, monkeypatch):
        kills = iter([7, 8])
        monkeypatch.setattr(failures, "count_memory_kills", lambda: next(kills))
        with pytest.raises(failures.StageFailed, match="ran out of memory, and the system killed it"):
            execution.run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
        assert execution.error["ename"] == "OutOfMemory"

    def test_kernel_killed_from_outside(self, execution, tmp_path):
        started = tmp_path / "started"
        call_when(started.exists, lambda: os.kill(int(started.read_text()), signal.SIGKILL))
        with pytest.raises(failures.StageFailed, match="killed, by another program"):
            execution.run(touch_and_sleep(started))

    def test_earlier_output_is_kept(self, execution):
        with pytest.raises(failures.StageFailed):
            execution.run("print('so far')", "import os\nos._exit(3)")
        assert execution.cells[2]["outputs"][0]["text"] == ["so far\n"]


def test_memory_kills_are_read_from_vmstat(monkeypatch, tmp_path):
    monkeypatch.setattr(failures, "_VMSTAT", tmp_path / "vmstat")
    assert failures.count_memory_kills() == 0
    (tmp_path / "vmstat").write_text("pgfault 12\noom_kill 3\noom_kill_other 9\n")
    assert failures.count_memory_kills() == 3


class TestEnd:
    @pytest.mark.parametrize("fork", [True, False], ids=["forked", "cold"])
    def test_sys_exit_in_a_cell_fails_the_stage(self, execution, tmp_path, fork):
        """papermill takes it for a success, which the outputs of a stage without outputs would not contradict."""
        with pytest.raises(failures.StageFailed, match=r"A cell called sys\.exit\(0\)") as failed:
            execution.run(touch(tmp_path / "started") + "\nimport sys\nsys.exit(0)", "late = 1", fork=fork)
        assert "Cell [3]: import os, pathlib ..." in str(failed.value)
        assert cell_statuses(execution.cells)[2:] == ["failed", "pending", "pending"]
        assert ended(tmp_path / "started")

    def test_death_of_the_fork_server_is_named(self, execution, tmp_path):
        started = tmp_path / "started"
        call_when(started.exists, lambda: psutil.Process(int(started.read_text())).parent().kill())
        with pytest.raises(failures.StageFailed, match="The fork server, from which kernels are forked, died"):
            execution.run(touch_and_sleep(started))
        assert ended(started)
        execution.run("answer = 42", outputs="answer=answer")  # from a new fork server

    def test_long_message_is_cut(self, execution):
        with pytest.raises(failures.StageFailed) as failed:
            execution.run("raise ValueError('begin ' + 'no ' * 2_000_000 + 'end')")
        assert "ValueError: begin no" in str(failed.value) and "characters left out" in str(failed.value)
        assert len(str(failed.value)) < 5_000 and execution.executed.stat().st_size < 100_000
        (file,) = (execution.folder / "executed.outputs").iterdir()
        assert "no end" in file.read_text() and file.stat().st_size > 6_000_000

    def test_no_watchdog_is_left(self, execution):
        execution.run("answer = 42", timeout_minutes=30)
        assert not [thread for thread in threading.enumerate() if thread.name == "watchdog"]


def test_invalid_notebook_is_named(execution, tmp_path):
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


def test_a_full_disk_is_one_sentence_and_exit_code_2(execution, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lib.chain.engine.execute", fail)
    with pytest.raises(failures.StageFailed, match="There is no space left") as raised:
        execution.run()
    assert raised.value.exit_code == 2 and "temporary folder" in str(raised.value).splitlines()[0]
