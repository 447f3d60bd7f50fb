"""Retraining after act: the chain really runs, and the report of the new run links to the page of the verdict."""

import json
import re
import subprocess
import sys
from urllib.parse import unquote

import pandas as pd
import pytest

from lib.paths import ROOT
from tests.workspaces import table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_act_runs_the_chain_and_its_report_links_to_the_verdict(tmp_path):
    table(2_000).drop(columns="price").to_csv(tmp_path / "shop.csv", index=False)
    (tmp_path / "shop.yaml").write_text(
        f"name: shop\ndata: {tmp_path}/shop.csv\ntarget_column: bought\ntask: binary\nprimary_metric: roc_auc\n"
        f"training_functions: [linear]\nworkspace: {tmp_path}/workspace\nruns_folder: {tmp_path}/runs\n"
        "on_verdict: retrain\n"
    )

    def run(*arguments):
        command = [sys.executable, str(ROOT / "run_all.py"), *arguments, "--params", str(tmp_path / "shop.yaml")]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    try:
        first = run()
        assert first.returncode == 0, first.stderr
        before = {*(tmp_path / "runs").glob("*/run.json")}
        new_rows = table(600, seed=9).drop(columns=["bought", "price"])
        new_rows.assign(size=new_rows["size"] + 1.5).to_csv(tmp_path / "new.csv", index=False)
        # The newest data, on which the chain trains, has rows with the drift.
        moved = table(2_000, seed=3).drop(columns="price")
        newest = pd.concat([pd.read_csv(tmp_path / "shop.csv"), moved.assign(size=moved["size"] + 1.5)])
        newest.to_csv(tmp_path / "shop.csv", index=False)
        look = run("monitor", "--data", str(tmp_path / "new.csv"))
        assert look.returncode == 3, look.stderr  # act; the chain itself did not fail
        assert look.stdout.startswith("act: version 1") and "Retraining, because on_verdict is retrain." in look.stdout
        (record,) = {*(tmp_path / "runs").glob("*/run.json")} - before
        state = json.loads(record.read_text())
        assert {stage["stage"] for stage in state["stages"]} >= {"preprocess", "train linear", "evaluate"}
        assert state["caused_by"]["verdict"].startswith("act: version 1")
        report = (record.parent / "report.html").read_text()
        assert "act: version 1" in report
        (link,) = {link for link in re.findall(r'href="([^"]+)"', report) if "monitor" in link}
        page = (record.parent / unquote(link)).resolve()
        assert page.name == "06_monitor.html" and "act: version 1" in page.read_text()
    finally:
        run("teardown")
