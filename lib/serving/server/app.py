"""The web application of the local endpoint.

``POST /score`` is answered here, directly on the server's messages, without Starlette's request objects. All other
routes use Starlette.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from lib.scoring.model import Model
from lib.scoring.request_error import RequestError
from lib.scoring.requests import Limits
from lib.serving.keys import KeyFile
from lib.serving.server import openapi, pages
from lib.serving.server.allowed_hosts import AllowedHosts
from lib.serving.server.connection_limit import SENT_KEY, ConnectionLimit
from lib.serving.server.pool import WorkerPool
from lib.serving.server.traffic import TimedAnswer, Traffic

log = logging.getLogger("lib.serving")
# All bodies that are being read. A larger sum is refused, so that clients cannot fill the memory.
MAX_BODIES_BYTES = 256 * 2**20
REQUEST_ID = re.compile(rb"[\w.-]{1,100}", re.ASCII)
# As on Azure: a request that names a deployment is answered by it, whatever its share of the traffic.
DEPLOYMENT_HEADER = b"azureml-model-deployment"
DEPLOYMENT_PATH = re.compile(r"/deployments/([^/]+)/score")
JSON_HEADER = (b"content-type", b"application/json")
COMMON_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]

Headers = dict[bytes, bytes]


class Service:
    """The ASGI application of an endpoint.

    Parameters
    ----------
    traffic : Traffic
        Answers the requests.
    keys : KeyFile
        The accepted keys.
    limits : Limits
        Limits of a request's size.
    log_request : callable
        Called with the body and the answer of each successful request.
    hosts : AllowedHosts
        The hosts by which clients may address the endpoint.
    connections : ConnectionLimit
        Counts refused requests.

    Attributes
    ----------
    is_leaving : bool
        If true, answers ask clients to open a new connection, which reaches the successor.
    """

    def __init__(
        self,
        traffic: Traffic,
        keys: KeyFile,
        limits: Limits,
        log_request: Callable[[bytes, TimedAnswer, str], None],
        hosts: AllowedHosts,
        connections: ConnectionLimit,
    ):
        self.traffic, self.keys, self.limits, self.log_request = traffic, keys, limits, log_request
        self.hosts, self.connections = hosts, connections
        self.is_leaving = False
        self._bodies_bytes = 0
        routes = [
            Route("/", self.form),
            Route("/docs", self.documentation),
            Route("/openapi.json", self.description),
            Route("/health", self.health),
            Route("/ready", self.ready),
            # Never called, since `__call__` answers these; they make other methods get status 405.
            Route("/score", self.ready, methods=["POST"]),
            Route("/deployments/{name}/score", self.ready, methods=["POST"]),
        ]
        handlers = {HTTPException: self.not_served, RequestError: self.request_error, Exception: self.failed}
        application: Any = Starlette(routes=routes, exception_handlers=handlers)
        # Behind a proxy on this machine, pages show the address that the client used.
        self._other_routes: Any = ProxyHeadersMiddleware(application)

    async def __call__(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        """Answer a request."""
        headers = dict(scope["headers"])
        try:
            self.hosts.check(headers)
        except RequestError as error:
            await self._send(send, headers, error.status, _to_json(error.content()), self.traffic.leading)
            self.connections.count_refusal(error.code)
            return
        if scope["method"] == "POST":
            deployment = DEPLOYMENT_PATH.fullmatch(scope["path"])
            if deployment or scope["path"] == "/score":
                await self._score(scope, headers, receive, send, deployment[1] if deployment else None)
                return
        await self._other_routes(scope, receive, send)

    async def health(self, request: Request) -> Response:
        """GET /health: the process runs."""
        return self._reply(request, 200, {"status": "live"})

    async def ready(self, request: Request) -> Response:
        """GET /ready: a model is loaded and a worker can answer."""
        pool, _ = self._leading()
        if not pool.has_worker:
            raise RequestError(503, "not_ready", "No worker is running at the moment.")
        return self._reply(request, 200, {"status": "ready", "model": {"name": pool.name, "version": pool.version}})

    async def description(self, request: Request) -> Response:
        """GET /openapi.json."""
        return self._reply(request, 200, self._describe(*self._leading()))

    async def form(self, request: Request) -> Response:
        """GET /: a page on which to try the model."""
        _, model = self._leading()
        return self._page(request, pages.form(model))

    async def documentation(self, request: Request) -> Response:
        """GET /docs: the documentation of the API."""
        pool, model = self._leading()
        return self._page(request, pages.documentation(model, self._describe(pool, model), str(request.base_url)))

    async def not_served(self, request: Request, error: Exception) -> Response:
        """Answer requests with unknown paths and methods."""
        assert isinstance(error, HTTPException)
        problem = RequestError(error.status_code, "not_served", str(error.detail))
        return self._reply(request, problem.status, problem.content(), dict(error.headers or {}))

    async def request_error(self, request: Request, error: Exception) -> Response:
        """Answer requests that raised a RequestError."""
        assert isinstance(error, RequestError)
        return self._reply(request, error.status, error.content())

    async def failed(self, request: Request, error: Exception) -> Response:
        """Answer a request that failed by an error in the endpoint; the log has the traceback."""
        problem = _internal_error()
        return self._reply(request, problem.status, problem.content())

    def _reply(self, request: Request, status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
        response = Response(_to_json(content), status, headers, "application/json")
        return self._with_common_headers(request, response)

    def _page(self, request: Request, html: str) -> Response:
        response = Response(html, 200, {"content-security-policy": pages.POLICY}, "text/html")
        return self._with_common_headers(request, response)

    def _with_common_headers(self, request: Request, response: Response) -> Response:
        response.raw_headers += self._common_headers(dict(request.scope["headers"]), self.traffic.leading)
        return response

    def _leading(self) -> tuple[WorkerPool, Model]:
        """Return the version with most of the traffic and its model.

        Raises
        ------
        RequestError
            With status 503 if there is none.
        """
        pool = self.traffic.leading
        if pool is None or pool.model is None:
            raise RequestError(503, "not_ready", "No version of the model is ready.")
        return pool, pool.model

    def _describe(self, pool: WorkerPool, model: Model) -> dict[str, Any]:
        return openapi.describe(model, self.limits, pool.classes is not None)

    def _common_headers(self, request_headers: Headers, pool: WorkerPool | None) -> list[tuple[bytes, bytes]]:
        """Return the headers that all answers have: request id, and name and version of the model."""
        headers = [*COMMON_HEADERS, (b"x-request-id", _find_request_id(request_headers))]
        if pool is not None:
            headers += [(b"x-model-name", _header_value(pool.name)), (b"x-model-version", _header_value(pool.version))]
        if self.is_leaving:
            headers.append((b"connection", b"close"))
        return headers

    async def _score(
        self, scope: dict[str, Any], headers: Headers, receive: Callable, send: Callable, deployment: str | None
    ) -> None:
        """Answer a scoring request, and log it. Without a valid key it is refused before its body is read."""
        request_id = _find_request_id(headers)
        headers = {**headers, b"x-request-id": request_id}  # the answer and the request log have the same id
        answer: TimedAnswer | None = None
        extra_headers: list[tuple[bytes, bytes]] = []
        body = b""
        try:
            if not self.keys.admits(headers.get(b"authorization", b"").decode("latin-1")):
                extra_headers = [(b"www-authenticate", b"Bearer")]
                raise RequestError(
                    401, "no_key", "This endpoint needs a key: send the header Authorization: Bearer <key>."
                )
            if "connection" in scope:
                scope["connection"].trust = SENT_KEY
            _check_content_type(headers)
            body = await self._read_body(headers, receive)
            if deployment is None and DEPLOYMENT_HEADER in headers:
                deployment = headers[DEPLOYMENT_HEADER].decode("latin-1")
            answer = await self.traffic.score(body, deployment)
            status, content = answer.answer.status, answer.answer.content
        except RequestError as error:
            status, content = error.status, _to_json(error.content())
            self.connections.count_refusal(error.code)
        except Exception:
            log.exception("A request could not be answered.")
            problem = _internal_error()
            status, content = problem.status, _to_json(problem.content())
        pool = answer.pool if answer else self.traffic.leading
        await self._send(send, headers, status, content, pool, extra_headers)
        if answer and status == 200:
            self.log_request(body, answer, request_id.decode())

    async def _send(
        self,
        send: Callable,
        request_headers: Headers,
        status: int,
        content: bytes,
        pool: WorkerPool | None,
        extra_headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        """Send an answer in JSON."""
        headers = [JSON_HEADER, (b"content-length", b"%d" % len(content)), *extra_headers]
        headers += self._common_headers(request_headers, pool)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _read_body(self, headers: Headers, receive: Callable) -> bytes:
        """Read a request's body.

        Raises
        ------
        RequestError
            If the body is too large, the client disconnects, or too many large bodies are being read.
        """
        max_bytes = self.limits.bytes
        too_large = RequestError(413, "too_large", f"The request is larger than the limit of {max_bytes} bytes.")
        if int(headers.get(b"content-length", b"0")) > max_bytes:
            raise too_large
        chunks, size, is_more = [], 0, True
        try:
            while is_more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RequestError(400, "not_whole", "The connection closed before the request was complete.")
                chunk, is_more = message.get("body", b""), message.get("more_body", False)
                chunks.append(chunk)
                size += len(chunk)
                self._bodies_bytes += len(chunk)
                if size > max_bytes:
                    raise too_large
                if self._bodies_bytes > MAX_BODIES_BYTES:
                    raise RequestError(
                        503, "too_busy", "Too many large requests arrive at once. Try again in a moment."
                    )
        finally:
            self._bodies_bytes -= size
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _find_request_id(headers: Headers) -> bytes:
    """Return the id that the client gave a request, or a random one."""
    request_id = headers.get(b"x-request-id")
    return request_id if request_id and REQUEST_ID.fullmatch(request_id) else secrets.token_hex(16).encode()


def _check_content_type(headers: Headers) -> None:
    """Raise a RequestError unless the body is declared as uncompressed JSON in UTF-8."""
    content_type = headers.get(b"content-type", b"")
    if content_type != b"application/json":
        kind, _, parameters = content_type.decode("latin-1").partition(";")
        charset = re.search(r"charset\s*=\s*\"?([\w-]+)", parameters, re.IGNORECASE)
        if kind.strip().lower() != "application/json" or (charset and charset[1].lower() not in ("utf-8", "utf8")):
            raise RequestError(415, "not_json", "Send JSON in UTF-8, with the header Content-Type: application/json.")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise RequestError(415, "encoded", "Send uncompressed JSON, without a Content-Encoding.")


def _internal_error() -> RequestError:
    return RequestError(500, "failed", "The endpoint failed on this request. Its log has the details.")


def _to_json(content: Any) -> bytes:
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


@functools.lru_cache
def _header_value(value: str | None) -> bytes:
    """Return a value as a header: headers are Latin-1 without line breaks, names in a registry may be anything."""
    return json.dumps(value or "")[1:-1].encode()
