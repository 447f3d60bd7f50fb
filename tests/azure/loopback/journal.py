"""The journal of all calls with their routes, replies and failures."""

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from .messages import Call, Reply


@dataclass(frozen=True)
class Entry:
    """One call and its reply."""

    method: str
    host: str
    target: str
    status: int
    route: str = ""  # empty if there is no route
    api_version: str = ""
    client: str = ""  # start of the User-Agent
    fault: str = ""  # the injected fault
    failure: str = ""  # traceback of a failure of the loopback itself
    request: str = ""  # start of a text body
    reply: str = ""
    seconds: float = 0.0
    at: float = field(default_factory=time.time)

    def __str__(self) -> str:
        text = f"{self.method} https://{self.host}{self.target} -> {self.status}"
        return text + (f" ({self.fault} injected)" if self.fault else "")


def entry(call: Call, reply: Reply | None, route: str, **details) -> Entry:
    return Entry(
        call.method,
        call.host,
        call.target,
        reply.status if reply else 0,
        route,
        call.api_version,
        call.headers.get("user-agent", "")[:80],
        request=decode_body(call.body),
        reply=decode_body(reply.body) if reply else "",
        **details,
    )


def decode_body(body: bytes) -> str:
    start = body[:4000]
    return start.decode(errors="replace") if start.isascii() else f"<{len(body)} bytes>"


class Journal:
    """The calls of a session. ``mark()`` and ``since(mark)`` return those of one test."""

    def __init__(self, file: Path | None = None):
        self.file = file
        self.entries: list[Entry] = []
        self.lock = threading.Condition()

    def write(self, entry: Entry) -> None:
        with self.lock:
            self.entries.append(entry)
            if self.file:
                with self.file.open("a") as file:
                    file.write(json.dumps(entry.__dict__) + "\n")
            self.lock.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait for the next call, but at most `seconds`."""
        with self.lock:
            self.lock.wait(seconds)

    def mark(self) -> int:
        return len(self.entries)

    def since(self, mark: int) -> list[Entry]:
        return self.entries[mark:]

    @staticmethod
    def faults(entries: list[Entry]) -> list[str]:
        """Describe the calls without a route, the rejected hosts and the failures of the loopback itself."""
        problems = []
        for entry in entries:
            if entry.failure:
                problems.append(f"{entry}\n{entry.failure}")
            elif not entry.route:
                problems.append(f"{entry}: no route; User-Agent {entry.client!r}, body {entry.request[:500]!r}")
        return problems
