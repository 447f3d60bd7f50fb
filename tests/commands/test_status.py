"""The command ``status``: stages, the running cell, time, memory and the last lines of output."""

import json
import threading

import pytest

from lib.chain import record as records
from lib.chain.record import RunRecord
from lib.commands import main

PARAMETERS = {"name": "shop"}


def notebook(*outputs, started=None):
    """Return an executed notebook with a cell for each list of outputs, the first `started` of which have begun."""
    started = len(outputs) if started is None else started
    cells = [
        {
            "cell_type": "code",
            "source": [f"step_{number}()\n", "more()"],
            "metadata": {"papermill": {"start_time": "2026-11-30T12:00:00" if number <= started else None}},
            "outputs": cell_outputs,
        }
        for number, cell_outputs in enumerate(outputs, start=1)
    ]
    return json.dumps({"cells": [{"cell_type": "markdown", "source": "# Title"}, *cells]})


def printed(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


@pytest.fixture
def run(tmp_path):
    """Return a run whose first stage has succeeded and whose second one is running."""
    record = RunRecord.new(tmp_path, "shop", PARAMETERS)
    record.end(record.begin("setup", "01_setup.ipynb"), records.SUCCEEDED, seconds=1.25)
    record.begin("train linear", "03_train-linear.ipynb")
    lines = printed("0 %\r50 %\r100 %\nread 5 rows\nfold 1\nfold 2\n")
    (record.folder / "03_train-linear.ipynb").write_text(notebook([], [lines], [], started=2))
    return record


def status(capsys, *arguments):
    assert main(["status", *map(str, arguments)]) == 0
    return capsys.readouterr().out.splitlines()


def test_a_running_stage_shows_cell_and_last_lines(run, capsys):
    run.beat(memory_megabytes=1234)
    first, setup, train, *lines = status(capsys, run.folder, "--lines", 3)
    assert f"{run.name}: running for 0:00:0" in first and "1,234 MB of memory" in first
    assert setup.split() == ["✓", "setup", "succeeded", "1.2", "s"]
    assert train.startswith("… train linear") and train.endswith("s  cell 2 of 3: step_2()")
    assert [line.strip() for line in lines] == ["read 5 rows", "fold 1", "fold 2"]


def test_a_progress_bar_shows_its_last_state_only(run, capsys):
    assert [line.strip() for line in status(capsys, run.folder)[-4:]] == ["100 %", "read 5 rows", "fold 1", "fold 2"]


def test_a_stage_without_a_notebook_is_shown(run, capsys):
    (run.folder / "03_train-linear.ipynb").unlink()
    assert "train linear" in status(capsys, run.folder)[-1]


def test_a_silent_run_is_reported(run, capsys):
    run.beat(memory_megabytes=1)
    run._state["heartbeat"]["time"] = "2026-01-01T00:00:00+00:00"
    run._save()
    assert "no sign of life for" in status(capsys, run.folder)[0]


def test_a_killed_run_is_not_shown_as_running(run, capsys):
    run._folder_lock.release()  # as the system does when a process ends
    first, _, train, *_ = status(capsys, run.folder)
    assert first.endswith(": killed") and "killed" in train


def test_a_failed_run_shows_its_error(run, capsys):
    (entry,) = run._state["stages"][1:]
    run.end(entry, records.FAILED, seconds=2, error="no such column")
    run.close(records.FAILED, "no such column")
    first, *_, last = status(capsys, run.folder)
    assert "failed after 0:00:0" in first and last == "no such column"


def test_the_newest_run_is_shown_by_default(run, capsys):
    assert run.name in status(capsys, "-p", f"runs_folder={run.folder.parent}")[0]


def test_follow_ends_with_the_run_and_prints_each_line_once(run, capsys, monkeypatch):
    monkeypatch.setattr("lib.commands.status._REFRESH_SECONDS", 0.02)

    def end():
        run.end(run._state["stages"][1], records.SUCCEEDED, seconds=2)
        run.close(records.SUCCEEDED)

    timer = threading.Timer(0.3, end)
    timer.start()
    lines = status(capsys, run.folder, "--follow")
    timer.join()
    assert sum(line.startswith("✓ setup") for line in lines) == 1
    assert sum(line.strip() == "fold 2" for line in lines) == 1
    assert lines[-1].startswith("✓ train linear")


def test_a_folder_without_a_run_is_refused(tmp_path, capsys):
    assert main(["status", str(tmp_path)]) == 2
    assert "is not the folder of a run" in capsys.readouterr().err
