"""The routes of the local endpoint, in front of its :class:`Traffic`.

``POST /score`` is answered here, from what the server hands over, without the objects that Starlette makes of a
request: they cost more than a row does. The other routes are Starlette's.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import secrets
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from lib.scoring.request_error import RequestError
from lib.scoring.requests import Limits
from lib.serving.keys import KeyFile
from lib.serving.server import openapi, pages
from lib.serving.server.pool import Pool
from lib.serving.server.traffic import Answered, Traffic

log = logging.getLogger("lib.serving")
LARGEST_BODY_READ_IN_VAIN = 64 * 2**20
REQUEST_ID = re.compile(rb"[\w.-]{1,100}", re.ASCII)
# As on Azure: a client that names a deployment is answered by it, whatever its share of the traffic.
DEPLOYMENT = b"azureml-model-deployment"
BY_PATH = re.compile(r"/deployments/([^/]+)/score")
JSON = (b"content-type", b"application/json")
ALWAYS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


class Service:
    """The application of an endpoint (ASGI).

    Parameters
    ----------
    traffic : Traffic
        Answers.
    keys : KeyFile
        Says who may ask.
    limits : Limits
        How many bytes a request may have.
    keep : callable
        Told of each request that was answered: its body, what was answered, and when it came.

    Attributes
    ----------
    leaving : bool
        Once true, each answer asks its client to open a new connection, which reaches the successor.
    """

    def __init__(self, traffic: Traffic, keys: KeyFile, limits: Limits, keep: Callable[[bytes, Answered], None]):
        self.traffic, self.keys, self.limits, self.keep = traffic, keys, limits, keep
        self.leaving = False
        routes = [
            Route("/", self.form),
            Route("/docs", self.documentation),
            Route("/openapi.json", self.description),
            Route("/health", self.health),
            Route("/ready", self.ready),
            # Answered before they are reached; they say that the method is wrong.
            Route("/score", self.ready, methods=["POST"]),
            Route("/deployments/{name}/score", self.ready, methods=["POST"]),
        ]
        handlers = {HTTPException: self.not_served, RequestError: self.refused, Exception: self.failed}
        # The pages say under which address they were reached, which a proxy on this machine knows better.
        self._others = ProxyHeadersMiddleware(Starlette(routes=routes, exception_handlers=handlers))

    async def __call__(self, scope: dict[str, Any], receive: Callable, send: Callable) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["method"] == "POST":
            path, named = scope["path"], None
            if path == "/score" or (named := BY_PATH.fullmatch(path)):
                await self._score(dict(scope["headers"]), receive, send, named and named[1])
                return
        await self._others(scope, receive, send)

    async def health(self, request: Request) -> Response:
        """GET /health: the process lives."""
        return self.reply(request, 200, {"status": "live"})

    async def ready(self, request: Request) -> Response:
        """GET /ready: a model is loaded and has answered once."""
        pool = self._pool()
        if not pool.is_up:
            raise RequestError(503, "not_ready", "No worker is up right now.")
        return self.reply(request, 200, {"status": "ready", "model": {"name": pool.name, "version": pool.version}})

    async def description(self, request: Request) -> Response:
        """GET /openapi.json."""
        return self.reply(request, 200, self._document(self._pool()))

    async def form(self, request: Request) -> Response:
        """GET /: a page to try the model by hand."""
        return self._page(request, pages.form(self._pool().model))

    async def documentation(self, request: Request) -> Response:
        """GET /docs: the API in words and examples."""
        pool = self._pool()
        return self._page(request, pages.documentation(pool.model, self._document(pool), str(request.base_url)))

    async def not_served(self, request: Request, error: Exception) -> Response:
        """Paths and methods that are not there."""
        assert isinstance(error, HTTPException)
        refusal = RequestError(error.status_code, "not_served", str(error.detail))
        return self.reply(request, refusal.status, refusal.content(), dict(error.headers or {}))

    async def refused(self, request: Request, error: Exception) -> Response:
        """A refusal in JSON."""
        assert isinstance(error, RequestError)
        return self.reply(request, error.status, error.content())

    async def failed(self, request: Request, error: Exception) -> Response:
        """A fault of ours; the log has the traceback."""
        refusal = RequestError(500, "failed", "The endpoint failed on this request; its log says how.")
        return self.reply(request, refusal.status, refusal.content())

    def reply(self, request: Request, status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
        """An answer in JSON with the headers all answers have."""
        return self._dressed(request, Response(_json(content), status, headers, "application/json"))

    def _page(self, request: Request, html: str) -> Response:
        return self._dressed(request, Response(html, 200, {"content-security-policy": pages.POLICY}, "text/html"))

    def _dressed(self, request: Request, response: Response) -> Response:
        given = dict(request.scope["headers"])
        response.raw_headers += self._headers(given, self.traffic.leading)
        return response

    def _pool(self) -> Pool:
        pool = self.traffic.leading
        if pool is None:
            raise RequestError(503, "not_ready", "No version of the model is ready.")
        return pool

    def _document(self, pool: Pool) -> dict[str, Any]:
        return openapi.describe(pool.model, self.limits, pool.classes is not None)

    def _headers(self, given: dict[bytes, bytes], pool: Pool | None) -> list[tuple[bytes, bytes]]:
        request_id = given.get(b"x-request-id")
        if request_id is None or not REQUEST_ID.fullmatch(request_id):
            request_id = secrets.token_hex(16).encode()
        headers = [*ALWAYS, (b"x-request-id", request_id)]
        if pool is not None:
            headers += [(b"x-model-name", _header(pool.name)), (b"x-model-version", _header(pool.version))]
        if self.leaving:
            headers.append((b"connection", b"close"))
        return headers

    async def _score(self, given: dict[bytes, bytes], receive: Callable, send: Callable, named: str | None) -> None:
        pool, more = None, []
        try:
            admitted = self.keys.admits(given.get(b"authorization", b"").decode("latin-1"))
            body = await self._body(receive, keep=admitted)
            if not admitted:
                more = [(b"www-authenticate", b"Bearer")]
                raise RequestError(
                    401, "no_key", "This endpoint needs a key: send the header Authorization: Bearer <key>."
                )
            _check_type(given)
            if named is None and DEPLOYMENT in given:
                named = given[DEPLOYMENT].decode("latin-1")
            answered = await self.traffic.score(body, named)
            pool, status, content = answered.pool, answered.answer.status, answered.answer.content
        except RequestError as refusal:
            status, content = refusal.status, _json(refusal.content())
        except Exception:
            log.exception("A request could not be answered.")
            refusal = RequestError(500, "failed", "The endpoint failed on this request; its log says how.")
            status, content = refusal.status, _json(refusal.content())
        headers = [JSON, (b"content-length", b"%d" % len(content)), *more]
        headers += self._headers(given, pool or self.traffic.leading)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        if status == 200:
            self.keep(body, answered)

    async def _body(self, receive: Callable, keep: bool) -> bytes:
        """The body; nothing where it is not to be kept.

        It is read to its end even if it is too long or its sender may not ask: to close the connection with
        half of it unread would take the refusal from a client that is still sending.
        """
        most = self.limits.bytes
        chunks, size, is_more = [], 0, True
        while is_more and size <= most + LARGEST_BODY_READ_IN_VAIN:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RequestError(400, "not_whole", "The connection closed before the request was whole.")
            chunk, is_more = message.get("body", b""), message.get("more_body", False)
            size += len(chunk)
            if keep and size <= most:
                chunks.append(chunk)
            elif size > most:
                chunks.clear()
        if keep and size > most:
            raise RequestError(413, "too_large", f"The request has more than the {most} bytes that are taken at once.")
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _check_type(given: dict[bytes, bytes]) -> None:
    said = given.get(b"content-type", b"")
    if said != b"application/json":
        kind, _, parameters = said.decode("latin-1").partition(";")
        charset = re.search(r"charset\s*=\s*\"?([\w-]+)", parameters, re.IGNORECASE)
        if kind.strip().lower() != "application/json" or (charset and charset[1].lower() not in ("utf-8", "utf8")):
            raise RequestError(415, "not_json", "Send JSON in UTF-8, with the header Content-Type: application/json.")
    if given.get(b"content-encoding", b"identity").lower() != b"identity":
        raise RequestError(415, "encoded", "Send the JSON as it is, without a Content-Encoding.")


def _json(content: Any) -> bytes:
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


@functools.lru_cache
def _header(value: str | None) -> bytes:
    # Headers are Latin-1 without line ends; a name from a registry may be anything.
    return json.dumps(value or "")[1:-1].encode()
