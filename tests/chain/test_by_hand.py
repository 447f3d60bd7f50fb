"""Notebooks opened by hand: in a kernel of nbclient, by plain papermill, and in JupyterLab."""

import json
import os
import re
import shutil
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
from bs4 import BeautifulSoup
from nbclient import NotebookClient

from lib.chain import contracts, notebooks
from lib.errors import ParameterError
from lib.parameters import load
from lib.paths import ROOT
from lib.pipelines import open_pipeline
from tests.chain.small_notebooks import code_of, errors_of
from tests.serving.browser import PROGRAM, Browser

PENGUINS = "parameters/penguins.yaml"
BIKES = "parameters/bike-hours.yaml"
PENGUINS_DATA = "data/penguins_raw.csv"
# The notebook that JupyterLab shows, in its JavaScript.
PANEL = "Array.from(jupyterapp.shell.widgets('main'))[0]"
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


def changed_parameters(page):
    """Return the parameters that a page marks as different from their defaults, with their values."""
    table = BeautifulSoup(page, "html.parser").find_all("table")[-1]
    rows = [[cell.get_text(strip=True) for cell in row.find_all(["th", "td"])] for row in table.tbody.find_all("tr")]
    assert all((state == "changed") == name.endswith(" ★") for name, _, _, state in rows)
    return {name.removesuffix(" ★"): value for name, value, _, state in rows if state == "changed"}


def test_notebook_runs_any_use_case_from_its_own_folder(overrides):
    notebook = with_parameters(SETUP, use_case=PENGUINS, overrides=overrides)
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(SETUP.parent)}}).execute()
    page = shown([cell for cell in notebook.cells if cell.cell_type == "code"])
    assert "Setup: penguins, run by hand" in page and "checks passed" in page
    assert "penguins_raw.csv" in page
    assert changed_parameters(page) == {
        "name": "penguins",
        "workspace": overrides["workspace"],
        "data": PENGUINS_DATA,
        "show_rows": "3",
    }


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
    assert error["traceback"][0] == f"ParameterError: {error['evalue']}" and len(error["traceback"]) == 2


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        ({"options.late_after_minutes": "soon"}, "options: late_after_minutes is 'soon'; expected int."),
        ({"options.weather_date": "x.csv"}, "options: weather_date is not an option of custom/pipelines/flights.py."),
        (
            {"hyperparameters.linear.regularisation": "2"},
            "hyperparameters: linear.regularisation is '2'; expected float",
        ),
        ({"hyperparameters": {"linear": {"rate": 1}}}, "hyperparameters: lib/training/linear.py has no rate."),
        ({"sead": 7, "options.weather_data": 7}, "2 parameters cannot be used"),
    ],
)
def test_parameters_are_checked_as_strictly_as_before_a_run(overrides, fault):
    with pytest.raises(ParameterError) as by_hand:
        open_pipeline("parameters/flights.yaml", overrides)
    with pytest.raises(ParameterError) as before_a_run:
        contracts.resolve_parameters(
            load([ROOT / "parameters" / "flights.yaml"], overrides=overrides), notebooks.read_all()
        )
    assert fault in str(by_hand.value) and str(by_hand.value) == str(before_a_run.value)


@pytest.fixture
def jupyterlab(tmp_path):
    """A JupyterLab server on a copy of the notebooks, which it saves: folder and address, with the token."""
    folder = tmp_path / "notebooks"
    shutil.copytree(SETUP.parent, folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = uuid.uuid4().hex
    options = ["--no-browser", "--allow-root", f"--port={port}", f"--IdentityProvider.token={token}"]
    options += [f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url="]
    places = {f"JUPYTER_{name}_DIR": str(tmp_path / "jupyter" / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **places},
        )
    try:
        deadline = time.monotonic() + 180
        while True:
            try:
                requests.get(f"http://127.0.0.1:{port}/api/status?token={token}", timeout=5).raise_for_status()
                break
            except requests.RequestException:
                assert server.poll() is None and time.monotonic() < deadline, (tmp_path / "server.log").read_text()
                time.sleep(0.2)
        yield folder, f"http://127.0.0.1:{port}/lab/tree/{SETUP.name}?token={token}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=60)


@pytest.mark.slow
@pytest.mark.skipif(PROGRAM is None, reason="needs Chromium")
def test_notebook_runs_in_jupyterlab(tmp_path, jupyterlab, overrides):
    folder, url = jupyterlab
    browser = Browser(tmp_path / "profile")
    try:
        browser.open(url)
        browser.wait_for(f"window.jupyterapp && {PANEL} && true")
        browser.run(f"{PANEL}.sessionContext.ready")
        set_line(browser, "overrides", overrides)
        for use_case, title in ((PENGUINS, "Setup: penguins, run by hand"), (BIKES, "Setup: bike-hours, run by hand")):
            set_line(browser, "use_case", use_case)
            assert browser.run("jupyterapp.commands.execute('notebook:run-all-cells')"), "a cell failed"
            browser.run(f"{PANEL}.context.save()")
            assert title in browser.run("document.querySelector('.jp-Notebook').innerText")
            saved = nbformat.read(folder / SETUP.name, as_version=4)
            page = shown([cell for cell in saved.cells if cell.cell_type == "code"])
            assert "checks passed" in page and changed_parameters(page)["name"] in title
    finally:
        browser.close()


def set_line(browser, name, value):
    """Replace a line of the parameters cell in the notebook that JupyterLab shows."""
    line = json.dumps(f"{name} = {value!r}")
    browser.run(
        f"(() => {{ const cell = {PANEL}.content.widgets.find("
        "    (cell) => cell.model.getMetadata('tags')?.includes('parameters')).model.sharedModel;"
        f"  cell.setSource(cell.getSource().replace(/^{name} = .*$/m, () => {line})); }})()"
    )
