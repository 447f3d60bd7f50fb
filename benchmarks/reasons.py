"""Latency of a single row with and without reasons, for each training function on the flights example.

``python -m benchmarks.reasons [FOLDER]`` trains the models in a folder, unless it has them already, and serves each.
Requests with ``"reasons": 3`` and without alternate; each number is the median of all pairs.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from benchmarks._load import ROOT
from lib.scoring.scorer import Scorer
from lib.serving.deploying.endpoint import LocalEndpoint

FUNCTIONS = ["linear", "random_forest", "extra_trees", "gradient_boosting", "xgboost"]
MAX_PAIRS, WARM_UP, MAX_SECONDS = 300, 3, 12


def train_models(folder: Path) -> list[Path]:
    """Train each function on the flights example, and return the model folders."""
    artifacts = folder / "workspace" / "artifacts"
    if not list(artifacts.rglob("MLmodel")):
        command = [sys.executable, "run_all.py", "--to", "train", "-p", f"training_functions=[{','.join(FUNCTIONS)}]"]
        command += ["-p", f"workspace={folder / 'workspace'}", "-p", f"runs_folder={folder / 'runs'}"]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return sorted(path.parent for path in artifacts.rglob("MLmodel"))


def time_pairs(ask: Callable[[bytes], None], without_reasons: bytes, with_reasons: bytes) -> tuple[float, float, float]:
    """Return the median milliseconds without and with reasons, and the median of the pairs' ratios."""
    times: list[tuple[float, float]] = []
    began = time.perf_counter()
    for number in range(WARM_UP + MAX_PAIRS):
        if number > 2 * WARM_UP and time.perf_counter() - began > MAX_SECONDS:
            break
        pair = []
        for body in (without_reasons, with_reasons):
            started = time.perf_counter()
            ask(body)
            pair.append(1000 * (time.perf_counter() - started))
        if number >= WARM_UP:
            times.append((pair[0], pair[1]))
    first, second = (statistics.median(column) for column in zip(*times, strict=True))
    return first, second, statistics.median(with_reasons / without for without, with_reasons in times)


def measure(folder: Path) -> None:
    """Print the latencies of a model, as a call in this process and over HTTP."""
    scorer = Scorer.from_folder(folder, "flights", "1")
    without_reasons = json.dumps({"data": [scorer.model.example]}, separators=(",", ":")).encode()
    with_reasons = without_reasons[:-1] + b',"reasons":3}'
    answer = scorer.score(with_reasons)
    called = time_pairs(lambda body: scorer.score(body) and None, without_reasons, with_reasons)
    with tempfile.TemporaryDirectory() as scratch:
        endpoint = LocalEndpoint(Path(scratch), "flights")
        try:
            status = endpoint.deploy(folder, "1", workers=1)
            address = urllib.parse.urlsplit(status.url)
            connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=60)
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {endpoint.keys()['primary']}"}

            def ask(body: bytes) -> None:
                connection.request("POST", address.path, body, headers)
                response = connection.getresponse()
                content = response.read()
                if response.status != 200:
                    raise RuntimeError(f"The endpoint answered {response.status}: {content[:300]!r}")

            served = time_pairs(ask, without_reasons, with_reasons)
        finally:
            endpoint.stop()
    trained = json.loads((folder / "baseline.json").read_text())
    name = type(getattr(scorer.model.estimator, "steps", [("", None)])[-1][1]).__name__
    name = "HistGradientBoostingClassifier" if scorer.model.estimator is None else name
    figures = " | ".join(f"{without:.2f} | {with_:.2f} | {ratio:.2f}" for without, with_, ratio in (called, served))
    print(f"| {name} | {answer['reasons_method']} | {figures} | {trained['rows']:,} |", flush=True)


def main(folder: Path) -> None:
    """Print a row for each model."""
    print("| model | reasons | call, ms | with reasons | ratio | HTTP, ms | with reasons | ratio | training rows |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for model in train_models(folder):
        measure(model)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
