"""Exit codes of a run: 3 if a gate blocks, 0 if the challenger is merely no better than the champion."""

import json
from pathlib import Path

import mlflow
import pytest

from lib.commands import main
from tests import workspaces

pytestmark = pytest.mark.slow
NAME = "gated-shop"


@pytest.fixture
def run(tmp_path):
    """Return a function that runs the chain with some parameters, and returns the exit code and the record."""
    workspaces.table(rows=600).to_csv(tmp_path / "shop.csv", index=False)
    (tmp_path / "shop.yaml").write_text(
        f"name: {NAME}\ndata: {tmp_path / 'shop.csv'}\ntarget_column: bought\ntask: binary\nprimary_metric: roc_auc\n"
        "drop_columns: [price, colour]\ntraining_functions: [linear]\n"
    )
    shared = {"workspace": tmp_path / "workspace", "runs_folder": tmp_path / "runs"}

    def run(**changes):
        pairs = [part for name, value in {**shared, **changes}.items() for part in ("-p", f"{name}={value}")]
        code = main(["--params", str(tmp_path / "shop.yaml"), *pairs])
        newest = max(filter(Path.is_dir, (tmp_path / "runs").iterdir()), key=lambda folder: folder.stat().st_mtime_ns)
        return code, json.loads((newest / "run.json").read_text())

    yield run
    main(["endpoint", "stop", NAME, "-p", f"workspace={shared['workspace']}"])


def production(tmp_path):
    """Return the versions that are tagged production."""
    uri = f"sqlite:///{tmp_path / 'workspace' / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri, registry_uri=uri)
    return [str(each.version) for each in client.search_model_versions(f"name = '{NAME}'") if "production" in each.tags]


def test_a_blocked_run_ends_with_3_and_an_equal_challenger_with_0(run, tmp_path):
    code, record = run(gates='{"group_gap": {"selection_rate": 0.01}}', groups="[colour]")
    assert code == 3 and production(tmp_path) == []
    assert "selection_rate by colour" in json.dumps(record)
    assert not list((tmp_path / "runs").rglob("05_deploy*.ipynb"))
    code, _ = run(
        gates='{"group_gap": {"selection_rate": 0.01}}',
        groups="[colour]",
        waivers='[{"gate": "group_gap", "who": "Ada", "why": "pilot", "until": "2999-12-31"}]',
    )
    assert code == 0 and production(tmp_path) == ["1"]
    code, record = run(hyperparameters='{"linear": {"regularisation": 1.01}}')
    assert code == 0 and production(tmp_path) == ["1"]
    assert "it is no better than champion v1 beyond chance" in json.dumps(record)


def test_expired_waivers_and_gates_without_groups_are_refused_before_a_kernel_starts(run, tmp_path, capsys):
    waiver = '[{"gate": "no_skill", "who": "Ada", "why": "pilot", "until": "2020-01-31"}]'
    assert main(["--params", str(tmp_path / "shop.yaml"), "-p", f"waivers={waiver}"]) == 2
    assert "the waiver of no_skill by Ada expired on 2020-01-31" in capsys.readouterr().err
    assert main(["--params", str(tmp_path / "shop.yaml"), "-p", "gates.worst_slice=0.6"]) == 2
    assert "worst_slice needs the parameter groups, which is empty" in capsys.readouterr().err
