"""The product's own backend, asked for one thing: what it answers, or what it would tell a user.

``python backend.py WHAT[:ARGUMENT...] [name=value ...]``; the last line is JSON.
"""

import json
import sys
import threading
import time
from pathlib import Path

import nbformat
import pandas as pd

from lib import backends
from lib.errors import MillraceError
from lib.parameters import Parameters, load
from lib.paths import ROOT

TABLE = pd.DataFrame({"a": [1.5, None], "b": ["x", "y"], "c": [1, 2]})
CODE = {
    "note": 'print("cell of the notebook")',
    "slow": 'import time\nprint("cell of the notebook", flush=True)\ntime.sleep(600)',
}
said = []


def say(line):
    said.append(line)
    print(line, flush=True)


def tables(backend):
    """Write a table and read it; then JSON."""
    uri = backend.write_table(TABLE, f"faults/{time.monotonic_ns()}.parquet")
    other = backend.write_json({"a": 1}, f"faults/{time.monotonic_ns()}.json")
    return {"rows": len(backend.read_table(uri)), "json": backend.read_json(other)}


def left_out(backend, *names):
    """A table read without some columns: what is there, and what the preprocess stage is told."""
    uri = backend.write_table(TABLE, f"faults/{time.monotonic_ns()}.parquet")
    frame = backend.read_table(uri, without=names)
    return {"columns": list(frame.columns), "told": frame.attrs}


def checks(backend):
    """What setup does."""
    return {"checks": [[check.name, check.ok] for check in backend.prepare()]}


def job(backend, code="note", cancel=False):
    """A notebook of one cell, on the cluster."""
    cell = nbformat.v4.new_code_cell("stage = 'train'", metadata={"tags": ["parameters"]})
    book = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell(CODE[code])])
    book.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    nbformat.write(book, "notebook.ipynb")
    cancelled = threading.Event()

    def watch(line):
        say(line)
        if cancel and "cell of the notebook" in line:
            cancelled.set()

    try:
        backend.executor("train").execute(
            Path("notebook.ipynb"), Path("executed.ipynb"), {"stage": "train"}, timeout_minutes=20,
            cancelled=cancelled, report=watch,
        )  # fmt: skip
    finally:
        log = Path("executed.log").read_text() if Path("executed.log").exists() else ""
        say(f"log brought back: {'cell of the notebook' in log}")
    return {"executed": "cell of the notebook" in Path("executed.ipynb").read_text()}


def cancel(backend):
    """The same, cancelled while it runs."""
    return job(backend, "slow", cancel=True)


def models(backend):
    """Two versions of a model, and rows to ask them."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    name, target = backend._parameters.name, backend._parameters.target_column
    columns = ["Culmen Length (mm)", "Culmen Depth (mm)", "Flipper Length (mm)", target]
    rows = pd.read_csv(ROOT / backend._parameters.data)[columns].dropna()
    features = rows.drop(columns=target)
    for model in (LogisticRegression(max_iter=9999), DecisionTreeClassifier(random_state=0)):
        fitted = make_pipeline(StandardScaler(), model).fit(features, rows[target])
        with backend.tracking.run(name, "train", "train", {}) as run_id:
            backend.tracking.log_model(fitted, features.head(3), features, {})
        source, sha256 = backend.tracking.model_source(backend.tracking.candidate_run(run_id))
        backend.models(name).register(run_id, source, sha256, {"training_function": type(model).__name__})
    Path("test_data.txt").write_text(backend.write_table(rows, f"{name}/test_data.parquet"))
    return {"versions": [one.version for one in backend.models(name).versions()]}


def deploy(backend, version):
    """A version in production, deployed as the stage does it."""
    from lib.stages import deploy as stage

    name = backend._parameters.name
    backend.models(name).promote(version)
    given = {**backend._parameters, "test_data": Path("test_data.txt").read_text(), "decision": ""}
    with backend.tracking.run(name, "deploy", "deploy", {}):
        made = stage.run(backend, Parameters(given))
    return {"url": made.endpoint_url, "request": json.dumps(backend.read_json(made.sample_request))}


def shift(backend, percent, mirror):
    """Another share of the traffic for the version on its way in."""
    return vars(backend.endpoint(backend._parameters.name).shift_traffic(float(percent), float(mirror)))


def roll_back(backend):
    """All traffic for the version before."""
    return vars(backend.endpoint(backend._parameters.name).roll_back())


def teardown(backend):
    """What is left, ended."""
    return {"lines": backend.teardown(everything=False)}


WHAT = {
    one.__name__: one for one in (tables, left_out, checks, job, cancel, models, deploy, shift, roll_back, teardown)
}


def main():
    files = [ROOT / "parameters" / name for name in ("penguins.yaml", "azureml.yaml")]
    layers = load(files, sys.argv[2:])
    try:
        backend = backends.connect(Parameters(layers.values))
        what, *arguments = sys.argv[1].split(":")
        answer = {"answer": WHAT[what](backend, *arguments)}
    except MillraceError as error:
        answer = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(answer | {"said": said}))


main()
