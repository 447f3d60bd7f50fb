"""The routes of the local endpoint, around one :class:`Scorer`."""

from __future__ import annotations

import functools
import json
import re
import uuid
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from lib.serving import openapi, pages
from lib.serving.keys import KeyFile
from lib.serving.refusal import Refusal
from lib.serving.scorer import Scorer

# A single row takes less time than handing it to a thread and back; a large batch, scored in the event
# loop, would keep everybody else waiting, the health check included.
LARGEST_BODY_IN_LOOP = 64 * 1024
LARGEST_BODY_READ_IN_VAIN = 64 * 2**20
REQUEST_ID = re.compile(r"[\w.-]{1,100}", re.ASCII)


class Service:
    """What the routes share: the model, the keys, and whether this process is leaving.

    Attributes
    ----------
    leaving : bool
        Once true, each answer asks its client to open a new connection, which reaches the successor.
    """

    def __init__(self, scorer: Scorer, keys: KeyFile):
        self.scorer = scorer
        self.keys = keys
        self.leaving = False
        self.document = openapi.describe(scorer.model, scorer.limits)
        self.headers = {
            "x-model-name": _header(scorer.model.name),
            "x-model-version": _header(scorer.model.version),
            "x-content-type-options": "nosniff",
            "cache-control": "no-store",
        }

    async def score(self, request: Request) -> Response:
        """POST /score: predictions for rows."""
        admitted = self.keys.admits(request.headers.get("authorization"))
        try:
            body = await self._body(request, keep=admitted)
            if not admitted:
                raise Refusal(401, "no_key", "This endpoint needs a key: send the header Authorization: Bearer <key>.")
            _check_type(request)
            if len(body) <= LARGEST_BODY_IN_LOOP:
                answer = self.scorer.score(body)
            else:
                answer = await run_in_threadpool(self.scorer.score, body)
        except Refusal as refusal:
            return self.refuse(request, refusal, {"www-authenticate": "Bearer"} if refusal.status == 401 else None)
        except ClientDisconnect:
            return self.refuse(
                request, Refusal(400, "not_whole", "The connection closed before the request was whole.")
            )
        return self.reply(request, 200, answer)

    async def health(self, request: Request) -> Response:
        """GET /health: the process lives."""
        return self.reply(request, 200, {"status": "live"})

    async def ready(self, request: Request) -> Response:
        """GET /ready: the model is loaded and has answered once."""
        return self.reply(request, 200, {"status": "ready", "model": self.document["info"]["x-model"]})

    async def description(self, request: Request) -> Response:
        """GET /openapi.json."""
        return self.reply(request, 200, self.document)

    async def form(self, request: Request) -> Response:
        """GET /: a page to try the model by hand."""
        return self._page(request, pages.form(self.scorer.model))

    async def documentation(self, request: Request) -> Response:
        """GET /docs: the API in words and examples."""
        return self._page(request, pages.documentation(self.scorer.model, self.document, str(request.base_url)))

    async def not_served(self, request: Request, error: Exception) -> Response:
        """Paths and methods that are not there."""
        assert isinstance(error, HTTPException)
        return self.refuse(
            request, Refusal(error.status_code, "not_served", str(error.detail)), dict(error.headers or {})
        )

    async def failed(self, request: Request, error: Exception) -> Response:
        """A fault of ours or the model's; the log has the traceback."""
        refusal = Refusal(500, "failed", "The model failed on this request; the endpoint's log says how.")
        return self.refuse(request, refusal)

    def reply(self, request: Request, status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
        """An answer in JSON with the headers all answers have."""
        body = json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
        return self._respond(request, Response(body, status, headers, "application/json"))

    def refuse(self, request: Request, refusal: Refusal, headers: dict[str, str] | None = None) -> Response:
        """A refusal in JSON."""
        return self.reply(request, refusal.status, refusal.content(), headers)

    def _page(self, request: Request, html: str) -> Response:
        return self._respond(request, Response(html, 200, {"content-security-policy": pages.POLICY}, "text/html"))

    def _respond(self, request: Request, response: Response) -> Response:
        given = request.headers.get("x-request-id", "")
        response.headers.update(self.headers)
        response.headers["x-request-id"] = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        if self.leaving:
            response.headers["connection"] = "close"
        return response

    async def _body(self, request: Request, keep: bool) -> bytes:
        """The body; nothing where it is not to be kept.

        It is read to its end even if it is too long or its sender may not ask: to close the connection with
        half of it unread would take the refusal from a client that is still sending.
        """
        most = self.scorer.limits.bytes
        chunks, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if keep and size <= most:
                chunks.append(chunk)
            elif size > most:
                chunks.clear()
            if size > most + LARGEST_BODY_READ_IN_VAIN:
                break
        if keep and size > most:
            raise Refusal(413, "too_large", f"The request has more than the {most} bytes that are taken at once.")
        return b"".join(chunks)


def build(scorer: Scorer, keys: KeyFile) -> Starlette:
    """The application of one deployment; its :class:`Service` is ``app.state.service``."""
    service = Service(scorer, keys)
    routes = [
        Route("/", service.form),
        Route("/docs", service.documentation),
        Route("/openapi.json", service.description),
        Route("/health", service.health),
        Route("/ready", service.ready),
        Route("/score", service.score, methods=["POST"]),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: service.not_served, Exception: service.failed})
    app.state.service = service
    return app


def _check_type(request: Request) -> None:
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = re.search(r"charset\s*=\s*\"?([\w-]+)", parameters, re.IGNORECASE)
    if kind.strip().lower() != "application/json" or (charset and charset[1].lower() not in ("utf-8", "utf8")):
        raise Refusal(415, "not_json", "Send JSON in UTF-8, with the header Content-Type: application/json.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "encoded", "Send the JSON as it is, without a Content-Encoding.")


@functools.lru_cache
def _header(value: str | None) -> str:
    # Headers are Latin-1 without line ends; a name from a registry may be anything.
    return json.dumps(value or "")[1:-1]
