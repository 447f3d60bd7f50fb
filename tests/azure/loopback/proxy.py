"""The CONNECT proxy: it responds in the name of Azure's hosts and rejects all other hosts."""

import ssl
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol
from urllib.parse import urlsplit

from .faults import Fault, Faults
from .journal import Entry, Journal, entry
from .messages import Call, ErrorReply, Reply, error, reply
from .routing import Route, Router


class Dropped(Exception):
    """The connection is to be closed by an injected fault."""


class CallHandler(Protocol):
    """The interface that the proxy needs."""

    router: Router
    journal: Journal
    faults: Faults

    def answer(self, call: Call, route: Route, parameters: dict[str, str]) -> Reply:
        """Reply to a call."""


class Proxy(ThreadingHTTPServer):
    """A proxy on a free port of 127.0.0.1."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, behind: CallHandler, context: ssl.SSLContext):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind, self.context = behind, context

    def start(self) -> str:
        """Serve in threads, and return the URL."""
        threading.Thread(target=self.serve_forever, name="proxy", daemon=True).start()
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address) -> None:
        # Clients may disconnect at any time, for example when they are killed.
        if not isinstance(sys.exc_info()[1], ConnectionError | ssl.SSLError | TimeoutError | Dropped):
            traceback.print_exc()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 600
    server: Proxy

    def log_message(self, *_) -> None:
        """Log nothing: the journal records all calls."""

    def do_CONNECT(self) -> None:
        host = self.path.partition(":")[0]
        if not self.server.behind.router.knows_host(host):
            self.server.behind.journal.write(Entry("CONNECT", host, "", 403))
            self.send_response_only(403, f"{host} is no host of the loopback Azure")
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.close_connection = True
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.connection = self.request = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def answer(self) -> None:
        behind, started = self.server.behind, time.monotonic()
        call = self.read_head()
        fault = behind.faults.fault_for(call)
        details: dict[str, str] = {"fault": str(fault)} if fault else {}
        route, parameters = behind.router.find(call)
        answered: Reply | None = None
        try:
            self.read_body(call, fault)
            if route is None:
                answered = reply(
                    error(404, "NotFound", f"the loopback Azure has no route for {call.host}{call.path}"), 404
                )
            else:
                answered = apply_fault(call, fault, lambda: behind.answer(call, route, parameters))
        except ErrorReply as refusal:
            answered = refusal.reply
        except Dropped:
            self.close_connection = True
        except Exception:
            details["failure"] = traceback.format_exc()
            answered = reply(error(501, "LoopbackError", details["failure"]), 501)  # clients would retry a 500
        described = route.describe(parameters) if route else ""
        behind.journal.write(entry(call, answered, described, seconds=time.monotonic() - started, **details))
        if answered:
            self.send(answered, cut=bool(fault and fault.drop == "reply"))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def read_head(self) -> Call:
        parts = urlsplit(self.path)
        host = parts.hostname or self.headers.get("Host", "").partition(":")[0]
        target = self.path[self.path.index("/", 8) :] if parts.hostname else self.path
        return Call(self.command, host, target, {name.lower(): value for name, value in self.headers.items()})

    def read_body(self, call: Call, fault: Fault | None) -> None:
        if "chunked" in call.headers.get("transfer-encoding", "").lower():
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                call.body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            size = int(call.headers.get("content-length", 0))
            if fault and fault.drop == "upload":
                call.body = self.rfile.read(size // 2)
                raise Dropped
            call.body = self.rfile.read(size)

    def send(self, answered: Reply, cut: bool) -> None:
        self.send_response_only(answered.status)
        headers = {
            "date": self.date_time_string(),
            "content-length": str(len(answered.body)),
            "x-ms-request-id": str(uuid.uuid4()),
        }
        headers |= {name.lower(): value for name, value in answered.headers.items()}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answered.body[: len(answered.body) // 2] if cut else answered.body)
        if cut:
            raise Dropped


def apply_fault(call: Call, fault: Fault | None, answer: Callable[[], Reply]) -> Reply:
    """Return the reply, changed or replaced by a fault."""
    if fault:
        time.sleep(fault.delay_seconds)
        if fault.status:
            return fault.reply(call)
    return answer()
