"""Load for an HTTP server: as many clients as asked for, each with a request under way at all times.

Run as a program it prints what it saw as JSON; a process of its own, so that it shares no lock with what it measures.
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
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Load:
    """What a load saw: requests per second, milliseconds of its answers, and answers that were not 200."""

    per_second: float
    median: float
    p99: float
    failed: int


class Client(asyncio.Protocol):
    """Sends a request, waits for its answer, sends it again; over a new connection where the server closes each."""

    length = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
    closes = re.compile(rb"connection: *close", re.IGNORECASE)

    def __init__(self, host: str, port: int, request: bytes, ends: float):
        self.place, self.request, self.ends = (host, port), request, ends
        self.is_waiting = False
        self.done = asyncio.get_running_loop().create_future()
        self.milliseconds: list[float] = []
        self.failed = 0
        self.buffer = b""

    def connection_made(self, transport):
        self.transport = transport
        self.send()

    async def connect(self):
        await asyncio.get_running_loop().create_connection(lambda: self, *self.place)

    def send(self):
        self.began, self.is_waiting = time.perf_counter(), True
        self.transport.write(self.request)

    def data_received(self, data):
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        found = self.length.search(self.buffer, 0, head)
        if found is None:  # sent in chunks; the last is empty
            if not self.buffer.endswith(b"0\r\n\r\n"):
                return
        elif len(self.buffer) < head + 4 + int(found[1]):
            return
        now = time.perf_counter()
        self.milliseconds.append(1000 * (now - self.began))
        self.failed += self.buffer[9:12] != b"200"
        is_last = self.closes.search(self.buffer, 0, head)
        self.buffer, self.is_waiting = b"", False
        if is_last or now > self.ends:
            self.transport.close()
        else:
            self.send()

    def connection_lost(self, exc):
        self.failed += self.is_waiting
        self.buffer, self.is_waiting = b"", False
        if time.perf_counter() > self.ends:
            self.done.set_result(None)
        else:
            self.again = asyncio.ensure_future(self.connect())


async def _run(host: str, port: int, request: bytes, clients: int, seconds: float) -> dict:
    began = time.perf_counter()
    made = [Client(host, port, request, began + seconds) for _ in range(clients)]
    await asyncio.gather(*(client.connect() for client in made))
    await asyncio.gather(*(client.done for client in made))
    took = time.perf_counter() - began
    times = sorted(one for client in made for one in client.milliseconds)
    return {
        "per_second": len(times) / took,
        "median": times[len(times) // 2],
        "p99": times[int(0.99 * len(times))],
        "failed": sum(client.failed for client in made),
    }


def load(url: str, body: bytes, headers: dict[str, str], clients: int, seconds: float) -> Load:
    """Put load on a server, from a process of its own."""
    command = [sys.executable, "-m", "benchmarks._load", url, str(clients), str(seconds), json.dumps(headers)]
    ran = subprocess.run(command, input=body, capture_output=True, check=False, cwd=ROOT)
    if ran.returncode:
        raise SystemExit(f"The load ended: {ran.stderr.decode()[-2000:]}")
    return Load(**json.loads(ran.stdout))


def main() -> None:
    """Put load on a server and print what was seen."""
    import uvloop

    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("clients", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("headers", type=json.loads)
    given = parser.parse_args()
    body = sys.stdin.buffer.read()
    parts = urllib.parse.urlsplit(given.url)
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in given.headers.items())]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode() + body
    print(json.dumps(uvloop.run(_run(parts.hostname, parts.port, request, given.clients, given.seconds))))


if __name__ == "__main__":
    main()
