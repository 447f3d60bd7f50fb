"""The web application of the local endpoint.

Scoring requests are answered by `scoring_handler`, directly on the server's messages, without Starlette's request
objects. All other routes use Starlette.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from pathlib import Path
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
from lib.serving.server.connection_limit import ConnectionLimit
from lib.serving.server.metrics import exposition
from lib.serving.server.metrics.drift import DriftMetrics
from lib.serving.server.pool import WorkerPool
from lib.serving.server.protocol_pages import ProtocolPages
from lib.serving.server.protocols.exchange import Exchange
from lib.serving.server.replies import Replies, find_request_id, internal_error, to_json
from lib.serving.server.scoring_handler import LogRequest, ScoringHandler, missing_key
from lib.serving.server.scoring_routes import find_route
from lib.serving.server.traffic import Traffic

# A request with one of these headers came through a proxy.
_PROXY_HEADERS = (b"forwarded", b"x-forwarded-for")


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
        Called with the body, the answer and the id of each successful request.
    hosts : AllowedHosts
        The hosts by which clients may address the endpoint.
    connections : ConnectionLimit
        Counts refused requests.
    request_log : mapping, optional
        Numbers of requests that were ``sent`` to the request log and ``dropped``.
    verdict_file : Path, optional
        File with the verdict of the last look at the requests.

    Attributes
    ----------
    replies : Replies
        Sends the answers.
    """

    def __init__(
        self,
        traffic: Traffic,
        keys: KeyFile,
        limits: Limits,
        log_request: LogRequest,
        hosts: AllowedHosts,
        connections: ConnectionLimit,
        request_log: Mapping[str, int] | None = None,
        verdict_file: Path | None = None,
    ):
        self.traffic, self.limits = traffic, limits
        self.hosts, self.connections = hosts, connections
        self.replies = Replies()
        self._scoring = ScoringHandler(traffic, keys, limits, log_request, connections, self.replies)
        self._collector = exposition.EndpointCollector(
            traffic, self._scoring.counts, connections, request_log or {}, DriftMetrics(verdict_file)
        )
        routes = [
            Route("/", self.form),
            Route("/docs", self.documentation),
            Route("/openapi.json", self.description),
            Route("/health", self.health),
            Route("/ready", self.ready),
            Route("/metrics", self.metrics),
            *ProtocolPages(traffic, self._reply).routes,
            # Never called, since `__call__` answers these; they make other methods get status 405.
            Route("/score", self.ready, methods=["POST"]),
            Route("/invocations", self.ready, methods=["POST"]),
            Route("/deployments/{name}/score", self.ready, methods=["POST"]),
            Route("/v2/models/{name}/infer", self.ready, methods=["POST"]),
            Route("/v2/models/{name}/versions/{version}/infer", self.ready, methods=["POST"]),
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
            reply = Exchange().to_error(error)
            await self.replies.send(send, find_request_id(headers), self.traffic.leading, reply)
            self.connections.count_refusal(error.code)
            return
        if scope["method"] == "POST":
            route = find_route(scope["path"])
            if route is not None:
                await self._scoring.answer(scope, headers, receive, send, route)
                return
        await self._other_routes(scope, receive, send)

    async def health(self, request: Request) -> Response:
        """GET /health: the process runs."""
        return self._reply(request, 200, {"status": "live"})

    async def ready(self, request: Request) -> Response:
        """GET /ready: a model is loaded and a worker can answer."""
        pool, _ = self.traffic.find_leading()
        if not pool.has_worker:
            raise RequestError(503, "not_ready", "No worker is running at the moment.")
        return self._reply(request, 200, {"status": "ready", "model": {"name": pool.name, "version": pool.version}})

    async def metrics(self, request: Request) -> Response:
        """GET /metrics: counts for Prometheus. Clients on other machines need a key."""
        headers = dict(request.scope["headers"])
        if not (_is_local(request) or self._scoring.admits(headers)):
            error = missing_key()
            return self._reply(request, error.status, error.content(), {"www-authenticate": "Bearer"})
        response = Response(exposition.render(self._collector), 200, {"content-type": exposition.CONTENT_TYPE})
        return self._with_common_headers(request, response)

    async def description(self, request: Request) -> Response:
        """GET /openapi.json."""
        return self._reply(request, 200, self._describe(*self.traffic.find_leading()))

    async def form(self, request: Request) -> Response:
        """GET /: a page on which to try the model."""
        pool, model = self.traffic.find_leading()
        return self._page(request, pages.form(model, pool.about, self.limits.rows))

    async def documentation(self, request: Request) -> Response:
        """GET /docs: the documentation of the API."""
        pool, model = self.traffic.find_leading()
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
        problem = internal_error()
        return self._reply(request, problem.status, problem.content())

    def _reply(self, request: Request, status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
        response = Response(to_json(content), status, headers, "application/json")
        return self._with_common_headers(request, response)

    def _page(self, request: Request, html: str) -> Response:
        response = Response(html, 200, {"content-security-policy": pages.POLICY}, "text/html")
        return self._with_common_headers(request, response)

    def _with_common_headers(self, request: Request, response: Response) -> Response:
        request_id = find_request_id(dict(request.scope["headers"]))
        response.raw_headers += self.replies.common_headers(request_id, self.traffic.leading)
        return response

    def _describe(self, pool: WorkerPool, model: Model) -> dict[str, Any]:
        return openapi.describe(model, self.limits, pool.classes, pool.about)


def _is_local(request: Request) -> bool:
    """Return whether a request comes from this machine, and not through a proxy."""
    headers = dict(request.scope["headers"])
    if request.client is None or any(name in headers for name in _PROXY_HEADERS):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
