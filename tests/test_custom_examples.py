"""The worked examples in docs/customise, copied into a folder ``custom/`` and executed."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from lib import extensions, metrics, pipelines, training
from lib.chain import contracts, own_stages
from lib.commands import main
from lib.metrics import Predictions
from lib.parameters import load
from lib.paths import ROOT
from lib.stages import _features
from lib.training import TrainingRequest
from tests import workspaces
from tests.check_custom import features, hooks, modules, stages, training_functions
from tests.check_custom import metrics as metric_checks

quick = workspaces.quick

PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "customise").glob("*.md")}
_FILE = re.compile(r"^`([\w./-]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files_of(page):
    """Return the files of an example, by name."""
    return {name: text for name, text in _FILE.findall(PAGES[page])}


def write_example(page, custom):
    """Write the files of an example, and return its parameter file."""
    for name, text in files_of(page).items():
        (custom.write(name.removeprefix("custom/"), text) if name.startswith("custom/") else None)
    (name,) = [name for name in files_of(page) if name.startswith("parameters/")]
    file = custom.path.parent / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(files_of(page)[name])
    return file


def check(file):
    """Check a use case as a run does before its first notebook, and return its chain and parameters."""
    layers = load([file])
    chain = own_stages.read_chain(layers.values.get("stages"))
    return chain, contracts.resolve_parameters(layers, chain)


def test_every_page_has_files():
    assert sorted(PAGES) == ["features", "metric", "stage", "training-function", "two-tables"]
    assert all(len(files_of(page)) >= 2 for page in PAGES)


def test_metric_in_euros(custom):
    check(write_example("metric", custom))
    assert metric_checks.find_faults("bike_cost") == []
    metric = metrics.get("bike_cost", "regression", {"missing": 3.0})
    rows = pd.DataFrame({"workingday": [1, 0, 0]})
    predictions = Predictions(np.array([8.0, 8.0, 14.0]), rows=rows)
    assert metric.score(np.array([10.0, 10.0, 10.0]), predictions) == pytest.approx((2 * 4.5 + 2 * 3 + 4 * 0.25) / 3)
    assert metric.direction == "lower is better"


def test_features_with_state(custom):
    _, parameters = check(write_example("features", custom))
    assert features.find_faults("usual_demand") == hooks.find_faults("bikes") == []
    table = pd.read_csv(ROOT / parameters.data).head(400)
    X, y = table.drop(columns=["bikers", "casual", "registered"]), table["bikers"]
    pipeline = pipelines.get_pipeline(**{**parameters, "run_name": ""})
    step = _features.fit_step(_features.make_step(pipeline), X, y)
    _features.check_rows_are_independent(step, X)
    assert step.needs_target and "usual_demand" in step.outputs_


def test_stage_that_writes_a_slide(custom, workspace):
    assert main(["add", "stage", "slide", "--inputs", "decision", "--outputs", "slide"]) == 0
    file = write_example("stage", custom)
    chain, parameters = check(file)
    assert stages.find_faults("slide") == []
    assert [notebook.stage for notebook in chain][-2:] == ["slide", "deploy"]
    changes = {"workspace": str(workspace), "run_name": ""}
    pipeline = pipelines.get_pipeline(**{**parameters, **changes})
    slide = pipeline.run_stage("slide", decision="Version 1 <goes> to production.")["slide"]
    assert "Version 1 &lt;goes&gt; to production." in open(slide, encoding="utf-8").read()


def test_training_function_with_its_own_package(custom, tmp_path, monkeypatch):
    files = files_of("training-function")
    package = tmp_path / "site"
    package.mkdir()
    (package / "acme_models.py").write_text(files["acme_models/acme_models.py"])
    info = package / "acme_models-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme_models\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[millrace.training]\nacme_neighbours = acme_models:train_neighbours\n")
    assert (
        '[project.entry-points."millrace.training"]\nacme_neighbours = "acme_models:train_neighbours"'
        in (files["acme_models/pyproject.toml"])
    )
    monkeypatch.syspath_prepend(package)
    extensions._read_entry_points.cache_clear()
    try:
        check(write_example("training-function", custom))
        assert training_functions.find_faults("acme_neighbours") == []
        request = TrainingRequest("regression", metrics.get("r2", "regression"), seed=0, threads=1)
        X = pd.DataFrame({"size": np.arange(40.0)})
        model = training.get("acme_neighbours")(X, X["size"], request, n_neighbors=1)
        assert model.predict(X.head(1))[0] == 0
    finally:
        extensions._read_entry_points.cache_clear()
        sys.modules.pop("acme_models", None)


def test_pipeline_with_two_tables(custom, workspace):
    _, parameters = check(write_example("two-tables", custom))
    assert hooks.find_faults("late_flights") == []
    pipeline = pipelines.get_pipeline(**{**parameters, "workspace": str(workspace), "run_name": ""})
    raw = pd.read_csv(ROOT / parameters.data, nrows=2000)
    prepared = pipeline.prepare_data(raw)
    assert len(prepared) == raw["arr_delay"].notna().sum() and prepared["temp"].notna().mean() > 0.9
    assert prepared["late"].sum() == (raw["arr_delay"] > 30).sum() and "dep_delay" not in prepared


@pytest.mark.parametrize("kind", ["pipeline", "features", "training", "metric", "stage"])
def test_added_module_keeps_its_contract(custom, kind, capsys):
    assert main(["add", kind, "first_try"]) == 0
    package = {"pipeline": "lib.pipelines", "metric": "lib.metrics", "stage": "lib.stages"}.get(kind, f"lib.{kind}")
    (extension,) = extensions.find_extensions(package)
    assert modules.find_faults(extension) == []
    checks = {"pipeline": hooks, "features": features, "training": training_functions, "metric": metric_checks}
    assert checks.get(kind, stages).find_faults("first_try") == []
    assert main(["add", kind, "first_try"]) == 2
    assert "There is already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["metric", "accuracy"], "accuracy is the name of a metric of Millrace"),
        (["training", "linear"], "linear is the name of a training of Millrace"),
        (["stage", "deploy"], "deploy is the name of a stage of Millrace"),
        (["stage", "../x"], "'../x' is not a name"),
        (["metric", "class"], "'class' is not a name"),
    ],
)
def test_name_that_cannot_be_used_is_refused(custom, arguments, message, capsys):
    assert main(["add", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def checkout(tmp_path):
    """Return a copy of the project without a ``custom/`` folder."""
    folder = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("lib", "notebooks", "parameters"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("run_all.py", "pyproject.toml", "requirements.lock", "environment.yml"):
        shutil.copy(ROOT / name, folder)
    (folder / "data").mkdir()
    shutil.copy(ROOT / "data" / "bike_hours.csv", folder / "data")
    return folder


@pytest.mark.slow
def test_a_run_with_every_kind_of_custom_code(checkout):
    """Metric, features and stages of the examples together: run, reuse, edit, resume, and score a raw file."""
    for page in ("metric", "features", "stage"):
        for name, text in files_of(page).items():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            (checkout / name).write_text(text)

    def run(*arguments):
        command = [sys.executable, "run_all.py", *arguments]
        return subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=500)

    assert run("add", "stage", "slide_notebook", "--inputs", "decision", "--outputs", "slide").returncode == 0
    folder = checkout / "custom" / "stages"
    text = (folder / "slide_notebook.ipynb").read_text().replace("slide_notebook", "slide")
    (folder / "slide.ipynb").write_text(text)
    for file in folder.glob("slide_notebook*"):
        file.unlink()
    parameters = yaml.safe_load(files_of("features")["parameters/bikes-usual.yaml"])
    parameters |= {"name": "bikes", "primary_metric": "bike_cost", "stages": {"after_deploy": ["slide"]}}
    parameters |= {"endpoint_port": 0, "endpoint_workers": 1}
    (checkout / "parameters" / "bikes.yaml").write_text(yaml.safe_dump(parameters))
    given = ["--params", "parameters/bikes.yaml"]
    try:
        first = run(*given)
        assert first.returncode == 0, first.stdout + first.stderr
        record = newest_record(checkout)
        assert [entry["stage"] for entry in record["stages"]][-1] == "slide"
        slide = record["stages"][-1]["outputs"]["slide"]
        assert "goes to production" in open(slide, encoding="utf-8").read()
        why = run("why", *given).stdout
        assert why.count("is skipped") == len(record["stages"]), why
        stage = checkout / "custom" / "stages" / "slide.py"
        stage.write_text(stage.read_text() + "\n# edited\n")
        lines = run("why", *given).stdout.splitlines()
        assert "slide.py has changed" in lines[-1] and lines[-2].startswith("deploy") and "is skipped" in lines[-2]
        feature = checkout / "custom" / "features" / "usual_demand.py"
        feature.write_text(feature.read_text() + "\n# edited\n")
        lines = run("why", *given).stdout.splitlines()
        assert "is skipped" in next(line for line in lines if line.startswith("preprocess"))
        assert "usual_demand.py has changed" in next(line for line in lines if line.startswith("train"))
        scored = run("score", "--data", "data/bike_hours.csv", "--out", "scored.csv", *given)
        assert scored.returncode == 0, scored.stdout + scored.stderr
        table = pd.read_csv(checkout / "scored.csv")
        assert table["prediction"].notna().all() and len(table) == len(pd.read_csv(checkout / "data/bike_hours.csv"))
    finally:
        run("endpoint", "stop", "bikes")


def newest_record(checkout):
    """Return the record of the newest run of a checkout."""
    newest = max(filter(Path.is_dir, (checkout / "runs").iterdir()), key=lambda path: path.stat().st_mtime_ns)
    return json.loads((newest / "run.json").read_text())
