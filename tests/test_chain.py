"""The whole chain as users start it, with real requests to the endpoint; and each way in which it can fail."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import mlflow
import psutil
import pytest
import requests

from lib.commands import main
from lib.paths import ROOT


class Chain:
    """The chain of a use case in a temporary workspace."""

    def __init__(self, workspace, runs_folder, use_case, **overrides):
        self.workspace, self.runs_folder, self.use_case = workspace, runs_folder, use_case
        self.overrides = {"workspace": str(workspace), "runs_folder": str(runs_folder), **overrides}

    def arguments(self, **overrides):
        merged = {**self.overrides, **overrides}
        pairs = [part for name, value in merged.items() for part in ("-p", f"{name}={json.dumps(value)}")]
        return ["--params", str(ROOT / "parameters" / f"{self.use_case}.yaml"), *pairs]

    def run(self, *options, **overrides):
        return main([*options, *self.arguments(**overrides)])

    @property
    def newest(self):
        return max(filter(Path.is_dir, self.runs_folder.iterdir()), key=lambda folder: folder.stat().st_mtime_ns)

    @property
    def record(self):
        return json.loads((self.newest / "run.json").read_text())

    @property
    def client(self):
        uri = f"sqlite:///{self.workspace / 'mlflow.db'}"
        return mlflow.MlflowClient(uri, registry_uri=uri)

    def versions(self):
        return self.client.search_model_versions(f"name = '{self.use_case}'")

    def production(self):
        return [version.version for version in self.versions() if "production" in version.tags]

    def outputs(self):
        """Yield file name and output of all cells in the newest run."""
        for path in sorted(self.newest.glob("*.ipynb")):
            for cell in json.loads(path.read_text())["cells"]:
                for output in cell.get("outputs", []):
                    yield path.name, output

    def stop(self):
        main(["endpoint", "stop", self.use_case, *self.arguments()])


def chain_of(use_case, empty_workspace, tmp_path_factory, **overrides):
    folder = tmp_path_factory.mktemp(use_case)
    (folder / "workspace").mkdir()
    (folder / "workspace" / "mlflow.db").write_bytes((empty_workspace / "mlflow.db").read_bytes())
    return Chain(folder / "workspace", folder / "runs", use_case, **overrides)


@pytest.fixture(scope="module")
def penguins(empty_workspace, tmp_path_factory):
    """Return a chain that has run once; its endpoint runs until the end of the module."""
    chain = chain_of("penguins", empty_workspace, tmp_path_factory)
    functions = ["linear", "random_forest", "extra_trees"]
    chain.exit_code = chain.run(training_functions=functions)
    chain.functions = functions
    yield chain
    chain.stop()


def test_run_folder_has_notebooks_and_parameters(penguins):
    assert penguins.exit_code == 0
    names = {path.name for path in penguins.newest.glob("*.ipynb")}
    trained = {f"03_train-{name}.ipynb" for name in penguins.functions}
    assert names == {"01_setup.ipynb", "02_preprocess.ipynb", "04_evaluate.ipynb", "05_deploy.ipynb"} | trained
    assert "target_column: Species" in (penguins.newest / "parameters.yaml").read_text()
    assert {stage["status"] for stage in penguins.record["stages"]} == {"succeeded"} == {penguins.record["status"]}


def test_run_leaves_a_report_and_is_listed(penguins):
    page = (penguins.newest / "report.html").read_text(encoding="utf-8")
    version = penguins.production()[0]
    assert f"Promoted: version {version}" in page and "data:image/png;base64," in page
    for notebook in penguins.newest.glob("*.ipynb"):
        assert notebook.with_suffix(".html").is_file() and f'href="{notebook.stem}.html"' in page
    assert f"{penguins.newest.name}/report.html" in (penguins.runs_folder / "index.html").read_text()


def test_run_is_sealed_and_says_who_started_it(penguins, capfd):
    assert main(["verify", str(penguins.newest)]) == 0, capfd.readouterr().out
    started_by = penguins.record["started_by"]
    assert started_by["user"] and started_by["host"] and "mlflow" in started_by["versions"]
    assert started_by["parameter_files"].keys() == {"parameters/penguins.yaml"}


def test_notebooks_show_no_warnings_or_truncated_text(penguins):
    outputs = list(penguins.outputs())
    assert not [
        output
        for _, output in outputs
        if output["output_type"] in ("stream", "error") and output.get("name") != "stdout"
    ]
    tables = [output["data"]["text/html"] for _, output in outputs if "text/html" in output.get("data", {})]
    assert tables and not [table for table in tables if "..." in "".join(table)]


def test_notebooks_contain_their_charts(penguins):
    pictures = {name.split("-")[0] for name, output in penguins.outputs() if "image/png" in output.get("data", {})}
    assert pictures == {"02_preprocess.ipynb", "03_train", "04_evaluate.ipynb"}


def test_one_version_is_in_production(penguins):
    production = penguins.production()
    assert len(production) == 1
    assert penguins.client.get_model_version_by_alias("penguins", "production").version == production[0]


def test_mlflow_has_charts_metrics_and_model_of_candidates(penguins):
    experiment = penguins.client.get_experiment_by_name("penguins").experiment_id
    runs = penguins.client.search_runs([experiment], "tags.stage = 'train'")
    assert {run.data.params["training_function"] for run in runs} == set(penguins.functions)
    for run in runs:
        charts = {artifact.path for artifact in penguins.client.list_artifacts(run.info.run_id, "charts")}
        assert charts == {"charts/curves.png", "charts/confusion_matrix.png", "charts/importance.png"}
        assert run.data.metrics["f1_macro"] > 0.8
        assert {"model/MLmodel", "model/baseline.json"} <= {
            artifact.path for artifact in penguins.client.list_artifacts(run.info.run_id, "model")
        }


def test_endpoint_answers_with_the_key_only(penguins, capfd):
    assert main(["endpoint", "status", "penguins", *penguins.arguments()]) == 0
    url = re.search(r"http://\S+", capfd.readouterr().out)[0]
    assert main(["endpoint", "key", "penguins", *penguins.arguments()]) == 0
    key = capfd.readouterr().out.strip()
    row = json.loads((penguins.workspace / "data" / "penguins" / "sample_request.json").read_text())
    answer = requests.post(url, json=row, headers={"Authorization": f"Bearer {key}"}, timeout=30)
    assert answer.status_code == 200
    assert answer.json()["predictions"][0] in answer.json()["classes"]
    assert requests.post(url, json=row, timeout=30).status_code == 401
    for path in penguins.newest.rglob("*"):
        assert key not in path.read_text(errors="replace"), f"{path.name} holds the key"


@pytest.mark.slow
def test_worse_candidate_is_not_promoted(penguins):
    before = penguins.production()
    assert penguins.run("--from", "train", training_functions=["random_forest"]) == 0
    decision = penguins.record["stages"][1]["outputs"]["decision"]
    assert "not promoted" in decision and f"version {before[0]} stays" in decision
    assert penguins.production() == before
    assert len(penguins.versions()) == 1


def test_single_stage_uses_the_newest_outputs(penguins):
    assert penguins.run("--only", "evaluate", training_functions=penguins.functions) == 0
    assert [stage["stage"] for stage in penguins.record["stages"]] == ["evaluate"]


def test_busy_port_is_refused_before_the_run(penguins, capfd):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        runs = len(list(penguins.runs_folder.iterdir()))
        assert penguins.run("--only", "deploy", endpoint_port=port) == 2
        message = capfd.readouterr().err
        assert str(port) in message and str(os.getpid()) in message
        assert len(list(penguins.runs_folder.iterdir())) == runs
    main(["endpoint", "status", "penguins", *penguins.arguments()])
    assert "running" in capfd.readouterr().out


def test_failed_notebook_keeps_its_error(empty_workspace, tmp_path_factory, capfd):
    chain = chain_of("penguins", empty_workspace, tmp_path_factory)
    assert chain.run(target_column="Speciess") == 2
    captured = capfd.readouterr()
    message = captured.err
    assert captured.out.splitlines()[-1] == f"Report: {chain.newest / 'report.html'}"
    page = (chain.newest / "report.html").read_text(encoding="utf-8")
    assert (
        "<dt>Stopped in</dt><dd>preprocess</dd>" in page and "Speciess" in page and "Next step: fix the cause" in page
    )
    assert "'Speciess'" in message and "Did you mean 'Species'?" in message
    assert "02_preprocess.ipynb" in message and "prepared = pipeline.preprocess()" in message
    errors = [output for name, output in chain.outputs() if output["output_type"] == "error"]
    assert [error["ename"] for error in errors] == ["NameNotFound"]
    assert chain.record["status"] == "failed" and chain.versions() == []


@pytest.mark.slow
def test_blocking_gate_exits_with_3(empty_workspace, tmp_path_factory, capfd):
    chain = chain_of("penguins", empty_workspace, tmp_path_factory)
    assert chain.run(training_functions=["linear"], min_score=1.0, drop_columns=["Culmen Length (mm)", "Island"]) == 3
    captured = capfd.readouterr()
    assert "does not reach min_score" in captured.err
    assert captured.out.splitlines()[-1] == f"Report: {chain.newest / 'report.html'}"
    page = (chain.newest / "report.html").read_text(encoding="utf-8")
    assert "Blocked by a gate" in page and "linear (f1_macro" in page and "record a waiver of the gate" in page
    assert chain.record["status"] == "held" and chain.versions() == []


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"data": "data/penguin_raw.csv"}, "Did you mean 'penguins_raw.csv'?"),
        ({"test_fraction": "a fifth"}, "test_fraction"),
        ({"primary_metrics": "f1_macro"}, "Did you mean 'primary_metric'?"),
    ],
)
def test_parameter_faults_start_no_kernel(tmp_path, capfd, overrides, expected):
    chain = Chain(tmp_path / "workspace", tmp_path / "runs", "penguins", **overrides)
    assert chain.run() == 2
    assert expected in capfd.readouterr().err
    assert not (tmp_path / "runs").exists() and not (tmp_path / "workspace").exists()


def test_flights_from_table_to_endpoint(empty_workspace, tmp_path_factory):
    chain = chain_of("flights", empty_workspace, tmp_path_factory, training_functions=["linear", "xgboost"])
    try:
        assert chain.run() == 0
        assert chain.record["status"] == "succeeded"
        [version] = chain.versions()
        assert float(version.tags["roc_auc"]) > 0.75
    finally:
        chain.stop()


@pytest.mark.slow
def test_bike_hours_from_table_to_endpoint(empty_workspace, tmp_path_factory):
    chain = chain_of(
        "bike-hours", empty_workspace, tmp_path_factory, training_functions=["linear", "gradient_boosting"]
    )
    try:
        assert chain.run() == 0
        [version] = chain.versions()
        assert float(version.tags["r2"]) > 0.9
        assert version.tags["training_function"] == "gradient_boosting"
    finally:
        chain.stop()


def _is_kernel(process):
    try:
        return "lib.chain.kernel_app" in process.cmdline()
    except psutil.NoSuchProcess:  # it has ended since it was listed
        return False


@pytest.mark.slow
def test_ctrl_c_leaves_no_process(workspace, tmp_path):
    """A real process gets the signal as from a terminal."""
    chain = Chain(workspace, tmp_path / "runs", "penguins", fork_kernels=False)
    command = [sys.executable, "run_all.py", *chain.arguments()]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    started = psutil.Process(process.pid)
    children = []
    while not children and process.poll() is None:  # until the first kernel runs
        children = [child for child in started.children(recursive=True) if _is_kernel(child)]
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "interrupted" in errors
    assert chain.record["status"] == chain.record["stages"][0]["status"] == "interrupted"
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def test_run_writes_nothing_else_into_the_checkout(penguins):
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    status = subprocess.run(
        ["git", "status", "--porcelain", "--ignored=no"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    assert not [line for line in status.splitlines() if "mlruns" in line or "mlflow.db" in line]


@pytest.mark.slow
def test_two_chains_can_share_a_workspace(empty_workspace, tmp_path_factory):
    chain = chain_of("penguins", empty_workspace, tmp_path_factory)
    command = [sys.executable, "run_all.py", *chain.arguments(training_functions=["linear", "extra_trees"])]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=280)[0].decode() for process in processes]
        assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
        states = [json.loads(path.read_text()) for path in chain.runs_folder.glob("*/run.json")]
        assert [state["status"] for state in states] == ["succeeded", "succeeded"]
        assert len(chain.production()) == 1
    finally:
        for process in processes:
            process.kill()
        chain.stop()


@pytest.mark.slow
def test_killed_chain_can_be_resumed(empty_workspace, tmp_path_factory):
    chain = chain_of("penguins", empty_workspace, tmp_path_factory)
    command = [sys.executable, "run_all.py", *chain.arguments(training_functions=["linear", "extra_trees"])]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:  # a line for each finished notebook
            if "train" in line and "[4/" in line:
                break
        process.kill()
        process.communicate()
        assert chain.record["status"] == "running"
        resumed = [sys.executable, "run_all.py", "--resume", str(chain.newest)]
        ended = subprocess.run(resumed, cwd=ROOT, capture_output=True, text=True, timeout=280)
        assert ended.returncode == 0, ended.stderr
        assert (chain.record["status"], len(chain.versions()), len(chain.production())) == ("succeeded", 1, 1)
    finally:
        process.kill()
        chain.stop()
