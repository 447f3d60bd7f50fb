"""Each scenario on a really trained, served and monitored model: promises hold, and the workspace stays the same."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from lib.commands import main
from lib.paths import ROOT
from lib.simulation import scenarios
from tests.simulation.test_simulate_command import hash_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]


@pytest.fixture(scope="module")
def use_case(tmp_path_factory):
    """Return the parameter file of a use case that has a version in production, and its workspace."""
    folder = tmp_path_factory.mktemp("game-day")
    random = np.random.default_rng(0)
    size, stay = random.normal(size=3_000), random.integers(1, 30, 3_000)
    colour = random.choice(["green", "red", "blue"], 3_000, p=[0.4, 0.4, 0.2])
    worth = size + 0.8 * (colour == "red") + 0.02 * stay + random.normal(scale=0.7, size=3_000)
    frame = pd.DataFrame({"size": size.round(3), "luck": random.normal(size=3_000), "colour": colour, "stay": stay})
    frame.loc[::9, "luck"] = np.nan
    frame.assign(bought=np.where(worth > 0.7, "yes", "no")).to_csv(folder / "shop.csv", index=False)
    (folder / "shop.yaml").write_text(
        f"name: shop\ndata: {folder}/shop.csv\ntarget_column: bought\ntask: binary\nprimary_metric: roc_auc\n"
        f"training_functions: [linear]\nworkspace: {folder}/workspace\nruns_folder: {folder}/runs\n"
    )
    command = [sys.executable, str(ROOT / "run_all.py"), "--params", str(folder / "shop.yaml"), "--to", "evaluate"]
    subprocess.run(command, check=True, cwd=folder)
    return folder / "shop.yaml", folder / "workspace"


@pytest.mark.parametrize("name", scenarios.NAMES)
def test_promises_hold(use_case, tmp_path, name, capsys):
    if name == "full-disk" and (not sys.platform.startswith("linux") or os.geteuid()):
        pytest.skip("a full disk needs root on Linux")
    params, workspace = use_case
    before = hash_folder(workspace)
    code = main(["simulate", name, "--params", str(params), "--out", str(tmp_path / "report")])
    result = json.loads((tmp_path / "report" / "simulation.json").read_text())
    assert code == 0 and result["held"], capsys.readouterr().out
    assert len(result["events"]) > 3 and len(result["checks"]) > 1
    assert (tmp_path / "report" / "report.html").is_file()
    assert hash_folder(workspace) == before
