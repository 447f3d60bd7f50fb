"""Execution of a plan: order, parallelism, retries, resuming and reuse; and the record of every end."""

import json
import os
import re
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from lib import backends, cores
from lib.chain import failures, kernel_pool, running
from lib.chain.record import RunRecord
from lib.errors import DataError
from lib.paths import ROOT
from tests.chain.small_notebooks import call_when, errors_of, meet, touch, touch_and_sleep, wait_for
from tests.processes import has_ended

TRAINED = 'training_function: str = ""  # which'
# Another thread gets the signal while the main thread waits, so the wait itself is not interrupted.
WAITING = """
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

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores SIGINT in background jobs
threading.Thread(target=interrupt, daemon=True).start()
try:
    running._wait_for_all([Future()])
except KeyboardInterrupt:
    print("interrupted")
"""


def counting(path):
    """Return a cell that counts in a file how often it has run."""
    return (
        f"import pathlib\ntries = pathlib.Path({str(path)!r})\n"
        "tries.write_text(str(int(tries.read_text() or 0) + 1 if tries.exists() else 1))"
    )


class TestValues:
    def test_outputs_reach_the_next_notebook(self, chain):
        chain.write("01_setup.ipynb", parameters="seed: int = 0  # first", outputs="middle=seed + 1")
        chain.write("02_train.ipynb", parameters="middle: int = 0  # second", outputs="last=middle * 10")
        assert chain.run(seed=4)["last"] == 50
        assert chain.statuses == [("setup", "succeeded"), ("train", "succeeded")]

    def test_lists_of_training_functions_are_concatenated(self, chain):
        chain.write("03_train.ipynb", parameters=TRAINED, outputs="candidates=[training_function]")
        assert chain.run()["candidates"] == ["one", "two"]
        assert {path.name for path in chain.folder.glob("*.ipynb")} == {"03_train-one.ipynb", "03_train-two.ipynb"}

    def test_list_of_a_single_training_function(self, chain):
        chain.write("03_train.ipynb", parameters=TRAINED, outputs="candidates=[training_function]")
        assert chain.run(training_functions=["one"])["candidates"] == ["one"]

    def test_list_of_another_stage_replaces_the_earlier_one(self, chain):
        chain.write("01_setup.ipynb", parameters="seed: int = 0  # any", outputs="rows=[1, 2]")
        chain.write("02_preprocess.ipynb", parameters="rows: list = []  # any", outputs="rows=[3]")
        assert chain.run()["rows"] == [3]

    def test_run_name_is_a_parameter(self, chain):
        chain.write("01_setup.ipynb", parameters='run_name: str = ""  # the run', outputs="value=run_name")
        assert chain.run()["value"] == chain.folder.name

    def test_notebooks_get_only_the_parameters_they_name(self, chain):
        chain.write("01_setup.ipynb", parameters="seed: int = 0  # any", outputs="value='target_column' in globals()")
        assert chain.run()["value"] is False


class TestParallel:
    def test_two_candidates_run_in_parallel(self, chain, tmp_path):
        others = "{'one': 'two', 'two': 'one'}"
        cell = meet(tmp_path, "training_function", f"{others}[training_function]")
        chain.write("03_train.ipynb", cell, parameters=TRAINED, outputs="candidates=[training_function]")
        assert chain.run(max_parallel_notebooks=2)["candidates"] == ["one", "two"]

    def test_default_is_one_candidate_per_core(self, chain, tmp_path, monkeypatch):
        monkeypatch.setattr(cores, "available", lambda: 2)
        cell = meet(tmp_path, "training_function", "{'one': 'two', 'two': 'one'}[training_function]")
        chain.write("03_train.ipynb", cell, parameters=TRAINED, outputs="candidates=[training_function]")
        assert chain.run(max_parallel_notebooks=0)["candidates"] == ["one", "two"]

    def test_candidates_keep_the_order_of_training_functions(self, chain, tmp_path):
        cell = f"import pathlib\nended = pathlib.Path({str(tmp_path / 'ended')!r})"
        wait = (
            "import time\ndeadline = time.monotonic() + 240\n"
            "while training_function == 'one' and not ended.exists():\n"
            "    assert time.monotonic() < deadline\n    time.sleep(0.02)\n"
            "if training_function == 'two':\n    ended.touch()"
        )
        chain.write("03_train.ipynb", cell, wait, parameters=TRAINED, outputs="candidates=[training_function]")
        assert chain.run(max_parallel_notebooks=2)["candidates"] == ["one", "two"]

    def test_max_parallel_1_runs_candidates_one_by_one(self, chain, tmp_path):
        alone = (
            f"import pathlib\nrunning = pathlib.Path({str(tmp_path / 'running')!r})\n"
            "running.touch(exist_ok=False)\nrunning.unlink()"
        )
        chain.write("03_train.ipynb", alone, parameters=TRAINED, outputs="candidates=[training_function]")
        chain.run(max_parallel_notebooks=1, training_functions=["one", "two", "three"])
        stages = chain.stages
        assert [stage["stage"] for stage in stages] == ["train one", "train two", "train three"]
        assert all(before["started"] <= after["started"] for before, after in zip(stages, stages[1:], strict=False))

    @pytest.mark.parametrize(
        ("values", "functions", "threads"),
        [
            ({"threads": 6, "max_parallel_notebooks": 2}, ["one", "two"], 3),
            ({"threads": 6, "max_parallel_notebooks": 3}, ["one", "two"], 3),  # two run, although three could
            ({"threads": 1, "max_parallel_notebooks": 2}, ["one", "two"], 1),
            ({"threads": 6, "max_parallel_notebooks": 1}, ["one", "two"], 6),
            ({"threads": 6, "max_parallel_notebooks": 2}, ["one"], 6),
            ({"threads": 0, "max_parallel_notebooks": 2}, ["one", "two"], max(1, cores.available() // 2)),
            ({"threads": 0, "max_parallel_notebooks": 1}, ["one"], 0),
        ],
    )
    def test_parallel_candidates_share_the_threads(self, chain, values, functions, threads):
        parameters = f"{TRAINED}\nthreads: int = 0  # how many"
        chain.write("03_train.ipynb", parameters=parameters, outputs="candidates=[threads]")
        assert chain.run(training_functions=functions, **values)["candidates"] == [threads] * len(functions)

    def test_later_stages_get_all_threads(self, chain):
        chain.write("03_train.ipynb", parameters=TRAINED, outputs="candidates=[training_function]")
        chain.write("04_evaluate.ipynb", parameters="threads: int = 0  # how many", outputs="value=threads")
        assert chain.run(threads=6, max_parallel_notebooks=2)["value"] == 6

    def test_failure_starts_no_further_candidate(self, chain, tmp_path):
        cell = meet(tmp_path, "training_function", "{'one': 'two', 'two': 'one'}.get(training_function)")
        fail = (
            "if training_function == 'one':\n    raise ValueError('no luck')\n"
            f"ends = pathlib.Path({str(tmp_path / 'record')!r})\n"
            # The other candidate ends only after the failure is recorded.
            "while not (ends.exists() and 'no luck' in ends.read_text()):\n"
            "    assert time.monotonic() < deadline\n    time.sleep(0.02)"
        )
        chain.write("03_train.ipynb", cell, fail, parameters=TRAINED, outputs="candidates=[training_function]")
        linked = call_when(lambda: any(chain.runs.glob("*/run.json")), lambda: link(chain.runs, tmp_path / "record"))
        with pytest.raises(failures.StageFailed, match="no luck"):
            chain.run(max_parallel_notebooks=2, training_functions=["one", "two", "three"])
        linked.join()
        assert sorted(chain.statuses) == [("train one", "failed"), ("train two", "succeeded")]
        assert "no luck" in chain.stages[0]["error"] + chain.stages[1].get("error", "")

    def test_all_failures_are_reported(self, chain, tmp_path):
        cell = meet(tmp_path, "training_function", "{'one': 'two', 'two': 'one'}[training_function]")
        fail = "raise ValueError('no luck with ' + training_function)"
        chain.write("03_train.ipynb", cell, fail, parameters=TRAINED, outputs="candidates=[training_function]")
        with pytest.raises(failures.StageFailed) as failed:
            chain.run(max_parallel_notebooks=2)
        assert "no luck with one" in str(failed.value) and "no luck with two" in str(failed.value)
        assert "03_train-one.ipynb" in str(failed.value) and "03_train-two.ipynb" in str(failed.value)
        assert sorted(chain.statuses) == [("train one", "failed"), ("train two", "failed")]


def link(runs, place):
    """Make a link to the record of the only run, so that a cell can read it."""
    (record_file,) = runs.glob("*/run.json")
    place.symlink_to(record_file)


class TestFailure:
    @pytest.mark.parametrize("fork", [True, False])
    def test_failure_names_notebook_and_cell(self, chain, fork):
        chain.write("01_setup.ipynb", "raise ValueError('too hot')")
        chain.write("02_train.ipynb", outputs="answer=42")
        with pytest.raises(failures.StageFailed) as failed:
            chain.run(fork_kernels=fork)
        assert "ValueError: too hot" in str(failed.value)
        assert "01_setup.ipynb" in str(failed.value) and "raise ValueError('too hot')" in str(failed.value)
        assert failed.value.exit_code == 1
        assert chain.error("01_setup.ipynb")["evalue"] == "too hot"
        assert chain.statuses == [("setup", "failed")]

    def test_input_errors_keep_their_exit_code(self, chain):
        chain.write("01_setup.ipynb", "from lib.errors import DataError\nraise DataError('no such column')")
        with pytest.raises(failures.StageFailed) as failed:
            chain.run()
        assert failed.value.exit_code == 2
        assert str(failed.value).startswith("no such column")

    def test_blocking_gate_has_status_held(self, chain):
        chain.write("01_setup.ipynb", "from lib.errors import GateError\nraise GateError('not good enough')")
        with pytest.raises(failures.StageFailed) as failed:
            chain.run()
        assert (failed.value.exit_code, failed.value.status) == (3, "held")
        assert chain.statuses == [("setup", "held")]

    def test_errors_of_the_chain_itself_are_recorded(self, chain, monkeypatch):
        chain.write("01_setup.ipynb", outputs="answer=42")
        monkeypatch.setattr("lib.outputs.read", lambda notebook: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            chain.run()
        assert chain.statuses == [("setup", "failed")]


class TestInterrupt:
    def test_interrupt_stops_cell_and_kernel(self, chain, tmp_path):
        started = tmp_path / "started"
        chain.write("01_setup.ipynb", touch_and_sleep(started))
        chain.write("02_train.ipynb", outputs="answer=42")
        call_when(started.exists, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(failures.Interrupted):
            chain.run()
        assert chain.statuses == [("setup", "interrupted")]
        assert chain.error("01_setup.ipynb")["ename"] == "KeyboardInterrupt"
        assert has_ended(int(started.read_text()))

    def test_interrupt_before_the_chain_waits(self, chain, tmp_path, monkeypatch):
        started = tmp_path / "started"
        chain.write("01_setup.ipynb", touch_and_sleep(started))

        def prepare(*rounds):
            wait_for(started.exists)
            os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(running._Runner, "_prepare_kernels", prepare)
        with pytest.raises(failures.Interrupted):
            chain.run()
        assert chain.statuses == [("setup", "interrupted")]
        assert has_ended(int(started.read_text()))

    @pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
    def test_interrupt_stops_all_parallel_candidates(self, chain, tmp_path, signum):
        hangup = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a test runner may ignore it
        cell = f"started = {str(tmp_path)!r} + '/' + training_function\n" + touch("").replace("''", "started").replace(
            "'.part'", "started + '.part'"
        )
        chain.write(
            "03_train.ipynb", cell, "import time\ntime.sleep(3600)", parameters=TRAINED, outputs="candidates=[]"
        )
        both = [tmp_path / "one", tmp_path / "two"]
        call_when(lambda: all(path.exists() for path in both), lambda: os.kill(os.getpid(), signum))
        with pytest.raises(failures.Interrupted):
            chain.run(max_parallel_notebooks=2, training_functions=["one", "two", "three"])
        signal.signal(signal.SIGHUP, hangup)
        assert sorted(chain.statuses) == [("train one", "interrupted"), ("train two", "interrupted")]
        assert [has_ended(int(path.read_text())) for path in both] == [True, True]

    def test_second_interrupt_kills_the_kernel(self, chain, tmp_path):
        started = tmp_path / "started"
        ignore = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"  # ipykernel resets it before each cell
        chain.write("01_setup.ipynb", ignore + touch_and_sleep(started))

        def twice():
            os.kill(os.getpid(), signal.SIGINT)
            wait_for(lambda: any(thread.name == "watchdog" for thread in threading.enumerate()))
            threading.Event().wait(0.5)  # until the main thread waits again
            os.kill(os.getpid(), signal.SIGINT)

        call_when(started.exists, twice)
        with pytest.raises(failures.Interrupted):
            chain.run()
        assert chain.statuses == [("setup", "interrupted")]
        assert has_ended(int(started.read_text()))

    def test_signal_handlers_are_restored(self, chain):
        before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        chain.write("01_setup.ipynb", outputs="answer=42")
        chain.run()
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


class TestEditedCode:
    @pytest.fixture
    def library(self, tmp_path, monkeypatch):
        """Return the module of a library that the chain takes for its own."""
        folder = tmp_path / "library"
        folder.mkdir()
        monkeypatch.setattr("lib.chain.fingerprint._LIBRARY", folder)
        module = folder / "shop.py"
        module.write_text("rate = 1")
        return module

    def test_code_edited_during_a_stage_is_not_credited(self, chain, library, capsys):
        edit = f"import pathlib\npathlib.Path({str(library)!r}).write_text('rate = 22')"
        chain.write("01_setup.ipynb", edit, outputs="middle=7")
        chain.write("02_train.ipynb", parameters="middle: int = 0  # any", outputs="last=middle")
        chain.run(fork_kernels=False)
        assert ["fingerprint" in stage for stage in chain.stages] == [False, True]
        assert "setup: the code was changed while this notebook ran" in capsys.readouterr().err

    def test_a_notebook_edited_while_it_runs_is_not_credited(self, chain, library):
        edit = f"import pathlib\npath = pathlib.Path({str(chain.notebooks / '01_setup.ipynb')!r})\n"
        chain.write("01_setup.ipynb", edit + "path.write_text(path.read_text() + ' ')", outputs="middle=7")
        chain.run(fork_kernels=False)
        assert "fingerprint" not in chain.stages[0]

    @pytest.mark.slow
    def test_code_edited_between_stages_gets_a_new_fork_server(self, chain, library):
        edit = f"import os, pathlib\npathlib.Path({str(library)!r}).write_text('rate = 22')"
        chain.write("01_setup.ipynb", edit, outputs="middle=os.getppid()")
        chain.write(
            "02_train.ipynb", "import os", parameters="middle: int = 0  # any", outputs="last=[middle, os.getppid()]"
        )
        chain.write("03_end.ipynb", "import os", parameters="last: list = []", outputs="all=[*last, os.getppid()]")
        first, second, third = chain.run()["all"]
        assert first != second == third
        assert ["fingerprint" in stage for stage in chain.stages] == [False, True, True]


class TestRetry:
    def test_notebook_of_a_failed_attempt_is_kept(self, chain, tmp_path, capsys):
        flaky = counting(tmp_path / "tries") + "\nif tries.read_text() == '1':\n    raise ConnectionError('no network')"
        chain.write("01_setup.ipynb", flaky, outputs="answer=42")
        assert chain.run(retries={"setup": 2})["answer"] == 42
        assert (tmp_path / "tries").read_text() == "2"
        assert chain.statuses == [("setup", "failed"), ("setup", "succeeded")]
        assert [stage["notebook"] for stage in chain.stages] == ["01_setup.attempt-1.ipynb", "01_setup.ipynb"]
        assert chain.error("01_setup.attempt-1.ipynb")["evalue"] == "no network"
        assert errors_of(chain.cells("01_setup.ipynb")) == []
        assert chain.stages[1]["attempt"] == 2
        assert "setup: ConnectionError: no network Trying again." in capsys.readouterr().err

    def test_number_of_retries_is_limited(self, chain, tmp_path):
        chain.write("01_setup.ipynb", counting(tmp_path / "tries"), "raise ConnectionError('no network')")
        with pytest.raises(failures.StageFailed, match="no network"):
            chain.run(retries={"setup": 2})
        assert (tmp_path / "tries").read_text() == "3"
        names = ["01_setup.attempt-1.ipynb", "01_setup.attempt-2.ipynb", "01_setup.ipynb"]
        assert [re.findall(r"01_setup\S*", stage["error"]) for stage in chain.stages] == [[name] for name in names]
        kept = {path.name for path in chain.folder.glob("*.ipynb")}
        assert kept == {"01_setup.attempt-1.ipynb", "01_setup.attempt-2.ipynb", "01_setup.ipynb"}

    @pytest.mark.parametrize("kind", ["DataError", "GateError"])
    def test_input_errors_and_gates_are_not_retried(self, chain, tmp_path, kind):
        raises = f"from lib.errors import {kind}\nraise {kind}('as it is')"
        chain.write("01_setup.ipynb", counting(tmp_path / "tries"), raises)
        with pytest.raises(failures.StageFailed, match="as it is"):
            chain.run(retries={"setup": 5})
        assert (tmp_path / "tries").read_text() == "1"

    def test_an_error_of_pandas_with_the_name_of_ours_is_retried(self, chain, tmp_path):
        raises = "from pandas.errors import DataError\nraise DataError('No numeric types to aggregate')"
        chain.write("01_setup.ipynb", counting(tmp_path / "tries"), raises)
        with pytest.raises(failures.StageFailed, match="DataError: No numeric types") as failed:
            chain.run(retries={"setup": 1})
        assert (tmp_path / "tries").read_text() == "2" and failed.value.exit_code == 1

    def test_dead_kernels_are_retried(self, chain, tmp_path):
        dies = counting(tmp_path / "tries") + "\nif tries.read_text() == '1':\n    import os\n    os._exit(3)"
        chain.write("01_setup.ipynb", dies, outputs="answer=42")
        assert chain.run(retries={"setup": 1})["answer"] == 42

    def test_retries_apply_to_their_stage_only(self, chain, tmp_path):
        chain.write("01_setup.ipynb", counting(tmp_path / "tries"), "raise ConnectionError('no network')")
        with pytest.raises(failures.StageFailed):
            chain.run(retries={"train": 3})
        assert (tmp_path / "tries").read_text() == "1"


class TestResume:
    def test_finished_stages_are_not_repeated(self, chain, tmp_path):
        chain.write("01_setup.ipynb", counting(tmp_path / "first"), outputs="middle=7")
        wait = f"import pathlib\nif not pathlib.Path({str(tmp_path / 'fixed')!r}).exists():\n    raise ValueError('no')"
        chain.write("02_train.ipynb", wait, parameters="middle: int = 0  # any", outputs="last=middle * 6")
        with pytest.raises(failures.StageFailed):
            chain.run()
        (tmp_path / "fixed").touch()
        assert chain.resume()["last"] == 42
        assert (tmp_path / "first").read_text() == "1"
        assert chain.statuses == [("setup", "succeeded"), ("train", "failed"), ("train", "succeeded")]
        assert chain.error("02_train.attempt-1.ipynb")["evalue"] == "no"

    def test_finished_candidates_are_not_repeated(self, chain, tmp_path):
        fixed = f"pathlib.Path({str(tmp_path / 'fixed')!r}).exists()"
        fails = f"import pathlib\nif training_function == 'two' and not {fixed}:"
        chain.write(
            "03_train.ipynb",
            f"{fails}\n    raise ValueError('no')",
            parameters=TRAINED,
            outputs="candidates=[training_function]",
        )
        with pytest.raises(failures.StageFailed):
            chain.run(max_parallel_notebooks=1)
        (tmp_path / "fixed").touch()
        assert chain.resume(max_parallel_notebooks=1)["candidates"] == ["one", "two"]
        assert chain.statuses == [("train one", "succeeded"), ("train two", "failed"), ("train two", "succeeded")]

    def test_finished_run_executes_nothing(self, chain, tmp_path):
        chain.write("01_setup.ipynb", counting(tmp_path / "tries"), outputs="answer=42")
        chain.run()
        assert chain.resume()["answer"] == 42
        assert (tmp_path / "tries").read_text() == "1"

    CHAIN = (
        "import pathlib, sys\nfrom tests.chain.small_notebooks import SmallChain\n"
        "if __name__ == '__main__':\n    SmallChain(pathlib.Path(sys.argv[1])).run()"
    )

    @pytest.fixture
    def other_process(self, tmp_path):
        """Start the chain in a process; yield a function that waits for a file and returns the process."""
        (tmp_path / "chain.py").write_text(self.CHAIN)
        process = subprocess.Popen(
            [sys.executable, str(tmp_path / "chain.py"), str(tmp_path)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

        def wait_for_file(path):
            wait_for(lambda: path.exists() or process.poll() is not None, "the second notebook")
            assert process.poll() is None
            return process

        yield wait_for_file
        process.kill()
        process.wait()

    @pytest.fixture
    def second_sleeps(self, chain, tmp_path):
        """Write two notebooks; the second one sleeps in its first attempt."""
        chain.write("01_setup.ipynb", counting(tmp_path / "first"), outputs="middle=7")
        sleep = f"import pathlib\nif not pathlib.Path({str(tmp_path / 'started')!r}).exists():\n"
        sleep += "".join(f"    {line}\n" for line in touch_and_sleep(tmp_path / "started").splitlines())
        chain.write("02_train.ipynb", sleep, parameters="middle: int = 0  # any", outputs="last=middle * 6")
        return tmp_path / "started"

    def test_killed_run_can_be_resumed(self, chain, tmp_path, second_sleeps, other_process):
        process = other_process(second_sleeps)
        kernel = psutil.Process(int(second_sleeps.read_text()))
        process.kill()
        process.wait()
        (chain.folder,) = chain.runs.iterdir()
        state = json.loads((chain.folder / "run.json").read_text())
        assert (state["status"], state["pid"]) == ("running", process.pid)
        assert chain.statuses == [("setup", "succeeded"), ("train", "running")]
        assert chain.resume()["last"] == 42
        assert (tmp_path / "first").read_text() == "1"
        assert chain.statuses == [("setup", "succeeded"), ("train", "killed"), ("train", "succeeded")]
        assert chain.cells("02_train.attempt-1.ipynb")[-1]["outputs"] == []
        psutil.wait_procs([kernel], timeout=60)
        assert not kernel.is_running()

    def test_run_of_another_process_is_refused(self, chain, second_sleeps, other_process):
        process = other_process(second_sleeps)
        (folder,) = chain.runs.iterdir()
        with pytest.raises(DataError, match=f"is in use: the run is still going on in process {process.pid}"):
            RunRecord.reopen(folder)
        assert json.loads((folder / "run.json").read_text())["status"] == "running"


class TestReuse:
    @pytest.fixture(autouse=True)
    def without_mlflow(self, monkeypatch):
        """Skip the check for MLflow runs, which the small notebooks do not have."""
        monkeypatch.setattr(backends, "missing_artifacts", lambda parameters, stage, name, run_name: [])

    @pytest.fixture
    def two_counters(self, chain, tmp_path):
        """Write two notebooks that count how often they run; return a function that reads the counts."""
        chain.write(
            "01_setup.ipynb", counting(tmp_path / "1"), parameters="seed: int = 0  # any", outputs="middle=seed + 1"
        )
        chain.write(
            "02_train.ipynb", counting(tmp_path / "2"), parameters="middle: int = 0  # any", outputs="last=middle * 6"
        )
        return lambda: [int((tmp_path / name).read_text()) for name in "12"]

    def test_unchanged_stages_are_reused(self, chain, two_counters, capsys):
        chain.run(seed=6)
        first = chain.folder
        assert chain.run(seed=6, reuse=True)["last"] == 42
        assert two_counters() == [1, 1]
        assert chain.statuses == [("setup", "reused"), ("train", "reused")]
        assert [stage["reused_from"] for stage in chain.stages] == [first.name] * 2
        assert (chain.folder / "02_train.ipynb").read_text() == (first / "02_train.ipynb").read_text()
        assert f"same as in {first.name}" in capsys.readouterr().err

    def test_nothing_is_reused_by_default(self, chain, two_counters):
        chain.run(seed=6)
        chain.run(seed=6)
        assert two_counters() == [2, 2]

    def test_changed_stages_and_their_dependents_run(self, chain, two_counters):
        chain.run(seed=6)
        assert chain.run(seed=7, reuse=True)["last"] == 48
        assert two_counters() == [2, 2]

    def test_stages_before_a_change_are_reused(self, chain, two_counters):
        chain.run(seed=6)
        chain.write("02_train.ipynb", parameters="middle: int = 0  # any", outputs="last=middle * 7")
        assert chain.run(seed=6, reuse=True)["last"] == 49
        assert chain.statuses == [("setup", "reused"), ("train", "succeeded")]

    def test_equal_outputs_let_later_stages_be_reused(self, chain, two_counters, tmp_path):
        chain.run(seed=6)
        chain.write("01_setup.ipynb", "other = 1", parameters="seed: int = 0  # any", outputs="middle=seed + other")
        assert chain.run(seed=6, reuse=True)["last"] == 42
        assert chain.statuses == [("setup", "succeeded"), ("train", "reused")]

    def test_reused_results_can_be_reused_again(self, chain, two_counters):
        chain.run(seed=6)
        first = chain.folder.name
        chain.run(seed=6, reuse=True)
        chain.run(seed=6, reuse=True)
        assert [stage["reused_from"] for stage in chain.stages] == [first] * 2

    def test_failures_are_not_reused(self, chain, tmp_path):
        fails = counting(tmp_path / "tries") + "\nif tries.read_text() == '1':\n    raise ValueError('no')"
        chain.write("01_setup.ipynb", fails, outputs="answer=42")
        with pytest.raises(failures.StageFailed):
            chain.run()
        chain.run(reuse=True)
        assert chain.statuses == [("setup", "succeeded")]

    def test_unchanged_candidates_are_reused(self, chain):
        chain.write("03_train.ipynb", parameters=TRAINED, outputs="candidates=[training_function]")
        chain.run(training_functions=["two"])
        values = chain.run(training_functions=["one", "two"], max_parallel_notebooks=1, reuse=True)
        assert values["candidates"] == ["one", "two"]
        assert chain.statuses == [("train one", "succeeded"), ("train two", "reused")]

    def test_parallelism_does_not_affect_reuse(self, chain):
        parameters = f"{TRAINED}\nthreads: int = 0  # how many"
        chain.write("03_train.ipynb", parameters=parameters, outputs="candidates=[training_function]")
        chain.run(max_parallel_notebooks=2)
        chain.run(max_parallel_notebooks=1, threads=1, reuse=True)
        assert {status for _, status in chain.statuses} == {"reused"}


def test_no_kernel_or_thread_is_left(chain):
    chain.write("01_setup.ipynb", outputs="middle=1")
    chain.write("02_train.ipynb", parameters="middle: int = 0  # any", outputs="last=middle")
    chain.run()
    assert not kernel_pool.kernels._spares
    assert not [
        thread for thread in threading.enumerate() if thread.name.startswith(("end of kernel", "notebook", "watch"))
    ]


def test_interrupt_delivered_to_another_thread_is_handled():
    done = subprocess.run([sys.executable, "-c", WAITING], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "interrupted", done.stderr
