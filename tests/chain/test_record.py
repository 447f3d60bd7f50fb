"""The record of a run: whole at every moment, in a folder of its own."""

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from lib.chain import record
from lib.chain.record import RunRecord

PARAMETERS = {"name": "shop", "seed": 7, "min_score": None, "options": {"ü": [1, 2.5]}, "task": "binary"}


@pytest.fixture
def run(tmp_path):
    return RunRecord(tmp_path / "runs", "shop", PARAMETERS)


def read(run):
    return json.loads((run.folder / record.RECORD).read_text(encoding="utf-8"))


def test_from_its_first_moment_it_says_that_the_run_goes_on(run):
    state = read(run)
    assert (state["name"], state["status"], state["stages"]) == ("shop", record.RUNNING, [])
    assert state["pid"] == os.getpid()
    assert "ended" not in state


def test_the_folder_is_named_by_time_and_use_case(run):
    assert re.fullmatch(r"\d{8}-\d{6}-shop", run.name)


def test_the_resolved_parameters_lie_beside_it_and_can_be_given_again(run):
    assert yaml.safe_load((run.folder / record.PARAMETERS).read_text(encoding="utf-8")) == PARAMETERS


def test_a_stage_is_there_from_its_beginning_to_its_end(run):
    run.begin("train linear", Path("runs/03_train-linear.ipynb"))
    (stage,) = read(run)["stages"]
    assert (stage["stage"], stage["notebook"]) == ("train linear", "03_train-linear.ipynb")
    assert (stage["status"], "seconds" in stage) == (record.RUNNING, False)
    run.end(record.SUCCEEDED, 1.23456, outputs={"candidates": ["abc"]})
    (stage,) = read(run)["stages"]
    assert (stage["status"], stage["seconds"], stage["outputs"]) == (record.SUCCEEDED, 1.235, {"candidates": ["abc"]})
    assert "error" not in stage


def test_a_failure_is_told_at_the_stage_and_at_the_run(run):
    run.begin("setup", Path("01_setup.ipynb"))
    run.end(record.FAILED, 2, error="no such table: straße")
    run.close(record.FAILED, "no such table: straße")
    state = read(run)
    assert state["stages"][0]["error"] == state["error"] == "no such table: straße"
    assert (state["status"], state["stages"][0]["status"]) == (record.FAILED, record.FAILED)
    assert state["ended"] >= state["started"]


def test_runs_of_the_same_second_have_folders_of_their_own(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(lambda number: RunRecord(tmp_path, "shop", {"seed": number}), range(24)))
    assert len({run.folder for run in runs}) == 24
    for number, run in enumerate(runs):
        assert yaml.safe_load((run.folder / record.PARAMETERS).read_text()) == {"seed": number}


def test_whoever_reads_meanwhile_sees_the_state_before_or_after(run, monkeypatch):
    """Looked at in the middle of every write."""
    seen = []
    write = Path.write_text

    def watched(path, text, **options):
        write(path, text[: len(text) // 2], **options)
        seen.append(read(run)["status"])
        return write(path, text, **options)

    monkeypatch.setattr(Path, "write_text", watched)
    run.begin("setup", Path("01_setup.ipynb"))
    run.end(record.SUCCEEDED, 1)
    run.close(record.SUCCEEDED)
    assert seen == [record.RUNNING] * 3
    assert read(run)["status"] == record.SUCCEEDED


def test_a_write_that_fails_leaves_the_state_before(run, monkeypatch):
    run.begin("setup", Path("01_setup.ipynb"))

    def full(path, text, **options):
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        run.close(record.SUCCEEDED)
    assert read(run)["status"] == record.RUNNING


def test_nothing_else_is_left_in_the_folder(run):
    run.close(record.SUCCEEDED)
    assert sorted(one.name for one in run.folder.iterdir()) == [record.PARAMETERS, record.RECORD]
