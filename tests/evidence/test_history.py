"""The history of a model, read from the chained ledger, and the list of runs."""

import json
from pathlib import Path

import pytest

from lib.commands import main
from lib.evidence import history, manifest, verifier
from tests.evidence.published_runs import EVALUATION, result, write_run


@pytest.fixture
def decided(tmp_path, monkeypatch):
    """Return a workspace in which two runs were sealed and a command has retired a version."""
    production = {}
    monkeypatch.setattr(
        verifier, "read_mlflow", lambda *_: {"runs": {}, "versions": {}, "production": dict(production)}
    )
    workspace, runs = tmp_path / "workspace", tmp_path / "runs"
    workspace.mkdir()
    (workspace / "mlflow.db").touch()

    def run(name, version, user):
        production["shop"] = [version, f"@{version}"]
        facts = {**EVALUATION, "production": version}
        folder = write_run(runs / name, {"evaluate": result(**facts)}, started_by={"user": user, "host": "laptop"})
        manifest.seal(folder, workspace, [], [])

    run("run-1", "1", "ada")
    run("run-2", "1", "ben")
    run("run-3", "2", "cy")
    production.clear()
    manifest.record_production(workspace, "version 2 was retired: wrong target (by dee)")
    return tmp_path


def show(folder, capsys, *arguments):
    options = ["-p", f"workspace={folder / 'workspace'}", "-p", f"runs_folder={folder / 'runs'}"]
    code = main([*arguments, *options])
    return code, capsys.readouterr()


def test_history_says_when_by_which_run_and_by_whom(decided, capsys):
    code, shown = show(decided, capsys, "history", "shop")
    assert code == 0
    lines = shown.out.splitlines()
    assert lines[0].endswith("to now: nothing in production")
    assert lines[1] == "  by a command: version 2 was retired: wrong target (by dee)"
    assert lines[2].endswith(": version 2 in production") and lines[3] == "  by run-3: cy on laptop"
    assert lines[4].endswith(": version 1 in production") and lines[5] == "  by run-1: ada on laptop"
    assert "run-2" not in shown.out, "run-2 left version 1 in production"


def test_periods_follow_one_another(decided):
    periods = history.read_history("shop", decided / "workspace", decided / "runs")
    assert [period.version for period in periods] == ["1", "2", ""]
    assert [period.until for period in periods] == [*(period.since for period in periods[1:]), ""]


@pytest.mark.parametrize("line", [0, 1, 2])
def test_changed_line_of_the_ledger_is_reported(decided, capsys, line):
    ledger = decided / "workspace" / "manifests.jsonl"
    lines = ledger.read_text().splitlines()
    lines[line] = lines[line].replace('"1"', '"9"').replace('"2"', '"9"')
    ledger.write_text("\n".join(lines) + "\n")
    code, shown = show(decided, capsys, "history", "shop")
    assert code == 1 and f"Line {line + 2} of manifests.jsonl does not continue line {line + 1}" in shown.err


def test_removed_line_of_the_ledger_is_reported(decided, capsys):
    ledger = decided / "workspace" / "manifests.jsonl"
    ledger.write_text("\n".join(ledger.read_text().splitlines()[1:]) + "\n")
    assert show(decided, capsys, "history", "shop")[0] == 1


def test_record_that_names_another_user_is_not_believed(decided, capsys):
    record = decided / "runs" / "run-3" / "run.json"
    record.write_text(record.read_text().replace('"cy"', '"eve"'))
    assert "eve on laptop according to run.json, which has changed" in show(decided, capsys, "history", "shop")[1].out


def test_unknown_name_has_no_history(decided, capsys):
    code, shown = show(decided, capsys, "history", "other")
    assert code == 0 and shown.out == "No run has put a version of other into production.\n"


def test_without_mlflow_the_records_say_what_is_in_production(tmp_path):
    for number, version in (("1", "7"), ("2", "8")):
        facts = {**EVALUATION, "production": version}
        folder = write_run(tmp_path / f"run-{number}", {"evaluate": result(**facts)})
        manifest.seal(folder, tmp_path, [], [])
    assert [period.version for period in history.read_history("shop", tmp_path, tmp_path)] == ["7", "8"]


def test_runs_lists_newest_first(tmp_path, capsys):
    write_run(tmp_path / "runs" / "run-1")
    write_run(tmp_path / "runs" / "run-2", {}, "failed", name="other")
    code, shown = show(tmp_path, capsys, "runs")
    lines = shown.out.splitlines()
    assert code == 0 and [line.split()[0] for line in lines] == ["run-2", "run-1"]
    assert "Promoted: version 2" in lines[1] and "roc_auc 0.81" in lines[1] and "0:01:05" in lines[1]
    assert show(tmp_path, capsys, "runs", "--name", "other")[1].out.startswith("run-2")
    assert json.loads((Path(tmp_path) / "runs" / "run-1" / "run.json").read_text())["name"] == "shop"
