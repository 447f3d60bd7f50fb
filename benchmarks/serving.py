"""The local endpoint compared with `mlflow models serve`, azmlinfsrv, and an empty route on its own stack.

The first three serve the flights example's gradient boosting model on this machine. The same clients measure them in
turn, several rounds long; each number is the median of the rounds. azmlinfsrv runs a typical score.py: it builds a
DataFrame from the JSON, calls the model's predict, and returns a list. The empty route is on uvicorn, in one process.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks._load import ROOT, LoadResult, measure_load
from benchmarks._serving_scripts import DEPLOY_SCRIPT, PREDICT_SCRIPT, SCORE_SCRIPT
from lib.scoring.model import read_model
from lib.serving.deploying.endpoint import LocalEndpoint

ROUNDS = 3
SECONDS = 3.0
CASES = [(1, 1), (16, 1), (1, 100), (16, 100)]  # numbers of clients, and of rows per request
START_TIMEOUT_SECONDS = 120
OWN = "Millrace"
EMPTY = "empty route"


class Server(NamedTuple):
    """A running server.

    Attributes
    ----------
    url : str
    body : callable
        Returns the body of a request with a number of rows.
    headers : mapping of str to str
        Headers of a request besides ``Content-Type``.
    """

    url: str
    body: Callable[[int], bytes]
    headers: Mapping[str, str]

    def ask(self, body: bytes) -> None:
        """Send a request, and discard the answer; raise an OSError if it fails."""
        headers = {"Content-Type": "application/json", **self.headers}
        with urllib.request.urlopen(urllib.request.Request(self.url, body, headers), timeout=60):
            pass


# Starts a server for a model folder, with a folder for its files, and stops it at the end of the block.
StartServer = Callable[[Path, Path], contextlib.AbstractContextManager[Server]]
# The results of all rounds, by server, number of clients and number of rows.
Results = dict[tuple[str, int, int], list[LoadResult]]


def train_model(folder: Path) -> Path:
    """Train the gradient boosting of the flights example, and return its model folder."""
    command = [sys.executable, "run_all.py", "--to", "train", "-p", "training_functions=[gradient_boosting]"]
    command += ["-p", f"workspace={folder / 'workspace'}", "-p", f"runs_folder={folder / 'runs'}"]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    (description,) = (folder / "workspace" / "artifacts").rglob("MLmodel")
    return description.parent


def example_rows(model: Path, count: int) -> list[dict[str, Any]]:
    """Return the rows of a model's example, repeated up to a count."""
    examples = read_model(model).examples
    return [examples[number % len(examples)] for number in range(count)]


@contextlib.contextmanager
def serve_millrace(model: Path, folder: Path) -> Iterator[Server]:
    """Serve a model with the local endpoint, deployed by a new process to include the time of its imports."""
    endpoint = LocalEndpoint(folder / "endpoint", "flights")
    try:
        subprocess.run([sys.executable, "-c", DEPLOY_SCRIPT, str(endpoint.folder), str(model)], check=True, cwd=ROOT)
        yield Server(
            json.loads((endpoint.folder / "endpoint.json").read_text())["url"],
            lambda rows: json.dumps({"data": example_rows(model, rows)}).encode(),
            {"Authorization": f"Bearer {endpoint.keys()['primary']}"},
        )
    finally:
        endpoint.stop()


@contextlib.contextmanager
def serve_mlflow(model: Path, folder: Path) -> Iterator[Server]:
    """Serve a model with MLflow's own server."""
    port = _free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "-p", str(port)]
    with _process([*command, "--env-manager", "local", "-h", "127.0.0.1"], folder / "mlflow.log", {}):
        yield Server(
            f"http://127.0.0.1:{port}/invocations",
            lambda rows: json.dumps({"dataframe_records": example_rows(model, rows)}).encode(),
            {},
        )


@contextlib.contextmanager
def serve_azmlinfsrv(model: Path, folder: Path) -> Iterator[Server]:
    """Serve a model with Azure ML's inference server."""
    port = _free_port()
    (folder / "score.py").write_text(SCORE_SCRIPT)
    command = [sys.executable, "-m", "azureml_inference_server_http.amlserver", "--entry_script", "score.py"]
    variables = {"AZUREML_MODEL_DIR": str(model), "AML_APP_INSIGHTS_ENABLED": "false", "WORKER_COUNT": "1"}
    with _process([*command, "--port", str(port)], folder / "azmlinfsrv.log", variables):
        yield Server(
            f"http://127.0.0.1:{port}/score",
            lambda rows: json.dumps({"data": example_rows(model, rows)}).encode(),
            {},
        )


@contextlib.contextmanager
def serve_empty_route(model: Path, folder: Path) -> Iterator[Server]:
    """Serve a route without a model on uvicorn, httptools and uvloop, in one process."""
    port = _free_port()
    command = [sys.executable, "-m", "benchmarks._empty_route", str(port)]
    with _process(command, folder / "empty_route.log", {"PYTHONPATH": str(ROOT)}):
        yield Server(
            f"http://127.0.0.1:{port}/score",
            lambda rows: json.dumps({"data": example_rows(model, rows)}).encode(),
            {},
        )


SERVERS: dict[str, StartServer] = {
    OWN: serve_millrace,
    "mlflow models serve": serve_mlflow,
    "azmlinfsrv": serve_azmlinfsrv,
    EMPTY: serve_empty_route,
}


def measure_predict(model: Path) -> float:
    """Return the milliseconds of a direct call of the model's predict, with a DataFrame of one row."""
    command = [sys.executable, "-c", PREDICT_SCRIPT, str(model)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)


def measure_start(start: StartServer, model: Path, folder: Path) -> float:
    """Return the seconds from the start of a server's first process to its first answer."""
    started = time.perf_counter()
    with start(model, folder) as server:
        body = server.body(1)
        while True:
            try:
                server.ask(body)
                return time.perf_counter() - started
            except OSError:
                if time.perf_counter() - started > START_TIMEOUT_SECONDS:
                    raise
                time.sleep(0.02)


def main() -> None:
    """Measure all servers, and print the tables."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, contextlib.ExitStack() as stack:
        folder = Path(scratch)
        model = train_model(folder)
        starts: dict[str, list[float]] = {name: [] for name in SERVERS}
        for _ in range(ROUNDS):
            for name, start in SERVERS.items():
                starts[name].append(measure_start(start, model, folder))
        servers = {name: stack.enter_context(start(model, folder)) for name, start in SERVERS.items()}
        for name, server in servers.items():
            _wait_for(server, name)
        predict_times: list[float] = []
        results: Results = {}
        for _ in range(ROUNDS):
            predict_times.append(measure_predict(model))
            for clients, rows in CASES:
                for name, server in servers.items():
                    result = measure_load(server.url, server.body(rows), server.headers, clients, SECONDS)
                    results.setdefault((name, clients, rows), []).append(result)
    _print_loads(results)
    single = statistics.median(result.median for result in results[OWN, 1, 1])
    print()
    print(
        f"A direct call of the model takes {statistics.median(predict_times):.2f} ms, an answer of {OWN} to one client "
        f"{single:.2f} ms."
    )
    for clients in (1, 16):
        pairs = zip(results[OWN, clients, 1], results[EMPTY, clients, 1], strict=True)
        share = statistics.median(own.per_second / empty.per_second for own, empty in pairs)
        print(f"With {clients} clients, single rows reach {share:.0%} of the requests per second of the empty route.")
    start_times = ", ".join(f"{name} {statistics.median(seconds):.1f} s" for name, seconds in starts.items())
    print(f"Start to first answer: {start_times}.")


def _print_loads(results: Results) -> None:
    print(f"| clients | rows | server | requests/s | median ms | p99 ms | p99 / median | {OWN}'s speed-up | failed |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for (name, clients, rows), rounds in sorted(results.items(), key=lambda item: CASES.index(item[0][1:])):
        per_second, median, p99 = (_median(rounds, field) for field in ("per_second", "median", "p99"))
        pairs = zip(results[OWN, clients, rows], rounds, strict=True)
        speed_up = statistics.median(own.per_second / other.per_second for own, other in pairs)
        print(
            f"| {clients} | {rows} | {name} | {per_second:.0f} | {median:.2f} | {p99:.2f} | {p99 / median:.1f} | "
            f"{speed_up:.1f} | {sum(result.failed for result in rounds)} |"
        )


def _median(rounds: Sequence[LoadResult], field: str) -> float:
    return statistics.median(getattr(result, field) for result in rounds)


@contextlib.contextmanager
def _process(command: list[str], log: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """Run a process group while the block runs, in the folder of its log."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            # Compiled code in the model's folder would keep the endpoint from serving it.
            env={**os.environ, **variables, "PYTHONDONTWRITEBYTECODE": "1", "PATH": path},
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


def _wait_for(server: Server, name: str) -> None:
    """Wait until a server answers; exit if it answers with an error or does not answer in time."""
    body, deadline = server.body(1), time.monotonic() + START_TIMEOUT_SECONDS
    while True:
        try:
            return server.ask(body)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{name}: expected status 200, got {error.code}: {error.read()[:1000]!r}") from error
        except OSError:
            if time.monotonic() > deadline:
                raise SystemExit(f"{name} did not answer within {START_TIMEOUT_SECONDS} s of its start") from None
            time.sleep(0.1)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


if __name__ == "__main__":
    main()
