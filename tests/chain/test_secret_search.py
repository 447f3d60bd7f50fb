"""Secrets that a run writes: each is redacted everywhere, and the run fails with the stage and the cell."""

import json
import sqlite3
import types
from contextlib import closing

import mlflow
import pytest

from lib.backends.local import secret_search as tracking_search
from lib.chain import secret_search
from lib.chain.failures import StageFailed
from lib.chain.record import RunRecord
from lib.commands import main, run
from lib.parameters import Parameters
from lib.secrets import files, kernel_guard, known_values
from tests import workspaces
from tests.chain.small_notebooks import BASE, SmallChain

copy_after = workspaces.copy_after
SECRET = "Tr0ub4dor&3+horse/battery"
GITHUB = "ghp" + "_" + "a1B2" * 9


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    yield
    known_values.forget_all()


def written(*folders):
    """Return the text of all files below folders, without their escapes."""
    contents = [file.read_bytes() for folder in folders for file in folder.rglob("*") if file.is_file()]
    return b"\n".join(contents).decode("utf-8", "replace")


CELLS = {
    "print": "import os\nprint('token:', os.environ['SHOP_TOKEN'])",
    "stderr": "import os, sys\nsys.stderr.write(os.environ['SHOP_TOKEN'])",
    "letter by letter": "import os\nfor letter in os.environ['SHOP_TOKEN']:\n    print(letter, end='', flush=True)",
    "value of a cell": "import os\n{'token': os.environ['SHOP_TOKEN']}",
    "HTML": "import os, html\nfrom IPython.display import HTML\nHTML(html.escape(os.environ['SHOP_TOKEN']))",
    "table": "import os, pandas as pd\npd.DataFrame({'a': [os.environ['SHOP_TOKEN']]})",
    "log": "import os, logging\nlogging.warning('GET %s', os.environ['SHOP_TOKEN'])",
    "form": f"print('ghp' + {GITHUB[3:]!r})",
}


@pytest.mark.slow
@pytest.mark.parametrize("source", CELLS)
def test_a_secret_in_an_output_stops_the_run_with_the_cell(tmp_path, source, capfd):
    chain = SmallChain(tmp_path)
    chain.write("01_setup.ipynb", "a = 1", CELLS[source], "b = 2", outputs="answer=1")
    with pytest.raises(StageFailed, match=r"[Cc]ell \[4\] contained a secret \((env:SHOP_TOKEN|GitHub token)\)"):
        chain.run(options={"token": "env:SHOP_TOKEN"})
    text = written(tmp_path / "runs") + "".join(capfd.readouterr())
    assert SECRET not in text and GITHUB not in text and SECRET not in json.dumps(text)
    assert chain.statuses == [("setup", "failed")] and "redacted" in text


def test_a_secret_in_an_error_and_in_a_figure_is_redacted(tmp_path):
    chain = SmallChain(tmp_path)
    figure = (
        "import os\nfrom lib.secrets import kernel_guard, references\n"
        "references.remember_environment('env:SHOP_TOKEN')\nkernel_guard.install()\n"
        "import matplotlib.pyplot as plt\nplt.title(os.environ['SHOP_TOKEN'])\n"
        "raise ValueError('no access with ' + os.environ['SHOP_TOKEN'])"
    )
    chain.write("01_setup.ipynb", figure, outputs="answer=1")
    with pytest.raises(StageFailed) as caught:
        chain.run(options={"token": "env:SHOP_TOKEN"})
    assert "ValueError: no access with [redacted: env:SHOP_TOKEN]" in str(caught.value)
    assert "Cell [3] contained a secret (env:SHOP_TOKEN)" in str(caught.value)
    text = written(tmp_path / "runs")
    assert "A figure contained a secret: [redacted: env:SHOP_TOKEN]" in text and SECRET not in text


def test_the_guard_of_a_kernel_redacts_messages_but_no_images():
    sent = []
    session = types.SimpleNamespace(send=lambda stream, kind, content=None, **options: sent.append(content))
    known_values.remember("env:SHOP_TOKEN", SECRET)
    kernel_guard.guard_messages(session)
    session.send(None, "stream", {"name": "stdout", "text": f"a {SECRET}"})
    session.send(None, "display_data", {"data": {"image/png": SECRET, "text/html": SECRET}, "metadata": {}})
    session.send(None, "error", content={"ename": "E", "evalue": SECRET, "traceback": [f"E: {SECRET}"]})
    session.send(None, "status", {"execution_state": SECRET})
    mark = "[redacted: env:SHOP_TOKEN]"
    assert sent[0]["text"] == f"a {mark}"
    assert sent[1]["data"] == {"image/png": SECRET, "text/html": mark}
    assert sent[2] == {"ename": "E", "evalue": mark, "traceback": [f"E: {mark}"]}
    assert sent[3] == {"execution_state": SECRET}


def test_texts_of_figures_are_redacted(monkeypatch, capsys):
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    monkeypatch.setattr(Text, "set_text", Text.set_text)
    known_values.remember("env:SHOP_TOKEN", SECRET)
    kernel_guard.guard_figures()
    try:
        axes = Figure().add_subplot()
        axes.set(title=f"with {SECRET}", xlabel=GITHUB, ylabel="plain")
        axes.text(0, 0, SECRET)
        labels = [axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), axes.texts[0].get_text()]
    finally:
        delattr(Text, "_millrace_guarded")
    mark = "[redacted: env:SHOP_TOKEN]"
    assert labels == [f"with {mark}", "[redacted: GitHub token]", "plain", mark]
    assert capsys.readouterr().err.count("A figure contained a secret") == 3


def test_a_notebook_of_another_machine_is_redacted_and_its_cells_are_named(tmp_path):
    known_values.remember("env:SHOP_TOKEN", SECRET)
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "text"},
        {"cell_type": "code", "metadata": {}, "source": ["a = 1\n", f"b = '{SECRET}'"], "outputs": []},
        {
            "cell_type": "code",
            "metadata": {},
            "source": "c",
            "outputs": [{"output_type": "display_data", "metadata": {}, "data": {"application/json": {SECRET: 1}}}],
        },
    ]
    notebook = tmp_path / "03_train.ipynb"
    notebook.write_text(json.dumps({"cells": cells, "metadata": {"papermill": {"parameters": {"x": SECRET}}}}))
    notebook.with_suffix(".log").write_text(SECRET)
    message = secret_search.search_notebook(notebook)
    assert "cell [1] contained a secret" in message and "cell [2]" in message and "its text" in message
    assert SECRET not in written(tmp_path) and written(tmp_path).count("[redacted: env:SHOP_TOKEN]") == 4


def test_the_tracking_store_is_searched_and_redacted(copy_after):
    workspace = copy_after("train")
    pipeline = workspaces.pipeline_in(workspace)
    with pipeline.backend.tracking.run("small-shop", "train", "linear", {"run_name": "run-1"}) as run_id:
        mlflow.log_params({"url": f"https://x?{SECRET}", "plain": "1"})
        mlflow.set_tag("note", GITHUB)
        mlflow.log_text(f"a\n{SECRET}\n", "notes/log.txt")
    known_values.remember("env:SHOP_TOKEN", SECRET)
    found = tracking_search.redact(workspace, "run-1")
    assert {place for place, _ in found} == {
        "train: MLflow param url",
        "train: MLflow tag note",
        "train: artifact notes/log.txt",
    }
    stored = pipeline.backend.tracking.client.get_run(run_id).data
    assert stored.params == {"url": "https://x?[redacted: env:SHOP_TOKEN]", "plain": "1"}
    assert stored.tags["note"] == "[redacted: GitHub token]"
    with closing(sqlite3.connect(workspace / "mlflow.db")) as connection:
        connection.execute("VACUUM")
    assert SECRET not in written(workspace) and GITHUB not in written(workspace)
    assert tracking_search.redact(workspace, "another-run") == []


def test_a_run_that_wrote_a_secret_fails_and_names_the_place(tmp_path, capsys):
    parameters = Parameters({**BASE, "name": "shop", "runs_folder": str(tmp_path), "workspace": str(tmp_path / "w")})
    record = RunRecord.new(tmp_path, "shop", parameters)
    entry = record.begin("train linear", "03_train-linear.ipynb")
    record.end(entry, "succeeded", outputs={"note": f"with {SECRET}"})
    (record.folder / "notes.txt").write_text(SECRET)
    (record.folder / "image.png").write_bytes(SECRET.encode())
    known_values.remember("env:SHOP_TOKEN", SECRET)
    with pytest.raises(secret_search.SecretFound, match=r"notes.txt contained a secret \(env:SHOP_TOKEN\)"):
        secret_search.search_run(record, parameters)
    assert SECRET not in (record.folder / "run.json").read_text() + (record.folder / "notes.txt").read_text()
    (record.folder / "notes.txt").write_text(SECRET)
    record.close("succeeded")
    run._search_for_secrets(record, parameters)
    state = json.loads((record.folder / "run.json").read_text())
    assert state["status"] == "failed" and "notes.txt contained a secret" in state["error"]
    assert "notes.txt contained a secret" in capsys.readouterr().err


def test_files_that_are_no_text_stay(tmp_path):
    known_values.remember("env:SHOP_TOKEN", SECRET)
    for name, content in {"a.bin": b"\0" + SECRET.encode(), "b.txt": b"\xff" + SECRET.encode()}.items():
        (tmp_path / name).write_bytes(content)
        assert files.redact_file(tmp_path / name) == []
        assert (tmp_path / name).read_bytes() == content


@pytest.mark.slow
def test_a_whole_run_on_a_secret_address_never_writes_it(tmp_path, monkeypatch, capfd):
    from tests.secrets.test_masked_errors import SIGNATURE

    pytest.importorskip("aiohttp", reason='needs make install GROUPS="sources"')
    monkeypatch.setenv("SHOP_URL", f"http://127.0.0.1:9/shop.csv?{SIGNATURE}")
    options = ["-p", "data=env:SHOP_URL", "-p", f"workspace={tmp_path}/w", "-p", f"runs_folder={tmp_path}/runs"]
    assert main(["--params", "parameters/penguins.yaml", "--to", "preprocess", *options]) == 2
    output = "".join(capfd.readouterr())
    assert "env:SHOP_URL cannot be read" in output
    assert "Zm9vYmFy" not in output + written(tmp_path / "runs") + written(tmp_path / "w")


def test_marks_of_an_earlier_attempt_do_not_fail_a_resumed_run(tmp_path):
    parameters = Parameters({**BASE, "name": "shop", "runs_folder": str(tmp_path), "workspace": str(tmp_path / "w")})
    record = RunRecord.new(tmp_path, "shop", parameters)
    record.add(error="train: a [redacted: env:SHOP_TOKEN] was found")
    output = {"output_type": "stream", "name": "stdout", "text": ["[redacted: env:SHOP_TOKEN]"]}
    cell = {"cell_type": "code", "metadata": {}, "source": "a", "outputs": [output]}
    attempt = record.folder / "03_train.attempt-1.ipynb"
    attempt.write_text(json.dumps({"cells": [cell], "metadata": {}}))
    secret_search.search_run(record, parameters)
    assert "cell [1] contained a secret" in secret_search.search_notebook(attempt)
    record.close("succeeded")


@pytest.mark.parametrize("statement", ["SELECT 1", "CREATE TABLE numbers (number)"], ids=["empty", "other tables"])
def test_a_database_without_mlflows_tables_has_no_secrets(tmp_path, statement):
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute(statement)
    (tmp_path / "mlflow.db").touch()
    assert tracking_search.redact(tmp_path, "run-1") == []


@pytest.mark.parametrize("error", ["", "mlflow.db cannot be used (file is not a database)."])
def test_a_damaged_database_does_not_hide_why_the_run_ended(tmp_path, error):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "mlflow.db").write_bytes(b"text" * 2000)
    parameters = Parameters({**BASE, "workspace": str(workspace)})
    record = RunRecord.new(tmp_path / "runs", "shop", parameters)
    record.close("failed", error)
    message = secret_search.search_failed_run(record, parameters)
    complaint = "The search for secrets was not completed: The database cannot be used (file is not a database)"
    assert message.startswith(complaint) == (error == "")
