"""Time and memory of a look at a large request log.

``python -m benchmarks.monitoring_cost 1000000`` trains a linear model of 20 columns in a workspace of its own, writes a
request log of so many single-row requests in four weeks, as the endpoint writes it, and looks at it in a fresh process:
reading, counting, the verdict, and the estimate of performance without labels.
"""

import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from lib.parameters import load
from lib.pipelines import get_pipeline

NAME = "monitoring-cost"
WEEKS, TRAINING_ROWS, DAYS_PER_WEEK = 4, 20_000, 7
LOOK = """
import json, resource, sys, time
from lib.pipelines import get_pipeline
values = json.loads(sys.stdin.read())
start = time.perf_counter()
pipeline = get_pipeline(**values)
result = pipeline.monitor()
seconds = time.perf_counter() - start
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, result.verdict]))
"""


def main(requests):
    with tempfile.TemporaryDirectory() as folder:
        values = prepare(Path(folder))
        size = write_log(Path(folder), values, requests)
        done = subprocess.run(
            [sys.executable, "-c", LOOK], input=json.dumps(values), capture_output=True, text=True, check=True
        )
        seconds, megabytes, verdict = json.loads(done.stdout.splitlines()[-1])
        print("| requests | log, MB | seconds | peak memory, MB | verdict |")
        print("| --- | --- | --- | --- | --- |")
        print(f"| {requests:,} | {size / 2**20:.0f} | {seconds:.1f} | {megabytes:.0f} | {verdict} |")


def make_table(rows, seed):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({f"number {number}": random.normal(size=rows).round(4) for number in range(14)})
    for number in range(6):
        frame[f"category {number}"] = random.choice([f"level {level}" for level in range(4 + number)], rows)
    score = frame["number 0"] + (frame["category 0"] == "level 1") + random.normal(size=rows)
    return frame.assign(bought=np.where(score > 0.3, "yes", "no"))


def prepare(folder):
    """Train a model and put it into production; return the parameters of the use case."""
    make_table(TRAINING_ROWS, 0).to_csv(folder / "table.csv", index=False)
    inputs = dict.fromkeys(("train_data", "test_data", "baseline", "decision", "run_name", "rows", "history"), "")
    values = {
        **load([]).values,
        **inputs,
        "candidates": [],
        "training_function": "linear",
        "name": NAME,
        "data": str(folder / "table.csv"),
        "target_column": "bought",
        "task": "binary",
        "primary_metric": "roc_auc",
        "workspace": str(folder / "workspace"),
    }
    os.environ["MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"] = "false"
    pipeline = get_pipeline(**values)
    sides = pipeline.preprocess()
    values |= {"train_data": sides.train_data, "test_data": sides.test_data, "baseline": sides.baseline}
    candidate = get_pipeline(**values).train()
    get_pipeline(**{**values, "candidates": [candidate.run_id]}).evaluate()
    return {**values, "candidates": []}


def write_log(folder, values, requests):
    """Write the request log, and return its size in bytes."""
    backend = get_pipeline(**values).backend
    version = backend.models(NAME).production()
    model = backend.tracking.load_model(backend.tracking.model_folder(version.source, version.sha256))
    first = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=WEEKS * DAYS_PER_WEEK)
    log = backend.request_log(NAME)
    days = WEEKS * DAYS_PER_WEEK
    for day in range(days):
        rows = make_table(requests // days + (day < requests % days), seed=day + 1).drop(columns="bought")
        probabilities = model.predict_proba(rows)
        date = first + datetime.timedelta(days=day)
        times = pd.Timestamp(date, tz="UTC") + pd.to_timedelta(np.arange(len(rows)), unit="s")
        identifiers = [f"{day}-{number:032x}" for number in range(len(rows))]
        logged = rows.assign(_time=times.as_unit("us"), _latency_ms=1.5, _request_id=identifiers, _version="1")
        logged["_prediction"] = model.classes_[probabilities.argmax(axis=1)]
        logged["_probability_no"], logged["_probability_yes"] = probabilities.T
        path = log / f"day={date}" / "v1-1.parquet"
        path.parent.mkdir(parents=True)
        logged.to_parquet(path, compression="zstd")
    return sum(path.stat().st_size for path in log.glob("*/*.parquet"))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
