"""An endpoint under load, with thousands of idle connections and one rollout after another.

``python -m benchmarks.endpoint_soak`` prints how many requests failed, and the memory and the open files of the
endpoint's processes at the start and at the end. It fails if a request with a valid key failed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import socket
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.serving import example_rows, train_model
from lib.serving.deploying.endpoint import LocalEndpoint, RequestLogSettings
from lib.simulation.steady_load import SteadyLoad

_SPARE_DESCRIPTORS = 500


class IdleConnections:
    """Clients that connect and send nothing. One that the endpoint closes connects again.

    Parameters
    ----------
    port : int
    count : int

    Attributes
    ----------
    opened, closed : int
        Number of connections that were opened, and that the endpoint closed.
    """

    def __init__(self, port: int, count: int):
        self._port, self._count = port, count
        self._sockets: list[socket.socket] = []
        self.opened = self.closed = 0

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Keep the connections open while the block runs."""
        stop = threading.Event()
        keeper = threading.Thread(target=self._keep, args=[stop])
        keeper.start()
        try:
            yield
        finally:
            stop.set()
            keeper.join()
            for connection in self._sockets:
                connection.close()

    def _keep(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._sockets = [connection for connection in self._sockets if self._is_open(connection)]
            for _ in range(min(500, self._count - len(self._sockets))):
                with contextlib.suppress(OSError):  # the endpoint is busy accepting others
                    connection = socket.create_connection(("127.0.0.1", self._port), timeout=10)
                    connection.setblocking(False)
                    self._sockets.append(connection)
                    self.opened += 1
            stop.wait(0.2)

    def _is_open(self, connection: socket.socket) -> bool:
        try:
            connection.recv(1)
        except BlockingIOError:
            return True
        except OSError:
            pass
        connection.close()
        self.closed += 1
        return False


def main() -> None:
    """Run the load, and print the counts."""
    parser = argparse.ArgumentParser(prog="benchmarks.endpoint_soak", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="duration (60)")
    parser.add_argument("--idle", type=int, default=10_000, help="number of idle connections (10000)")
    parser.add_argument("--model", type=Path, help="a model folder (default: train one on the flights example)")
    options = parser.parse_args()
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    idle_count = min(options.idle, hard_limit - _SPARE_DESCRIPTORS)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        model = options.model or train_model(folder)
        endpoint = LocalEndpoint(folder / "endpoint", "flights")
        try:
            status = endpoint.deploy(model, "1", request_log=RequestLogSettings())
            body = json.dumps({"data": example_rows(model, 1)}).encode()
            load = SteadyLoad(status.url, body, lambda name: endpoint.keys()[name])
            idle = IdleConnections(int(urllib.parse.urlsplit(status.url).port or 0), idle_count)
            _soak(endpoint, model, load, idle, options.seconds)
        finally:
            endpoint.stop()
    counts = load.counts["soak"]
    print(
        f"\n{options.seconds:g} s, {idle_count} idle connections wanted, {idle.opened} opened, {idle.closed} closed by "
        f"the endpoint; {counts.total()} requests with a valid key, failed: {sum(load.failed.values())}."
    )
    for outcome, count in load.failed.items():
        print(f"{count} x {outcome}")
    if load.failed:
        raise SystemExit(1)


def _soak(endpoint: LocalEndpoint, model: Path, load: SteadyLoad, idle: IdleConnections, seconds: float) -> None:
    """Deploy one version after the other while the load and the idle connections last."""
    print("| moment | versions deployed | processes | memory MB | open files | connections |")
    print("| --- | --- | --- | --- | --- | --- |")
    with load.running():
        with load.phase("before"):
            load.wait_for_answers(100)
        _print_usage(endpoint, "start", 1)
        number = 1
        with idle.open(), load.phase("soak"):
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                number += 1
                endpoint.deploy(model, str(number), request_log=RequestLogSettings())
            _print_usage(endpoint, "end of the soak", number)
        with load.phase("after"):
            load.wait_for_answers(100)
        _print_usage(endpoint, "without idle connections", number)


def _print_usage(endpoint: LocalEndpoint, moment: str, versions: int) -> None:
    """Print what all processes of the endpoint use together."""
    router = psutil.Process(endpoint.status().pid)
    processes = [router, *router.children(recursive=True)]
    memory, files, connections = 0, 0, 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            memory += process.memory_full_info().pss
            files += process.num_fds()
    connections = len(router.net_connections("tcp"))
    print(f"| {moment} | {versions} | {len(processes)} | {memory / 1e6:.0f} | {files} | {connections} |", flush=True)


if __name__ == "__main__":
    main()
