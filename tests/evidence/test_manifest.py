"""The manifest of a run: everything that is changed afterwards is found and named."""

import json
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from lib.chain.record import RunRecord
from lib.commands import main
from lib.evidence import manifest, verifier
from lib.paths import ROOT
from tests import workspaces

copy_after = workspaces.copy_after
NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": "# Evaluate"},
        {"cell_type": "code", "metadata": {}, "source": "score", "outputs": [{"text": "0.7274"}]},
    ]
}


@pytest.fixture
def sealed_run(copy_after, tmp_path):
    """Return the folder of a run that was sealed after evaluate, in the folder of its workspace and its table."""
    workspace = copy_after("evaluate")
    record = RunRecord.new(tmp_path / "runs", "shop", {"seed": 42})
    (record.folder / "04_evaluate.ipynb").write_text(json.dumps(NOTEBOOK))
    record.close("succeeded")
    change_database(
        workspace, "INSERT INTO tags (key, value, run_uuid) SELECT 'run_name', ?, run_uuid FROM runs", record.name
    )
    table = workspace / "shop.csv"
    if not table.exists():
        table.write_text("size\n1\n")
    manifest.seal(record.folder, workspace, [table], sorted((workspace / "data").rglob("*.parquet")))
    return record.folder


def change_database(workspace, statement, *values):
    with closing(sqlite3.connect(workspace / "mlflow.db")) as connection, connection:
        assert connection.execute(statement, values).rowcount


def workspace_of(run):
    return run.parents[1] / "workspace"


def test_an_untouched_run_is_intact(sealed_run, capsys):
    assert verifier.verify(sealed_run) == []
    assert main(["verify", str(sealed_run)]) == 0
    assert capsys.readouterr().out.endswith("is intact.\n")


def test_a_moved_project_is_intact_and_a_bare_python_sees_it(sealed_run, tmp_path):
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.move(tmp_path / "runs", moved / "runs")
    shutil.move(tmp_path / "workspace", moved / "workspace")
    places = json.loads((moved / "runs" / sealed_run.name / "manifest.json").read_text())["places"]
    found = verifier.verify(moved / "runs" / sealed_run.name)
    # Code and table stayed where they were, and are looked for beside the moved run.
    assert not [line for line in found if line.startswith(("run:", "workspace:", "MLflow", "Model"))], places
    program = [sys.executable, "-I", "-S", str(ROOT / "lib" / "evidence" / "verifier.py"), str(tmp_path / "nowhere")]
    result = subprocess.run(program, capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "was never sealed" in result.stdout


def test_an_edited_output_is_named_with_its_cell(sealed_run, capsys):
    notebook = sealed_run / "04_evaluate.ipynb"
    notebook.write_text(notebook.read_text().replace("0.7274", "0.9274"))
    assert main(["verify", str(sealed_run)]) == 1
    assert "run: 04_evaluate.ipynb has changed: the output of cell 2 is not what was sealed." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE metrics SET value = 0.99 WHERE key = 'roc_auc'", "metric roc_auc is 0.99; it was "),
        ("UPDATE params SET value = 'other' WHERE key = 'training_function'", "parameter training_function is other"),
        ("UPDATE tags SET value = 'x' WHERE key = 'stage'", "tag stage is x"),
        ("UPDATE model_version_tags SET value = 'x' WHERE key = 'model_sha256'", "tag model_sha256 is x; it was "),
        (
            "DELETE FROM model_version_tags WHERE key = 'production'",
            "production: small-shop is @1; it was 1, @1.",
        ),
        ("DELETE FROM registered_model_aliases", "Model in production: small-shop is 1; it was 1, @1."),
        ("DELETE FROM model_versions", "is missing."),
    ],
)
def test_a_row_of_the_database_changed_by_hand_is_named(sealed_run, statement, message):
    change_database(workspace_of(sealed_run), statement)
    differences = verifier.verify(sealed_run)
    assert any(message in difference for difference in differences), differences


def test_files_of_the_run_that_are_missing_or_new_are_named(sealed_run):
    (sealed_run / "parameters.yaml").unlink()
    (sealed_run / "notes.txt").write_text("new")
    assert verifier.verify(sealed_run) == ["run: parameters.yaml is missing.", "run: notes.txt was added."]


def test_a_swapped_model_and_a_changed_table_are_named(sealed_run):
    workspace = workspace_of(sealed_run)
    model = next((workspace / "artifacts").rglob("model.pkl"))
    model.write_bytes(b"another model")
    (model.parent / "extra.py").write_text("")
    with (workspace / "shop.csv").open("a") as table:
        table.write("\n")
    differences = verifier.verify(sealed_run)
    name = model.relative_to(workspace).as_posix()
    assert f"workspace: {name} has changed." in differences
    assert f"workspace: {name.replace('model.pkl', 'extra.py')} was added." in differences
    assert any(difference.endswith("shop.csv has changed.") for difference in differences)


def test_a_manifest_sealed_again_by_hand_is_found(sealed_run):
    file = sealed_run / "manifest.json"
    content = json.loads(file.read_text())
    (sealed_run / "parameters.yaml").write_text("seed: 1\n")
    content["files"]["run"]["parameters.yaml"] = verifier.hash_file(sealed_run / "parameters.yaml")
    file.write_bytes(verifier.canonical_json(content))
    (difference,) = verifier.verify(sealed_run)
    assert difference.startswith("run: manifest.json has changed or was sealed again by hand")


def test_a_changed_entry_of_the_ledger_breaks_the_chain(sealed_run):
    workspace = workspace_of(sealed_run)
    manifest.seal(sealed_run, workspace, [], [])
    ledger = workspace / "manifests.jsonl"
    lines = ledger.read_text().splitlines()
    ledger.write_text("\n".join([lines[0].replace(sealed_run.name, "other-run"), *lines[1:]]) + "\n")
    assert verifier.verify(sealed_run) == [
        "workspace: line 2 of manifests.jsonl does not continue line 1: one of them has changed."
    ]


def test_a_run_sealed_again_keeps_its_earlier_manifest(sealed_run):
    manifest.seal(sealed_run, workspace_of(sealed_run), [], [])
    assert (sealed_run / "manifest-1.json").is_file()
    assert verifier.verify(sealed_run) == []


def test_a_command_that_changes_production_is_recorded(sealed_run):
    workspace = workspace_of(sealed_run)
    change_database(workspace, "DELETE FROM model_version_tags WHERE key = 'production'")
    change_database(workspace, "DELETE FROM registered_model_aliases")
    assert verifier.verify(sealed_run)
    manifest.record_production(workspace, "version 1 was retired by ann: wrong target")
    assert verifier.verify(sealed_run) == []


def test_every_changed_byte_is_found_and_its_file_named(sealed_run):
    workspace, chance = workspace_of(sealed_run), random.Random(0)
    files = sorted(verifier.list_files(sealed_run)) + sorted(verifier.list_files(workspace / "artifacts"))
    files = [file for file in files if file.stat().st_size]
    for file in chance.choices(files, k=30):
        before = file.read_bytes()
        position = chance.randrange(len(before))
        changed = bytes([before[position] ^ chance.randrange(1, 256)])
        file.write_bytes(before[:position] + changed + before[position + 1 :])
        try:
            differences = verifier.verify(sealed_run)
        except ValueError as error:
            differences = [str(error)]
        assert any(file.name in difference for difference in differences), (file, position, differences)
        file.write_bytes(before)


def test_a_run_without_a_manifest_is_an_error(tmp_path, capsys):
    assert main(["verify", str(tmp_path)]) == 2
    assert "was never sealed" in capsys.readouterr().err
