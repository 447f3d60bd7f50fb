"""The replay of a run: the comparison names the first difference, and the examples replay to equal predictions."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import yaml

from lib.backends.local import relocation
from lib.commands import main, replay
from lib.errors import DataError
from lib.evidence import verifier
from lib.evidence.replay_comparison import Difference, compare_runs
from lib.evidence.replay_workspace import copy_champion, find_champion
from lib.paths import ROOT
from tests import workspaces

copy_after = workspaces.copy_after
EXAMPLES = ("penguins", "bike-hours")
FUNCTIONS = ("linear", "random_forest", "gradient_boosting", "xgboost")


def facts(stage, name, metrics=(), parameters=(), **outputs):
    tags = {"stage": stage} | {f"output.{key}": json.dumps(value) for key, value in outputs.items()}
    return {
        "run": {"name": name, "status": "FINISHED", "stage": "active"},
        "parameter": dict(parameters),
        "metric": {key: [[value, 0]] for key, value in dict(metrics).items()},
        "tag": tags,
    }


def run_of(hash_of_rows="a1", score=0.9, depth="3"):
    return {
        "1": facts("preprocess", "preprocess", train_data=f"file:///w/data/shop/{hash_of_rows}/train.parquet"),
        "2": facts("train", "linear", {"roc_auc": score, "fit_seconds": np.random.random()}, {"depth": depth}),
        "3": facts("evaluate", "evaluate", {"linear.roc_auc": score}),
    }


def test_an_equal_run_has_no_difference_and_durations_do_not_count():
    assert compare_runs(run_of(), run_of()) == []
    held = run_of() | {"3": facts("evaluate", "evaluate") | {"tag": {"stage": "evaluate", "gate.min_score": "blocked"}}}
    assert [difference.output for difference in compare_runs(held, run_of())] == [
        "the verdict of gate.min_score",
        "metric linear.roc_auc",
    ]


def test_the_first_difference_is_that_of_the_first_stage():
    first, *others = compare_runs(run_of(), run_of("b2", 0.8))
    assert str(first) == "preprocess: the content of train_data is b2 in the replay; it was a1."
    assert [str(other.output) for other in others] == ["metric roc_auc", "metric linear.roc_auc"]
    (parameter,) = compare_runs(run_of(), run_of(depth="4"))
    assert str(parameter) == "train linear: parameter depth is 4 in the replay; it was 3."
    missing = {key: run for key, run in run_of().items() if key != "2"}
    assert compare_runs(run_of(), missing)[0].output == "the MLflow run"


def test_predictions_are_compared_row_by_row():
    before = np.array([[0.1, 0.9], [0.4, 0.6]])
    assert replay._first_difference("train linear", before, before.copy()) is None
    difference = replay._first_difference("train linear", before, before + [[0, 0], [0, 1e-9]])
    assert "prediction for test row 1 (of 1 that differ)" in str(difference) and difference.size < 1e-8
    assert replay._first_difference("m", before, before[:1]).output == "the number of predictions"
    labels = replay._first_difference("m", np.array(["a", "b"]), np.array(["a", "c"]))
    assert str(labels) == "m: the prediction for test row 1 is c in the replay; it was b."


@pytest.mark.parametrize(
    ("differences", "tolerance", "exit_code", "verdict"),
    [
        ([], 0.0, 0, "identical: the replay"),
        ([Difference("train", "metric a", 0.5, 0.5 + 1e-12)], 1e-9, 0, "within tolerance: the replay"),
        ([Difference("train", "metric a", 0.5, 0.6)], 1e-9, 1, "different: the replay"),
        ([Difference("train", "metric a", 0.5, "missing")], 1e9, 1, "differs first in train: metric a is missing"),
    ],
)
def test_the_verdict_names_the_first_difference(tmp_path, capsys, differences, tolerance, exit_code, verdict):
    assert replay._print_verdict(tmp_path, differences, tolerance, "train") == exit_code
    assert verdict in capsys.readouterr().out


def test_changed_data_and_changed_code_are_found(tmp_path):
    table = tmp_path / "shop.csv"
    table.write_text("a\n1\n")
    sealed = {"data": {str(table): verifier.hash_file(table)}, "project": {"run_all.py": "0", "lib/errors.py": "1"}}
    assert replay._find_changed_data({"files": sealed}) == []
    table.write_text("a\n2\n")
    assert replay._find_changed_data({"files": sealed}) == [(str(table), "has changed")]
    table.unlink()
    assert replay._find_changed_data({"files": sealed}) == [(str(table), "is missing")]
    assert replay._find_changed_code(ROOT, {"files": sealed}) == ["run_all.py", "lib/errors.py"]
    with pytest.raises(DataError, match="does not say from which commit"):
        replay._provide_code({}, {"files": sealed}, tmp_path)


def test_the_champion_of_that_time_is_in_production_in_the_scratch_workspace(copy_after, tmp_path):
    workspace = copy_after("evaluate")
    scratch = tmp_path / "scratch"
    registered = workspaces.pipeline_in(workspace).backend.models(workspaces.NAME).production()
    copy_champion(workspace, scratch, workspaces.NAME, registered.version, {})
    relocation.rewrite_uris(scratch / "mlflow.db", (workspace / "artifacts").as_uri(), (scratch / "artifacts").as_uri())
    backend = workspaces.pipeline_in(scratch, data=str(workspace / "shop.csv")).backend
    champion = backend.models(workspaces.NAME).production()
    assert champion.version == registered.version and champion.sha256 == registered.sha256
    assert backend.tracking.model_folder(champion.source, champion.sha256).is_relative_to(scratch)
    assert verifier.read_mlflow(workspace / "mlflow.db", "")["production"] == {workspaces.NAME: ["1", "@1"]}


def test_the_champion_is_the_replaced_version_or_the_one_that_stayed():
    served = {"stage": "evaluate", "served_version": "4", "served_sha256": "d"}
    candidate = {"tag": {"stage": "train", "model_sha256": "d"}}
    assert find_champion({"runs": {"1": {"tag": served}, "2": candidate}}) == ""
    assert find_champion({"runs": {"1": {"tag": {**served, "replaced_version": "3"}}, "2": candidate}}) == "3"
    assert find_champion({"runs": {"1": {"tag": {**served, "served_sha256": "e"}}, "2": candidate}}) == "4"
    assert find_champion({"runs": {"2": candidate}}) == ""


def test_a_run_without_a_manifest_cannot_be_replayed(tmp_path, capsys):
    (tmp_path / "run.json").write_text('{"stages": []}')
    assert main(["replay", str(tmp_path)]) == 2
    assert "cannot be replayed" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_replay_to_equal_predictions(tmp_path, example, capsys):
    options = ["-p", f"workspace={tmp_path}/w", "-p", f"runs_folder={tmp_path}/runs", "--to", "evaluate"]
    functions = f"training_functions=[{', '.join(FUNCTIONS)}]"
    assert main(["--params", f"parameters/{example}.yaml", "-p", functions, *options]) == 0
    if example == "penguins":  # a second run is compared with the champion of the first one
        assert main(["--params", f"parameters/{example}.yaml", "-p", functions, "-p", "seed=7", *options]) in (0, 3)
    run = max(filter(Path.is_dir, (tmp_path / "runs").iterdir()))
    capsys.readouterr()
    assert main(["replay", str(run)]) == 0
    assert "identical: the replay" in capsys.readouterr().out
    with closing(sqlite3.connect(tmp_path / "w" / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE metrics SET value = value + 0.01 WHERE key NOT LIKE '%seconds%'")
    parameters = yaml.safe_load((run / "parameters.yaml").read_text())
    assert parameters["seed"] in (7, 42)
    assert main(["replay", str(run)]) == 1
    assert "different: the replay" in capsys.readouterr().out
