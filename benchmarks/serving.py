"""The endpoint against `mlflow models serve` and azmlinfsrv, on the flights example's gradient boosting.

All three serve the same model folder on this machine and are asked in turn, round by round, by the same clients; a
figure is the median of the rounds. azmlinfsrv runs the plain score.py that most people write: a DataFrame from the
JSON, the model's predict, a list.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks._load import ROOT, Load, load
from lib.scoring.model import read
from lib.serving.deploying.endpoint import LocalEndpoint

ROUNDS = 3
SECONDS = 3.0
CASES = [(1, 1), (16, 1), (1, 100), (16, 100)]  # clients, rows
PLAIN_SCORE = """
import json
import os

import mlflow.sklearn
import pandas as pd


def init():
    global model
    model = mlflow.sklearn.load_model(os.environ["AZUREML_MODEL_DIR"])


def run(raw):
    rows = pd.DataFrame(json.loads(raw)["data"])
    rows["scheduled_departure"] = pd.to_datetime(rows["scheduled_departure"])
    return model.predict(rows).tolist()
"""
DEPLOY = """
import sys

from lib.serving.deploying.endpoint import RequestLogSettings, LocalEndpoint

LocalEndpoint(sys.argv[1], "flights").deploy(sys.argv[2], "1", request_log=RequestLogSettings())
"""
Served = tuple[str, Callable[[int], bytes], dict[str, str]]


def train(folder: Path) -> Path:
    """Folder of the flights example's gradient boosting, trained by the chain."""
    command = [sys.executable, "run_all.py", "--to", "train", "-p", "training_functions=[gradient_boosting]"]
    command += ["-p", f"workspace={folder / 'workspace'}", "-p", f"runs_folder={folder / 'runs'}"]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    (found,) = (folder / "workspace" / "artifacts").rglob("MLmodel")
    return found.parent


def rows_of(model: Path, count: int) -> list[dict]:
    """Rows of the model's example, again and again."""
    examples = read(model).examples
    return [examples[at % len(examples)] for at in range(count)]


@contextlib.contextmanager
def ours(model: Path, folder: Path) -> Iterator[Served]:
    """The endpoint, as the deploy notebook makes it, from a process of its own that has imported nothing yet."""
    endpoint = LocalEndpoint(folder / "endpoint", "flights")
    try:
        subprocess.run([sys.executable, "-c", DEPLOY, str(endpoint.folder), str(model)], check=True, cwd=ROOT)
        headers = {"Authorization": f"Bearer {endpoint.keys()['primary']}"}
        yield (
            json.loads((endpoint.folder / "endpoint.json").read_text())["url"],
            lambda rows: json.dumps({"data": rows_of(model, rows)}).encode(),
            headers,
        )
    finally:
        endpoint.stop()


@contextlib.contextmanager
def mlflow_serve(model: Path, folder: Path) -> Iterator[Served]:
    """MLflow's own server."""
    port = _free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "-p", str(port)]
    with _process([*command, "--env-manager", "local", "-h", "127.0.0.1"], folder / "mlflow.log", {}):
        yield (
            f"http://127.0.0.1:{port}/invocations",
            lambda rows: json.dumps({"dataframe_records": rows_of(model, rows)}).encode(),
            {},
        )


@contextlib.contextmanager
def azmlinfsrv(model: Path, folder: Path) -> Iterator[Served]:
    """Azure ML's inference server."""
    port = _free_port()
    (folder / "plain_score.py").write_text(PLAIN_SCORE)
    command = [sys.executable, "-m", "azureml_inference_server_http.amlserver", "--entry_script", "plain_score.py"]
    variables = {"AZUREML_MODEL_DIR": str(model), "AML_APP_INSIGHTS_ENABLED": "false", "WORKER_COUNT": "1"}
    with _process([*command, "--port", str(port)], folder / "azmlinfsrv.log", variables):
        yield (
            f"http://127.0.0.1:{port}/score",
            lambda rows: json.dumps({"data": rows_of(model, rows)}).encode(),
            {},
        )


def bare_call(model: Path) -> float:
    """Milliseconds of the model's own predict on one row that is a DataFrame already."""
    script = f"""
import statistics, time
from lib.scoring.model import load
from lib.scoring.sklearn_model import frame, use_one_thread
model = load({str(model)!r})
use_one_thread(model.estimator)
row = frame({{name: [value] for name, value in model.example.items()}}, model.columns)
times = []
for _ in range(500):
    began = time.perf_counter()
    model.estimator.predict(row)
    times.append(time.perf_counter() - began)
print(1000 * statistics.median(times))
"""
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT)
    return float(ran.stdout)


def first_answer(serve: Callable, model: Path, folder: Path) -> float:
    """Seconds from the start of a server's first process to its first answer to a row."""
    began = time.perf_counter()
    with serve(model, folder) as (url, body, headers):
        request = urllib.request.Request(url, body(1), {"Content-Type": "application/json", **headers})
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60):
                    return time.perf_counter() - began
            except (urllib.error.URLError, ConnectionError):
                if time.perf_counter() - began > 120:
                    raise
                time.sleep(0.02)


def main() -> None:
    """Measure and print the table."""
    servers = {"Millrace": ours, "mlflow models serve": mlflow_serve, "azmlinfsrv": azmlinfsrv}
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, contextlib.ExitStack() as stack:
        folder = Path(scratch)
        model = train(folder)
        starts = {name: [] for name in servers}
        for _ in range(ROUNDS):
            for name, serve in servers.items():
                starts[name].append(first_answer(serve, model, folder))
        served = {name: stack.enter_context(serve(model, folder)) for name, serve in servers.items()}
        for name, (url, body, headers) in served.items():
            _wait_for(url, body(1), headers, name)
        bare, seen = [], {}
        for _ in range(ROUNDS):
            bare.append(bare_call(model))
            for clients, rows in CASES:
                for name, (url, body, headers) in served.items():
                    found = load(url, body(rows), headers, clients, SECONDS)
                    seen.setdefault((name, clients, rows), []).append(found)
    _show(servers, seen, {name: statistics.median(took) for name, took in starts.items()}, statistics.median(bare))


def _show(servers: dict, seen: dict[tuple, list[Load]], starts: dict[str, float], bare: float) -> None:
    print(
        "| clients | rows | server | requests/s | median ms | p99 ms | p99 / median | Millrace is faster by | failed |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for clients, rows in CASES:
        for name in servers:
            found = seen[name, clients, rows]
            median = {
                field: statistics.median(getattr(one, field) for one in found)
                for field in ("per_second", "median", "p99")
            }
            pairs = zip(seen["Millrace", clients, rows], found, strict=True)
            ratio = statistics.median(own.per_second / other.per_second for own, other in pairs)
            print(
                f"| {clients} | {rows} | {name} | {median['per_second']:.0f} | {median['median']:.2f} | "
                f"{median['p99']:.2f} | {median['p99'] / median['median']:.1f} | {ratio:.1f} | "
                f"{sum(one.failed for one in found)} |"
            )
    single = statistics.median(one.median for one in seen["Millrace", 1, 1])
    print()
    print(f"The bare model call takes {bare:.2f} ms; an answer of Millrace to one client {single:.2f} ms.")
    print("Start to first answer:", ", ".join(f"{name} {seconds:.1f} s" for name, seconds in starts.items()) + ".")


@contextlib.contextmanager
def _process(command: list[str], log: Path, variables: dict[str, str]) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            env={**os.environ, **variables, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _wait_for(url: str, body: bytes, headers: dict[str, str], name: str) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60):
                return
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{name} answered {error.code}: {error.read()[:1000]!r}") from error
        except OSError:
            if time.monotonic() > deadline:
                raise SystemExit(f"{name} did not come up") from None
            time.sleep(0.1)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


if __name__ == "__main__":
    main()
