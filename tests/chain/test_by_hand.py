"""Notebooks opened by hand: in a kernel of nbclient, by plain papermill, and in a Jupyter server."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid

import nbformat
import papermill
import pytest
import requests
from nbclient import NotebookClient

from lib.chain import notebooks
from lib.paths import ROOT
from tests.chain.small_notebooks import code_of, errors_of

PENGUINS = "parameters/penguins.yaml"
SETUP = ROOT / "notebooks" / "01_setup.ipynb"


@pytest.fixture
def overrides(tmp_path, empty_workspace):
    """Return overrides that put workspace and runs into the test's folder."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "mlflow.db").write_bytes((empty_workspace / "mlflow.db").read_bytes())
    return {"workspace": str(workspace)}


def with_parameters(path, **values):
    """Return a notebook as a person would edit it: other values in its parameters cell."""
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    for name, value in values.items():
        cell.source = re.sub(rf"^{name} = .*$", lambda _, line=f"{name} = {value!r}": line, cell.source, flags=re.M)
    return notebook


def shown(cells):
    """Return the text of everything that cells display."""
    return "\n".join(
        "".join(output["data"].get("text/html", output["data"].get("text/plain", "")))
        for cell in cells
        for output in cell["outputs"]
        if "data" in output
    )


def test_notebook_runs_any_use_case_from_its_own_folder(overrides):
    notebook = with_parameters(SETUP, use_case=PENGUINS, overrides=overrides)
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(SETUP.parent)}}).execute()
    page = shown([cell for cell in notebook.cells if cell.cell_type == "code"])
    assert "Setup: penguins, run by hand" in page and "checks passed" in page
    assert "penguins_raw.csv" in page


@pytest.mark.parametrize("engine", [None, "millrace"])
def test_plain_papermill_takes_the_use_case_as_a_parameter(tmp_path, overrides, engine):
    executed = tmp_path / "out.ipynb"
    values = {"use_case": PENGUINS, "overrides": overrides}
    papermill.execute_notebook(str(SETUP), str(executed), values, engine_name=engine, progress_bar=False)
    assert "Setup: penguins" in shown(code_of(executed))


def test_error_shows_its_message_and_no_traceback(tmp_path, overrides):
    executed = tmp_path / "out.ipynb"
    values = {"use_case": PENGUINS, "overrides": {**overrides, "sead": 7}}
    with pytest.raises(papermill.PapermillExecutionError):
        papermill.execute_notebook(str(SETUP), str(executed), values, progress_bar=False)
    (error,) = errors_of(code_of(executed))
    assert error["ename"] == "ParameterError" and "sead (overrides) is not a parameter" in error["evalue"]
    assert error["traceback"] == [f"ParameterError: {error['evalue']}"]


@pytest.mark.slow
def test_notebook_runs_in_a_jupyter_server(tmp_path, overrides):
    websocket = pytest.importorskip("websocket", reason="needs websocket-client")
    pytest.importorskip("jupyter_server", reason="needs jupyter_server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = uuid.uuid4().hex
    arguments = ["--no-browser", "--allow-root", f"--port={port}", f"--IdentityProvider.token={token}"]
    command = [sys.executable, "-m", "jupyter_server", *arguments, f"--ServerApp.root_dir={ROOT / 'notebooks'}"]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    url, headers = f"http://127.0.0.1:{port}/api", {"Authorization": f"token {token}"}
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                requests.get(f"{url}/status", headers=headers, timeout=5).raise_for_status()
                break
            except requests.RequestException:
                assert time.monotonic() < deadline, (tmp_path / "server.log").read_text()
                time.sleep(0.2)
        content = requests.get(f"{url}/contents/{SETUP.name}", headers=headers, timeout=30).json()["content"]
        assert [cell["id"] for cell in content["cells"]] == [cell.id for cell in nbformat.read(SETUP, 4).cells]
        session = {"path": SETUP.name, "type": "notebook", "name": SETUP.name, "kernel": {"name": "python3"}}
        kernel = requests.post(f"{url}/sessions", headers=headers, json=session, timeout=60).json()["kernel"]["id"]
        socket_url = f"ws://127.0.0.1:{port}/api/kernels/{kernel}/channels?token={token}"
        channel = websocket.create_connection(socket_url, timeout=180)
        notebook = with_parameters(SETUP, use_case=PENGUINS, overrides=overrides)
        pages = [execute(channel, cell.source) for cell in notebook.cells if cell.cell_type == "code"]
        channel.close()
        requests.delete(f"{url}/kernels/{kernel}", headers=headers, timeout=30)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)
    assert "Setup: penguins, run by hand" in "".join(pages)


def execute(channel, source):
    """Execute a cell over the websocket of a kernel, and return what it displays."""
    request = {
        "header": {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "test", "username": ""},
        "parent_header": {},
        "metadata": {},
        "content": {"code": source, "silent": False, "store_history": True, "user_expressions": {}},
        "channel": "shell",
    }
    channel.send(json.dumps(request))
    page = ""
    while True:
        message = json.loads(channel.recv())
        if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
            continue
        content = message["content"]
        assert message["msg_type"] != "error", content
        if message["msg_type"] in ("display_data", "execute_result"):
            page += content["data"].get("text/html", content["data"].get("text/plain", ""))
        if message["msg_type"] == "status" and content["execution_state"] == "idle":
            return page


def test_links_of_executed_notebooks_resolve(tmp_path):
    from lib.chain import pages, plan

    training, evaluation = (
        notebooks.read(ROOT / "notebooks" / f"{name}.ipynb") for name in ("03_train", "04_evaluate")
    )
    executions = [plan.Execution(training, "linear"), plan.Execution(training, "xgboost"), plan.Execution(evaluation)]
    for execution in executions:
        (tmp_path / execution.file_name).write_bytes(execution.notebook.path.read_bytes())
        pages.finish(execution.notebook.path, tmp_path / execution.file_name, executions)
    text = (tmp_path / "04_evaluate.ipynb").read_text(encoding="utf-8")
    assert "[03_train-linear](03_train-linear.ipynb), [03_train-xgboost](03_train-xgboost.ipynb)" in text
    links = [
        link for page in tmp_path.glob("*.ipynb") for link in re.findall(r"\]\(([^)]+\.ipynb)\)", page.read_text())
    ]
    assert len(links) == 7 and all((tmp_path / link).resolve().is_file() for link in links)
