"""The record of a run: whole at every moment, in a folder of its own, written by one process at a time."""

import json
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from lib.chain import record
from lib.chain.record import RunRecord
from lib.errors import DataError, ParameterError
from lib.paths import ROOT
from tests.chain.small_notebooks import wait_for

PARAMETERS = {"name": "shop", "seed": 7, "min_score": None, "options": {"ü": [1, 2.5]}, "task": "binary"}


@pytest.fixture
def run(tmp_path):
    return RunRecord.new(tmp_path / "runs", "shop", PARAMETERS)


def read(run):
    return json.loads((run.folder / record.RECORD).read_text(encoding="utf-8"))


def execution(run, label="setup", file_name="01_setup.ipynb", status=record.SUCCEEDED, **facts):
    """One that begins, leaves its notebook and ends."""
    entry = run.begin(label, file_name)
    (run.folder / file_name).write_text(f"attempt {entry.get('attempt', 1)}")
    run.end(entry, status, **facts)
    return entry


def test_from_its_first_moment_it_says_that_the_run_goes_on(run):
    state = read(run)
    assert (state["name"], state["status"], state["stages"]) == ("shop", record.RUNNING, [])
    assert state["pid"] == os.getpid()
    assert "ended" not in state


def test_the_folder_is_named_by_time_and_use_case(run):
    assert re.fullmatch(r"\d{8}-\d{6}-shop", run.name)


def test_the_resolved_parameters_lie_beside_it_and_can_be_given_again(run):
    assert yaml.safe_load((run.folder / record.PARAMETERS).read_text(encoding="utf-8")) == PARAMETERS
    assert run.parameters == PARAMETERS


def test_a_stage_is_there_from_its_beginning_to_its_end(run):
    entry = run.begin("train linear", "03_train-linear.ipynb")
    (stage,) = read(run)["stages"]
    assert (stage["stage"], stage["notebook"]) == ("train linear", "03_train-linear.ipynb")
    assert (stage["status"], "seconds" in stage) == (record.RUNNING, False)
    run.end(entry, record.SUCCEEDED, seconds=1.235, outputs={"candidates": ["abc"]}, file_hashes={})
    (stage,) = read(run)["stages"]
    assert (stage["status"], stage["seconds"], stage["outputs"]) == (record.SUCCEEDED, 1.235, {"candidates": ["abc"]})
    assert "error" not in stage and "file_hashes" not in stage and "attempt" not in stage


def test_no_seconds_at_all_are_a_fact_too(run):
    execution(run, seconds=0.0)
    assert read(run)["stages"][0]["seconds"] == 0


def test_a_failure_is_told_at_the_stage_and_at_the_run(run):
    execution(run, status=record.FAILED, error="no such table: straße")
    run.close(record.FAILED, "no such table: straße")
    state = read(run)
    assert state["stages"][0]["error"] == state["error"] == "no such table: straße"
    assert (state["status"], state["stages"][0]["status"]) == (record.FAILED, record.FAILED)
    assert state["ended"] >= state["started"]


def test_what_is_noted_of_the_run_stays_beside_its_state(run):
    run.note(plan={"first": "train"})
    execution(run)
    run.close(record.SUCCEEDED)
    assert (read(run)["plan"], read(run)["status"]) == ({"first": "train"}, record.SUCCEEDED)


def test_runs_of_the_same_second_have_folders_of_their_own(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(lambda number: RunRecord.new(tmp_path, "shop", {"seed": number}), range(24)))
    assert len({run.folder for run in runs}) == 24
    for number, run in enumerate(runs):
        assert yaml.safe_load((run.folder / record.PARAMETERS).read_text()) == {"seed": number}


def test_notebooks_that_run_side_by_side_each_have_an_entry(run):
    def one(number):
        execution(run, f"train {number}", f"03_train-{number}.ipynb", outputs={"candidates": [number]})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(one, range(32)))
    stages = read(run)["stages"]
    assert {stage["stage"]: stage["outputs"]["candidates"] for stage in stages} == {
        f"train {number}": [number] for number in range(32)
    }


def test_a_folder_that_cannot_be_made_is_a_mistake_in_its_parameter(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(ParameterError, match="runs_folder: cannot create .*runs"):
        RunRecord.new(tmp_path / "runs", "shop", PARAMETERS)


class TestWhole:
    """Whoever reads at any moment sees the state before a change or after it."""

    def test_looked_at_in_the_middle_of_every_write(self, run, monkeypatch):
        seen = []
        write = Path.write_text

        def watched(path, text, **options):
            write(path, text[: len(text) // 2], **options)
            seen.append(read(run)["status"])
            return write(path, text, **options)

        monkeypatch.setattr(Path, "write_text", watched)
        run.end(run.begin("setup", "01_setup.ipynb"), record.SUCCEEDED)
        run.close(record.SUCCEEDED)
        assert seen == [record.RUNNING] * 3
        assert read(run)["status"] == record.SUCCEEDED

    def test_a_write_that_fails_leaves_the_state_before(self, run, monkeypatch):
        run.begin("setup", "01_setup.ipynb")

        def full(path, text, **options):
            path.touch()
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space"):
            run.close(record.SUCCEEDED)
        assert read(run)["status"] == record.RUNNING

    def test_nothing_else_is_left_in_the_folder(self, run):
        run.close(record.SUCCEEDED)
        left = {one.name for one in run.folder.iterdir()} - {record.LOCK}  # Windows removes it, Linux does not
        assert left == {record.PARAMETERS, record.RECORD}


class TestAttempts:
    def test_each_keeps_its_own_notebook_and_its_own_entry(self, run):
        execution(run, status=record.FAILED, error="no luck")
        execution(run, status=record.FAILED, error="no luck again")
        execution(run, outputs={"answer": 42})
        first, second, third = read(run)["stages"]
        assert [one["notebook"] for one in (first, second, third)] == [
            "01_setup.attempt-1.ipynb",
            "01_setup.attempt-2.ipynb",
            "01_setup.ipynb",
        ]
        assert [one.get("attempt") for one in (first, second, third)] == [None, 2, 3]
        assert [(run.folder / one["notebook"]).read_text() for one in (first, second, third)] == [
            "attempt 1",
            "attempt 2",
            "attempt 3",
        ]
        assert first["error"] == "no luck"

    def test_one_that_left_no_notebook_takes_no_other_ones(self, run):
        run.end(run.begin("setup", "01_setup.ipynb"), record.FAILED)
        execution(run)
        assert not (run.folder / "01_setup.attempt-1.ipynb").exists()
        assert (run.folder / "01_setup.ipynb").read_text() == "attempt 2"

    def test_those_of_another_training_function_are_left_alone(self, run):
        execution(run, "train one", "03_train-one.ipynb")
        execution(run, "train two", "03_train-two.ipynb")
        assert sorted(one.name for one in run.folder.glob("*.ipynb")) == ["03_train-one.ipynb", "03_train-two.ipynb"]


class TestOutputs:
    @pytest.mark.parametrize("status", [record.SUCCEEDED, record.REUSED])
    def test_of_what_is_done(self, run, status):
        execution(run, status=status, outputs={"answer": 42})
        assert run.outputs("setup") == {"answer": 42}

    def test_of_what_is_done_and_hands_nothing_on(self, run):
        execution(run, outputs={})
        assert run.outputs("setup") == {}

    @pytest.mark.parametrize("status", [record.RUNNING, record.FAILED, record.HELD, record.INTERRUPTED, record.KILLED])
    def test_of_what_is_not_done(self, run, status):
        execution(run, status=status, outputs={"answer": 42})
        assert run.outputs("setup") is None
        assert run.outputs("preprocess") is None

    def test_of_an_attempt_that_succeeded_after_one_that_failed(self, run):
        execution(run, status=record.FAILED)
        execution(run, outputs={"answer": 42})
        assert run.outputs("setup") == {"answer": 42}


class TestReopen:
    def test_what_ran_when_the_chain_was_killed_is_marked_so(self, run):
        execution(run, outputs={"answer": 42})
        run.begin("train linear", "03_train-linear.ipynb")
        run._file_lock.release()  # as the system does for a process that ends
        again = RunRecord.reopen(run.folder)
        state = read(again)
        assert [one["status"] for one in state["stages"]] == [record.SUCCEEDED, record.KILLED]
        assert "killed" in state["stages"][1]["error"]
        assert (state["status"], len(state["resumed"])) == (record.RUNNING, 1)
        assert again.outputs("setup") == {"answer": 42} and again.outputs("train linear") is None
        assert again.parameters == PARAMETERS

    def test_the_error_of_the_time_before_is_no_longer_that_of_the_run(self, run):
        run.close(record.FAILED, "no such table")
        again = RunRecord.reopen(run.folder)
        assert "error" not in read(again)
        again.close(record.SUCCEEDED)
        assert "error" not in read(again) and read(again)["status"] == record.SUCCEEDED

    def test_a_run_that_goes_on_does_not_say_that_it_has_ended(self, run):
        run.close(record.FAILED, "no such table")
        assert "ended" not in read(RunRecord.reopen(run.folder))

    def test_each_time_is_noted(self, run):
        run.close(record.FAILED)
        RunRecord.reopen(run.folder).close(record.FAILED)
        assert len(read(RunRecord.reopen(run.folder))["resumed"]) == 2

    @pytest.mark.parametrize("content", [None, "", "{", "\x00"])
    def test_a_folder_without_a_record_is_no_run(self, tmp_path, content):
        if content is not None:
            (tmp_path / record.RECORD).write_text(content)
        with pytest.raises(DataError, match="is not the folder of a run|is damaged"):
            RunRecord.reopen(tmp_path)


@pytest.mark.parametrize("content", ["null", "[]", "{}", '{"status": "running"}'])
def test_json_that_is_no_record_is_refused_too(tmp_path, content):
    (tmp_path / record.RECORD).write_text(content)
    with pytest.raises(DataError, match="is not the record of a run"):
        record.read(tmp_path)


class TestOneWriter:
    HOLD = (
        "import pathlib, sys, time\nfrom lib.chain.record import RunRecord\n"
        "record = RunRecord.new(pathlib.Path(sys.argv[1]), 'shop', {'seed': 7})\n"
        "record.begin('setup', '01_setup.ipynb')\nprint(record.folder, flush=True)\ntime.sleep(3600)"
    )

    @pytest.fixture
    def holder(self, tmp_path):
        """Another process that writes a run, and the folder of that run."""
        process = subprocess.Popen(
            [sys.executable, "-c", self.HOLD, str(tmp_path / "runs")], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        yield process, Path(process.stdout.readline().strip())
        process.kill()
        process.communicate()

    def test_a_second_process_is_refused_with_the_id_of_the_first(self, holder):
        process, folder = holder
        before = (folder / record.RECORD).read_text()
        with pytest.raises(DataError) as refused:
            RunRecord.reopen(folder)
        assert f"in process {process.pid}." in str(refused.value) and f"kill {process.pid}" in str(refused.value)
        assert (folder / record.RECORD).read_text() == before

    def test_what_a_killed_one_left_can_be_gone_on_with(self, holder):
        process, folder = holder
        process.send_signal(signal.SIGKILL)
        process.wait()
        run = wait_for(lambda: RunRecord.reopen(folder), "the lock")
        assert [one["status"] for one in read(run)["stages"]] == [record.KILLED]
        assert read(run)["pid"] == os.getpid()

    def test_once_it_has_ended_the_folder_is_free(self, run):
        run.close(record.SUCCEEDED)
        assert RunRecord.reopen(run.folder).folder == run.folder

    def test_reading_asks_nobody(self, holder):
        assert record.read(holder[1])["pid"] == holder[0].pid


def test_the_newest_run_comes_first_and_other_folders_are_none(tmp_path):
    for name in ("20260101-000000-a", "20270101-000000-b", "20260601-000000-c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / record.RECORD).write_text("{}")
    (tmp_path / "notes").mkdir()
    assert [one.name[:4] + one.name[-1] for one in record.newest_first(tmp_path)] == ["2027b", "2026c", "2026a"]
    assert record.newest_first(tmp_path / "nowhere") == []
