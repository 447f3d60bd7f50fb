"""The record of a run: always complete, in its own folder, written by one process at a time."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from lib.chain import record, run_folder
from lib.chain.moved_workspace import follow_workspace
from lib.chain.record import RunRecord
from lib.errors import DataError, ParameterError, StorageError
from lib.paths import ROOT
from tests.chain.small_notebooks import wait_for

PARAMETERS = {"name": "shop", "seed": 7, "min_score": None, "options": {"ü": [1, 2.5]}, "task": "binary"}


@pytest.fixture
def run(tmp_path):
    return RunRecord.new(tmp_path / "runs", "shop", PARAMETERS)


def read(run):
    return json.loads((run.folder / record.RECORD).read_text(encoding="utf-8"))


def execution(run, label="setup", file_name="01_setup.ipynb", status=record.SUCCEEDED, **facts):
    """Record an execution that starts, writes its notebook and ends."""
    entry = run.begin(label, file_name)
    (run.folder / file_name).write_text(f"attempt {entry.get('attempt', 1)}")
    run.end(entry, status, **facts)
    return entry


def test_new_record_has_status_running(run):
    state = read(run)
    assert (state["name"], state["status"], state["stages"]) == ("shop", record.RUNNING, [])
    assert state["pid"] == os.getpid()
    assert "ended" not in state


def test_folder_name_has_time_and_use_case(run):
    assert re.fullmatch(r"\d{8}-\d{6}-shop", run.name)


def test_parameters_are_saved_and_can_be_loaded(run):
    expected = {**PARAMETERS, "run_name": run.folder.name}
    assert yaml.safe_load((run.folder / record.PARAMETERS).read_text(encoding="utf-8")) == expected
    assert run.parameters == expected


def test_saved_parameters_have_no_aliases(tmp_path):
    prices = {"small": 1.5}
    run = RunRecord.new(tmp_path, "shop", {"prices": prices, "azure": {"prices": prices}})
    text = (run.folder / record.PARAMETERS).read_text()
    assert "&" not in text and "*" not in text
    assert yaml.safe_load(text)["azure"]["prices"] == prices


def test_stage_is_recorded_at_its_start_and_end(run):
    entry = run.begin("train linear", "03_train-linear.ipynb")
    (stage,) = read(run)["stages"]
    assert (stage["stage"], stage["notebook"]) == ("train linear", "03_train-linear.ipynb")
    assert (stage["status"], "seconds" in stage) == (record.RUNNING, False)
    run.end(entry, record.SUCCEEDED, seconds=1.235, outputs={"candidates": ["abc"]}, file_hashes={})
    (stage,) = read(run)["stages"]
    assert (stage["status"], stage["seconds"], stage["outputs"]) == (record.SUCCEEDED, 1.235, {"candidates": ["abc"]})
    assert "error" not in stage and "file_hashes" not in stage and "attempt" not in stage


def test_zero_seconds_are_recorded(run):
    execution(run, seconds=0.0)
    assert read(run)["stages"][0]["seconds"] == 0


def test_failure_is_recorded_at_stage_and_run(run):
    execution(run, status=record.FAILED, error="no such table: straße")
    run.close(record.FAILED, "no such table: straße")
    state = read(run)
    assert state["stages"][0]["error"] == state["error"] == "no such table: straße"
    assert (state["status"], state["stages"][0]["status"]) == (record.FAILED, record.FAILED)
    assert state["ended"] >= state["started"]


def test_notes_are_kept(run):
    run.note(plan={"first": "train"})
    execution(run)
    run.close(record.SUCCEEDED)
    assert (read(run)["plan"], read(run)["status"]) == ({"first": "train"}, record.SUCCEEDED)


def test_runs_of_the_same_second_have_separate_folders(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(lambda number: RunRecord.new(tmp_path, "shop", {"seed": number}), range(24)))
    assert len({run.folder for run in runs}) == 24
    for number, run in enumerate(runs):
        assert yaml.safe_load((run.folder / record.PARAMETERS).read_text()) == {
            "seed": number,
            "run_name": run.folder.name,
        }


def test_parallel_notebooks_have_separate_entries(run):
    def run_one(number):
        execution(run, f"train {number}", f"03_train-{number}.ipynb", outputs={"candidates": [number]})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(run_one, range(32)))
    stages = read(run)["stages"]
    assert {stage["stage"]: stage["outputs"]["candidates"] for stage in stages} == {
        f"train {number}": [number] for number in range(32)
    }


def test_read_only_runs_folder_is_a_parameter_error(tmp_path, monkeypatch):
    make = Path.mkdir

    def refuse(path, *arguments, **options):
        if path.parent == tmp_path / "runs":
            raise PermissionError(13, "Permission denied", str(path))
        make(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", refuse)  # root may write into read-only folders, too
    with pytest.raises(ParameterError, match="runs_folder: cannot create .*Permission denied"):
        RunRecord.new(tmp_path / "runs", "shop", PARAMETERS)


def test_unusable_runs_folder_is_a_parameter_error(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(ParameterError, match="runs_folder: cannot create .*runs"):
        RunRecord.new(tmp_path / "runs", "shop", PARAMETERS)


class TestAtomicWrites:
    """Readers see the state before or after a change, never half of it."""

    def test_readers_never_see_half_a_record(self, run, monkeypatch):
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

    def test_failed_write_keeps_the_old_state(self, run, monkeypatch):
        run.begin("setup", "01_setup.ipynb")

        def full(path, text, **options):
            path.touch()
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space.*run.json"):
            run.close(record.SUCCEEDED)
        assert read(run)["status"] == record.RUNNING

    def test_deleted_folder_is_named(self, run):
        shutil.rmtree(run.folder)
        with pytest.raises(StorageError, match=f"{run.folder.name} no longer exists"):
            run.note(decision="none")

    def test_no_other_file_is_left(self, run):
        run.close(record.SUCCEEDED)
        left = {path.name for path in run.folder.iterdir()} - {run_folder.LOCK}  # which Windows removes and Linux keeps
        assert left == {record.PARAMETERS, record.RECORD}


class TestAttempts:
    def test_each_attempt_keeps_its_notebook_and_entry(self, run):
        execution(run, status=record.FAILED, error="no luck")
        execution(run, status=record.FAILED, error="no luck again")
        execution(run, outputs={"answer": 42})
        first, second, third = read(run)["stages"]
        assert [entry["notebook"] for entry in (first, second, third)] == [
            "01_setup.attempt-1.ipynb",
            "01_setup.attempt-2.ipynb",
            "01_setup.ipynb",
        ]
        assert [entry.get("attempt") for entry in (first, second, third)] == [None, 2, 3]
        assert [(run.folder / entry["notebook"]).read_text() for entry in (first, second, third)] == [
            "attempt 1",
            "attempt 2",
            "attempt 3",
        ]
        assert first["error"] == "no luck"

    def test_attempt_without_a_notebook(self, run):
        run.end(run.begin("setup", "01_setup.ipynb"), record.FAILED)
        execution(run)
        assert not (run.folder / "01_setup.attempt-1.ipynb").exists()
        assert (run.folder / "01_setup.ipynb").read_text() == "attempt 2"

    def test_other_training_functions_are_not_renamed(self, run):
        execution(run, "train one", "03_train-one.ipynb")
        execution(run, "train two", "03_train-two.ipynb")
        assert sorted(path.name for path in run.folder.glob("*.ipynb")) == ["03_train-one.ipynb", "03_train-two.ipynb"]


class TestOutputs:
    @pytest.mark.parametrize("status", [record.SUCCEEDED, record.REUSED])
    def test_outputs_of_a_finished_stage(self, run, status):
        execution(run, status=status, outputs={"answer": 42})
        assert run.outputs("setup") == {"answer": 42}

    def test_finished_stage_without_outputs(self, run):
        execution(run, outputs={})
        assert run.outputs("setup") == {}

    @pytest.mark.parametrize("status", [record.RUNNING, record.FAILED, record.HELD, record.INTERRUPTED, record.KILLED])
    def test_unfinished_stage_has_no_outputs(self, run, status):
        execution(run, status=status, outputs={"answer": 42})
        assert run.outputs("setup") is None
        assert run.outputs("preprocess") is None

    def test_outputs_of_a_successful_second_attempt(self, run):
        execution(run, status=record.FAILED)
        execution(run, outputs={"answer": 42})
        assert run.outputs("setup") == {"answer": 42}


class TestReopen:
    def test_running_stages_are_marked_as_killed(self, run):
        execution(run, outputs={"answer": 42})
        run.begin("train linear", "03_train-linear.ipynb")
        run._folder_lock.release()  # as the system does when a process ends
        again = RunRecord.reopen(run.folder)
        state = read(again)
        assert [stage["status"] for stage in state["stages"]] == [record.SUCCEEDED, record.KILLED]
        assert "killed" in state["stages"][1]["error"]
        assert (state["status"], len(state["resumed"])) == (record.RUNNING, 1)
        assert again.outputs("setup") == {"answer": 42} and again.outputs("train linear") is None
        assert again.parameters == {**PARAMETERS, "run_name": run.folder.name}

    def test_earlier_error_is_removed(self, run):
        run.close(record.FAILED, "no such table")
        again = RunRecord.reopen(run.folder)
        assert "error" not in read(again)
        again.close(record.SUCCEEDED)
        assert "error" not in read(again) and read(again)["status"] == record.SUCCEEDED

    def test_reopened_run_has_no_end(self, run):
        run.close(record.FAILED, "no such table")
        assert "ended" not in read(RunRecord.reopen(run.folder))

    def test_every_resume_is_recorded(self, run):
        run.close(record.FAILED)
        RunRecord.reopen(run.folder).close(record.FAILED)
        assert len(read(RunRecord.reopen(run.folder))["resumed"]) == 2

    @pytest.mark.parametrize("content", [None, "", "{", "\x00"])
    def test_missing_or_damaged_record_is_refused(self, tmp_path, content):
        if content is not None:
            (tmp_path / record.RECORD).write_text(content)
        with pytest.raises(DataError, match="is not the folder of a run|is damaged"):
            RunRecord.reopen(tmp_path)


@pytest.mark.parametrize("content", ["null", "[]", "{}", '{"status": "running"}'])
def test_other_json_is_refused(tmp_path, content):
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
        """Start another process that writes a run; return the process and the run's folder."""
        process = subprocess.Popen(
            [sys.executable, "-c", self.HOLD, str(tmp_path / "runs")], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        yield process, Path(process.stdout.readline().strip())
        process.kill()
        process.communicate()

    def test_second_process_is_refused(self, holder):
        process, folder = holder
        before = (folder / record.RECORD).read_text()
        with pytest.raises(DataError) as refused:
            RunRecord.reopen(folder)
        assert f"in process {process.pid}." in str(refused.value) and f"kill {process.pid}" in str(refused.value)
        assert (folder / record.RECORD).read_text() == before

    def test_run_of_a_killed_process_can_be_reopened(self, holder):
        process, folder = holder
        process.send_signal(signal.SIGKILL)
        process.wait()
        run = wait_for(lambda: RunRecord.reopen(folder), "the lock")
        assert [stage["status"] for stage in read(run)["stages"]] == [record.KILLED]
        assert read(run)["pid"] == os.getpid()

    def test_closed_run_can_be_reopened(self, run):
        run.close(record.SUCCEEDED)
        assert RunRecord.reopen(run.folder).folder == run.folder

    def test_reading_needs_no_lock(self, holder):
        assert record.read(holder[1])["pid"] == holder[0].pid


def test_newest_first_ignores_other_folders(tmp_path):
    for name in ("20260101-000000-a", "20270101-000000-b", "20260601-000000-c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / record.RECORD).write_text("{}")
    (tmp_path / "notes").mkdir()
    assert [folder.name[:4] + folder.name[-1] for folder in record.list_newest_first(tmp_path)] == [
        "2027b",
        "2026c",
        "2026a",
    ]
    assert record.list_newest_first(tmp_path / "nowhere") == []


class TestMovedWorkspace:
    @pytest.fixture
    def moved(self, tmp_path):
        """Return a run of a project folder that was renamed since, and the URIs of its table before and after."""
        old, new = tmp_path / "a b", tmp_path / "moved"
        (old / "workspace").mkdir(parents=True)
        run = RunRecord.new(old / "runs", "shop", {**PARAMETERS, "workspace": str(old / "workspace")})
        table = (old / "workspace" / "data" / "train.parquet").as_uri()
        execution(run, outputs={"train_data": table, "tables": [table], "other": f"{old.as_uri()}/other.csv"})
        run.close(record.FAILED, "no")
        old.rename(new)
        folder = new / "runs" / run.name
        (folder / record.PARAMETERS).write_text(yaml.safe_dump({"workspace": str(new / "workspace")}))
        return folder, (new / "workspace" / "data" / "train.parquet").as_uri()

    def test_resume_finds_the_outputs_at_their_new_place(self, moved):
        folder, table = moved
        outputs = RunRecord.reopen(folder).outputs("setup")
        assert outputs["train_data"] == table and outputs["tables"] == [table]
        assert outputs["other"].endswith("/a%20b/other.csv")  # it was not in the workspace

    def test_reuse_finds_the_outputs_at_their_new_place(self, moved):
        folder, table = moved
        state = follow_workspace(record.read(folder), {"workspace": str(folder.parents[1] / "workspace")})
        assert state["stages"][0]["outputs"]["train_data"] == table

    def test_a_workspace_in_its_place_changes_nothing(self, moved):
        folder, _ = moved
        state = record.read(folder)
        assert follow_workspace({**state, "workspace": folder.as_uri()}, {"workspace": str(folder)}) == {
            **state,
            "workspace": folder.as_uri(),
        }


class TestCurrentState:
    def test_a_run_in_progress_is_running(self, run):
        execution(run, status=record.RUNNING)
        assert record.read_current(run.folder) == read(run)

    def test_a_run_whose_process_was_killed_is_killed(self, run):
        execution(run, status=record.SUCCEEDED)
        run.begin("train linear", "03_train-linear.ipynb")
        run._folder_lock.release()  # as the system does when a process ends
        state = record.read_current(run.folder)
        assert state["status"] == record.KILLED
        assert [stage["status"] for stage in state["stages"]] == [record.SUCCEEDED, record.KILLED]
        assert record.list_unfinished(run.folder.parent) == [(run.folder, record.KILLED)]
        assert read(run)["status"] == record.RUNNING  # the file is left as it is

    def test_a_finished_run_keeps_its_status(self, run):
        run.close(record.SUCCEEDED)
        assert record.read_current(run.folder)["status"] == record.SUCCEEDED


def test_only_the_newest_execution_of_the_label_fails_after_all(run):
    for label in ("train a", "train b", "train b", "train c"):
        run.end(run.begin(label, f"{label}.ipynb"), record.SUCCEEDED)
    run.fail("train b", "a secret")
    assert [stage["status"] for stage in read(run)["stages"]] == ["succeeded", "succeeded", "failed", "succeeded"]
    assert read(run)["stages"][2]["error"] == "a secret"


def test_a_record_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / record.RECORD).mkdir()
    with pytest.raises(DataError, match="run.json cannot be read: Is a directory"):
        record.read(tmp_path)


def test_records_are_written_in_utf_8_on_any_system(tmp_path, monkeypatch):
    encodings = []
    write = Path.write_text

    def watched(path, text, encoding=None):
        encodings.append(encoding)
        return write(path, text, encoding)

    monkeypatch.setattr(Path, "write_text", watched)
    run = RunRecord.new(tmp_path, "Süd", PARAMETERS)
    run.close(record.SUCCEEDED)
    assert set(encodings) == {"utf-8"}
    assert '"Süd"' in (run.folder / record.RECORD).read_text(encoding="utf-8")
