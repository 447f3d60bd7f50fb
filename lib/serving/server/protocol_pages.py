"""Health and metadata in the Open Inference Protocol and in MLflow's scoring protocol; none of them needs a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lib.invocation import version
from lib.scoring.request_error import RequestError
from lib.serving.server.pool import WorkerPool
from lib.serving.server.protocols import open_inference
from lib.serving.server.scoring_routes import find_version
from lib.serving.server.traffic import Traffic


class ProtocolPages:
    """Handlers of the routes.

    Parameters
    ----------
    traffic : Traffic
        The deployed versions.
    reply : callable
        Makes a response from a request, a status and a content that is sent as JSON.

    Attributes
    ----------
    routes : list of Route
    """

    def __init__(self, traffic: Traffic, reply: Callable[[Request, int, Any], Response]):
        self._traffic, self._reply = traffic, reply
        self.routes = [
            Route("/ping", self.ping),
            Route("/version", self.mlflow_version),
            Route("/v2", self.server),
            Route("/v2/", self.server),
            Route("/v2/health/live", self.live),
            Route("/v2/health/ready", self.server_ready),
        ]
        for path in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
            self.routes += [Route(path, self.model), Route(f"{path}/ready", self.model_ready)]

    async def ping(self, request: Request) -> Response:
        """GET /ping: as MLflow answers it, if the model can answer."""
        return self._reply_text(request, 200 if self._is_ready() else 404, b"\n")

    async def mlflow_version(self, request: Request) -> Response:
        """GET /version: the version of MLflow that saved the model, as text."""
        _, model = self._traffic.find_leading()
        return self._reply_text(request, 200, model.mlflow_version.encode())

    async def server(self, request: Request) -> Response:
        """GET /v2: the metadata of the server."""
        return self._reply(request, 200, open_inference.describe_server(version()))

    async def live(self, request: Request) -> Response:
        """GET /v2/health/live."""
        return self._reply(request, 200, {"live": True})

    async def server_ready(self, request: Request) -> Response:
        """GET /v2/health/ready."""
        is_ready = self._is_ready()
        return self._reply(request, 200 if is_ready else 503, {"ready": is_ready})

    async def model(self, request: Request) -> Response:
        """GET /v2/models/...: the metadata of a model."""
        try:
            pool = self._find_version(request)
        except RequestError as error:
            return self._reply(request, error.status, {"error": error.message})
        if pool.model is None:
            return self._reply(request, 503, {"error": "The model is not ready."})
        versions = {pool.version for pool in (self._traffic.stable, self._traffic.new) if pool is not None}
        return self._reply(request, 200, open_inference.describe_model(pool.model, pool.classes, sorted(versions)))

    async def model_ready(self, request: Request) -> Response:
        """GET /v2/models/.../ready."""
        try:
            pool = self._find_version(request)
        except RequestError as error:
            return self._reply(request, error.status, {"error": error.message})
        content = {"name": pool.name, "ready": pool.has_worker}
        return self._reply(request, 200 if pool.has_worker else 503, content)

    def _find_version(self, request: Request) -> WorkerPool:
        return find_version(self._traffic, request.path_params["name"], request.path_params.get("version"))

    def _reply_text(self, request: Request, status: int, body: bytes) -> Response:
        response = self._reply(request, status, None)
        response.body = body
        response.headers["content-length"] = str(len(body))
        return response

    def _is_ready(self) -> bool:
        pool = self._traffic.leading
        return pool is not None and pool.has_worker
