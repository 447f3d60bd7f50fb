"""Load on an HTTP server: a number of clients, each with one request in flight at any time.

The load runs in its own process, so that it does not share a lock with the server. Run as a program, this module prints
a `LoadResult` as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

ROOT = Path(__file__).resolve().parents[1]
_CONTENT_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CONNECTION_CLOSE = re.compile(rb"connection: *close", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True)
class LoadResult:
    """The measurements of a load.

    Attributes
    ----------
    per_second : float
        Answers per second.
    median, p99 : float
        Percentiles of the latency in milliseconds.
    failed : int
        Number of answers with another status than 200, and of requests without an answer.
    """

    per_second: float
    median: float
    p99: float
    failed: int


class Client(asyncio.Protocol):
    """A client that sends the same request again after each answer.

    It keeps its connection, and opens another one if the server closes it.

    Parameters
    ----------
    host : str
    port : int
    request : bytes
        Head and body of the request.
    end : float
        Value of ``time.perf_counter()`` after which no request is sent.

    Attributes
    ----------
    done : Future
        Resolved after the last answer.
    milliseconds : list of float
        Latency of each answer.
    failed : int
        Number of answers with another status than 200, and of requests without an answer.
    """

    def __init__(self, host: str, port: int, request: bytes, end: float):
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.milliseconds: list[float] = []
        self.failed = 0
        self._address, self._request, self._end = (host, port), request, end
        self._is_waiting = False
        self._buffer = b""

    async def connect(self) -> None:
        """Open a connection, and send the first request over it."""
        await asyncio.get_running_loop().create_connection(lambda: self, *self._address)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send a request; asyncio calls this."""
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Record an answer once it is complete, and send the next request; asyncio calls this."""
        self._buffer += data
        head_end = self._buffer.find(_HEAD_END)
        if head_end < 0 or not self._is_complete(head_end):
            return
        now = time.perf_counter()
        self.milliseconds.append(1000 * (now - self._started))
        self.failed += self._buffer[9:12] != b"200"
        closes = _CONNECTION_CLOSE.search(self._buffer, 0, head_end)
        self._buffer, self._is_waiting = b"", False
        if closes or now > self._end:
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Connect again, unless the time is over; asyncio calls this."""
        self.failed += self._is_waiting
        self._buffer, self._is_waiting = b"", False
        if time.perf_counter() > self._end:
            self.done.set_result(None)
        else:
            self._reconnecting = asyncio.ensure_future(self.connect())  # asyncio itself keeps only a weak reference

    def _send(self) -> None:
        self._started, self._is_waiting = time.perf_counter(), True
        self._transport.write(self._request)

    def _is_complete(self, head_end: int) -> bool:
        """Return whether the buffer contains a whole answer."""
        length = _CONTENT_LENGTH.search(self._buffer, 0, head_end)
        if length is None:  # the body is sent in chunks
            return self._buffer.endswith(_LAST_CHUNK)
        return len(self._buffer) >= head_end + len(_HEAD_END) + int(length[1])


def measure_load(url: str, body: bytes, headers: Mapping[str, str], clients: int, seconds: float) -> LoadResult:
    """Put load on a server from a separate process.

    Parameters
    ----------
    url : str
    body : bytes
        JSON body of each POST request.
    headers : mapping of str to str
        Headers besides ``Host``, ``Content-Type`` and ``Content-Length``.
    clients : int
        Number of concurrent clients.
    seconds : float

    Returns
    -------
    LoadResult
    """
    command = [sys.executable, "-m", "benchmarks._load", url, str(clients), str(seconds), json.dumps(headers)]
    process = subprocess.run(command, input=body, capture_output=True, check=False, cwd=ROOT)
    if process.returncode:
        raise SystemExit(f"The load process failed: {process.stderr.decode()[-2000:]}")
    return LoadResult(**json.loads(process.stdout))


def main() -> None:
    """Put load on a server, with the body from standard input, and print the result."""
    import uvloop

    parser = argparse.ArgumentParser(description="Put load on an HTTP server; the body is read from standard input.")
    parser.add_argument("url")
    parser.add_argument("clients", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("headers", type=json.loads, help="as a JSON object")
    arguments = parser.parse_args()
    url = urllib.parse.urlsplit(arguments.url)
    request = _build_request(url, arguments.headers, sys.stdin.buffer.read())
    result = uvloop.run(_run_clients(str(url.hostname), url.port or 80, request, arguments.clients, arguments.seconds))
    print(json.dumps(asdict(result)))


def _build_request(url: urllib.parse.SplitResult, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [
        f"POST {url.path} HTTP/1.1",
        f"Host: {url.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + _HEAD_END + body


async def _run_clients(host: str, port: int, request: bytes, number: int, seconds: float) -> LoadResult:
    """Run concurrent clients, and summarize their answers."""
    started = time.perf_counter()
    clients = [Client(host, port, request, started + seconds) for _ in range(number)]
    await asyncio.gather(*(client.connect() for client in clients))
    await asyncio.gather(*(client.done for client in clients))
    elapsed = time.perf_counter() - started
    latencies = sorted(milliseconds for client in clients for milliseconds in client.milliseconds)
    return LoadResult(
        per_second=len(latencies) / elapsed,
        median=latencies[len(latencies) // 2],
        p99=latencies[int(0.99 * len(latencies))],
        failed=sum(client.failed for client in clients),
    )


if __name__ == "__main__":
    main()
