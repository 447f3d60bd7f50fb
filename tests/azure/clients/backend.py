"""One operation of the Azure backend, run in a process of its own.

``python backend.py OPERATION[:ARGUMENT...] [name=value ...]`` prints a line of JSON at the end: the result of the
operation, or the error message that a user would read.
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
    "fast": 'print("cell of the notebook")',
    "slow": 'import time\nprint("cell of the notebook", flush=True)\ntime.sleep(600)',
}
messages = []


def report(message):
    messages.append(message)
    print(message, flush=True)


def tables(backend):
    """Write and read a table and a JSON file."""
    uri = backend.write_table(TABLE, f"faults/{time.monotonic_ns()}.parquet")
    json_uri = backend.write_json({"a": 1}, f"faults/{time.monotonic_ns()}.json")
    return {"rows": len(backend.read_table(uri)), "json": backend.read_json(json_uri)}


def omit_columns(backend, *names):
    """Read a table without some columns; return the other columns and the attributes that record the omission."""
    uri = backend.write_table(TABLE, f"faults/{time.monotonic_ns()}.parquet")
    frame = backend.read_table(uri, exclude=names)
    return {"columns": list(frame.columns), "attributes": frame.attrs}


def prepare(backend):
    """Prepare the backend like the setup stage."""
    return {"checks": [[check.name, check.ok] for check in backend.prepare()]}


def job(backend, speed="fast", cancel=False):
    """Execute a notebook with one cell on the cluster."""
    parameters_cell = nbformat.v4.new_code_cell("stage = 'train'", metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook(cells=[parameters_cell, nbformat.v4.new_code_cell(CODE[speed])])
    notebook.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    nbformat.write(notebook, "notebook.ipynb")
    cancelled = threading.Event()

    def watch(message):
        report(message)
        if cancel and "cell of the notebook" in message:
            cancelled.set()

    try:
        backend.executor("train").execute(
            Path("notebook.ipynb"), Path("executed.ipynb"), {"stage": "train"}, timeout_minutes=20,
            cancelled=cancelled, report=watch,
        )  # fmt: skip
    finally:
        log = Path("executed.log").read_text() if Path("executed.log").exists() else ""
        report(f"log downloaded: {'cell of the notebook' in log}")
    return {"executed": "cell of the notebook" in Path("executed.ipynb").read_text()}


def cancel(backend):
    """Execute a slow notebook on the cluster and cancel it."""
    return job(backend, "slow", cancel=True)


def models(backend):
    """Register two versions of a model, and write rows to score."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    name, target = backend._parameters.name, backend._parameters.target_column
    columns = ["Culmen Length (mm)", "Culmen Depth (mm)", "Flipper Length (mm)", target]
    rows = pd.read_csv(ROOT / backend._parameters.data)[columns].dropna()
    features = rows.drop(columns=target)
    for estimator in (LogisticRegression(max_iter=9999), DecisionTreeClassifier(random_state=0)):
        pipeline = make_pipeline(StandardScaler(), estimator).fit(features, rows[target])
        with backend.tracking.run(name, "train", "train", {}) as run_id:
            backend.tracking.log_model(pipeline, features.head(3), features, {})
        source, sha256 = backend.tracking.model_source(backend.tracking.candidate_run(run_id))
        backend.models(name).register(run_id, source, sha256, {"training_function": type(estimator).__name__})
    Path("test_data.txt").write_text(backend.write_table(rows, f"{name}/test_data.parquet"))
    return {"versions": [version.version for version in backend.models(name).versions()]}


def deploy(backend, version):
    """Promote a version and run the deploy stage."""
    from lib.stages import deploy as stage

    name = backend._parameters.name
    backend.models(name).promote(version)
    values = {**backend._parameters, "test_data": Path("test_data.txt").read_text(), "decision": ""}
    with backend.tracking.run(name, "deploy", "deploy", {}):
        deployment = stage.run(backend, Parameters(values))
    return {"url": deployment.endpoint_url, "request": json.dumps(backend.read_json(deployment.sample_request))}


def shift(backend, percent, mirror):
    """Change the new version's share of the traffic."""
    return vars(backend.endpoint(backend._parameters.name).shift_traffic(float(percent), float(mirror)))


def roll_back(backend):
    """Route all traffic to the previous version."""
    return vars(backend.endpoint(backend._parameters.name).roll_back())


def teardown(backend):
    """Remove the endpoint and the jobs."""
    return {"lines": backend.teardown(everything=False)}


OPERATIONS = {
    operation.__name__: operation
    for operation in (tables, omit_columns, prepare, job, cancel, models, deploy, shift, roll_back, teardown)
}


def main():
    files = [ROOT / "parameters" / name for name in ("penguins.yaml", "azureml.yaml")]
    layers = load(files, sys.argv[2:])
    try:
        backend = backends.connect(Parameters(layers.values))
        operation, *arguments = sys.argv[1].split(":")
        reply = {"result": OPERATIONS[operation](backend, *arguments)}
    except MillraceError as error:
        reply = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(reply | {"messages": messages}))


main()
