"""The command ``why``: its verdicts agree with what ``--reuse`` does."""

from pathlib import Path

import pytest

from lib import backends
from lib.chain import notebooks
from lib.commands import main
from tests.chain.small_notebooks import SmallChain

LABEL = 28


@pytest.fixture
def chain(tmp_path, monkeypatch):
    """Three small notebooks that replace the project's."""
    small = SmallChain(tmp_path)
    small.write("01_setup.ipynb", parameters="seed: int = 42  # any", outputs="rows=[seed]")
    trained = 'training_function: str = ""  # which\nrows: list = []  # any\ntask: str = ""  # any'
    small.write("03_train.ipynb", parameters=trained, outputs="candidates=[training_function]")
    small.write("04_evaluate.ipynb", parameters="candidates: list = []  # any", outputs="decision='yes'")
    read_all = notebooks.read_all
    monkeypatch.setattr(notebooks, "read_all", lambda: read_all(small.notebooks))
    monkeypatch.setattr(backends, "missing_artifacts", lambda *arguments: [])  # they have no MLflow runs
    return small


@pytest.fixture
def command(chain, capsys):
    """Return a function that runs a command and returns its lines by label; the data are never read."""
    given = {
        "name": "example",
        "data": "data/penguins_raw.csv",
        "target_column": "Species",
        "task": "binary",
        "primary_metric": "roc_auc",
        "pipeline": "base",
        "options": "{}",
        "training_functions": "[linear, xgboost]",
        "hyperparameters": "{}",
        "drop_columns": "[]",
        "key_columns": "[]",
        "min_score": "null",
        "positive_class": "''",
        "workspace": chain.workspace,
        "runs_folder": chain.runs,
    }

    def run(*command, **changes):
        pairs = [part for name, value in {**given, **changes}.items() for part in ("-p", f"{name}={value}")]
        assert main([*command, *pairs]) == 0
        lines = capsys.readouterr().out.splitlines()
        return {line[:LABEL].strip(): line[LABEL:].strip() for line in lines}

    return run


def newest(chain):
    return max(filter(Path.is_dir, chain.runs.iterdir()), key=lambda folder: folder.stat().st_mtime_ns)


def test_before_the_first_run_everything_runs(command):
    why = command("why")
    assert why["setup"] == "runs: no earlier run has finished it"
    assert why["train linear"] == "runs: no earlier run has finished it; setup creates rows again"
    assert why["evaluate"] == "runs: no earlier run has finished it; train creates candidates again"


def test_why_writes_nothing(command, chain):
    command("why")
    assert not chain.runs.exists() and not chain.workspace.exists()


class TestAfterARun:
    @pytest.fixture
    def first(self, command, chain):
        command("run")
        return newest(chain)

    def test_unchanged_stages_are_skipped(self, command, chain, first):
        assert set(command("why").values()) == {f"is skipped: same as in {first.name}"}
        command("run", "--reuse")
        chain.folder = newest(chain)
        assert chain.folder != first and {status for _, status in chain.statuses} == {"reused"}

    def test_changes_and_their_consequences_are_named(self, command, chain, first):
        why = command("why", seed=7)
        assert why["setup"] == "runs: seed: 42 is now 7"
        assert why["train linear"] == why["train xgboost"] == "runs: setup creates rows again"
        assert why["evaluate"] == "runs: train creates candidates again"

    def test_changed_notebook(self, command, chain, first):
        chain.write("04_evaluate.ipynb", parameters="candidates: list = []  # any", outputs="decision='no'")
        why = command("why")
        assert why["train xgboost"] == f"is skipped: same as in {first.name}"
        assert why["evaluate"] == f"runs: {chain.notebooks / '04_evaluate.ipynb'} has changed"
        command("run", "--reuse")
        chain.folder = newest(chain)
        assert [status for _, status in chain.statuses] == ["reused", "reused", "reused", "succeeded"]

    def test_additional_training_function(self, command, first):
        why = command("why", training_functions="[linear, xgboost, random_forest]")
        assert why["train linear"].startswith("is skipped") and why["train random_forest"].startswith(
            "runs: no earlier"
        )
        assert why["evaluate"] == "runs: train creates candidates again"

    def test_missing_result(self, command, first):
        (first / "01_setup.ipynb").unlink()
        assert command("why")["setup"] == "runs: the executed notebook 01_setup.ipynb is gone"

    def test_reasons_of_the_backend(self, command, first, monkeypatch):
        monkeypatch.setattr(
            backends,
            "missing_artifacts",
            lambda parameters, stage, *more: ["it is gone"] if stage == "evaluate" else [],
        )
        why = command("why")
        assert why["evaluate"] == "runs: it is gone" and why["setup"].startswith("is skipped")


def test_parameter_faults_are_reported(capsys):
    assert main(["why", "-p", "sead=1"]) == 2
    assert "Did you mean 'seed'?" in capsys.readouterr().err
