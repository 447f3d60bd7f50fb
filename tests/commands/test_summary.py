"""The command ``summary``: verdict, stages and errors of a run."""

import json
import os

import pytest

from lib.commands import main

RUN = {
    "name": "bikes",
    "status": "succeeded",
    "stages": [
        {"stage": "setup", "status": "succeeded", "seconds": 1.234},
        {"stage": "evaluate", "status": "succeeded", "seconds": 2, "outputs": {"decision": "linear is version 1."}},
        {"stage": "deploy", "status": "succeeded", "seconds": 3, "outputs": {"endpoint_url": "http://here/score"}},
    ],
}


@pytest.fixture
def runs(tmp_path):
    """Return a function that writes runs into a folder."""

    def put(folder, **facts):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "run.json").write_text(json.dumps({**RUN, **facts}))
        return tmp_path / folder

    put.folder = tmp_path
    return put


def summary(capsys, *arguments):
    """Return exit code, output and errors of the command."""
    code = main(["summary", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_summary_of_a_successful_run(runs, capsys):
    code, out, _ = summary(capsys, runs("one"))
    assert code == 0
    assert out.splitlines()[:5] == [
        "## bikes: succeeded",
        "",
        "**Finished, without a decision**",
        "",
        "linear is version 1.",
    ]
    assert "| Endpoint | http://here/score |" in out
    assert "| setup | succeeded | 1.2 |" in out


def test_summary_of_a_failed_run_has_the_error(runs, capsys):
    stages = [{"stage": "setup", "status": "failed", "seconds": 1}, {"stage": "train", "status": "running"}]
    _, out, _ = summary(capsys, runs("one", status="failed", error="No table.\nAdd one.", stages=stages))
    assert out.startswith("## bikes: failed\n\n**Failed**\n")
    assert "| Stopped in | setup, train |" in out and "```\nNo table.\nAdd one.\n```\n" in out
    assert "| train | running | 0.0 |" in out


def test_default_is_the_newest_run(runs, capsys):
    runs("old", name="old")
    os.utime(runs("new", name="new") / "run.json", (2e9, 2e9))
    _, out, _ = summary(capsys, "-p", f"runs_folder={runs.folder}")
    assert out.startswith("## new:")


def test_missing_runs_are_reported(runs, capsys):
    code, _, err = summary(capsys, "-p", f"runs_folder={runs.folder}")
    assert (code, err) == (2, f"run_all.py: There is no run in {runs.folder}.\n")


def test_other_folders_are_refused(runs, capsys):
    code, _, err = summary(capsys, runs.folder)
    assert code == 2 and "is not the folder of a run" in err


def put_look(folder, **facts):
    """Write the verdict of a look."""
    result = {"name": "bikes", "state": "act", "verdict": "act: drift in size.", "drifted": [], **facts}
    (folder / "monitor-bikes-1").mkdir()
    (folder / "monitor-bikes-1" / "monitor.json").write_text(json.dumps(result))


def test_without_a_newer_run_the_newest_look_is_summarised(runs, capsys):
    drifted = [{"column": "size", "since": "2026-05-15T00:00:00+00:00", "change": "above 3: 1% before, 9% since"}]
    os.utime(runs("one") / "run.json", (1, 1))
    put_look(runs.folder, drifted=drifted)
    code, out, _ = summary(capsys, "-p", f"runs_folder={runs.folder}")
    assert code == 0 and out.startswith("## bikes: act\n\nact: drift in size.\n")
    assert "| size | 2026-05-15 | above 3: 1% before, 9% since |" in out
    assert summary(capsys, runs.folder / "one")[1].startswith("## bikes: succeeded")


def test_a_run_that_a_look_started_is_summarised(runs, capsys):
    put_look(runs.folder)
    os.utime(runs.folder / "monitor-bikes-1" / "monitor.json", (1, 1))
    runs("one")
    assert summary(capsys, "-p", f"runs_folder={runs.folder}")[1].startswith("## bikes: succeeded")
