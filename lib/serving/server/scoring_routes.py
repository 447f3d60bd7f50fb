"""The routes at which clients send rows, and the protocol of each."""

from __future__ import annotations

import re
from typing import NamedTuple

from lib.scoring.request_error import RequestError
from lib.serving.server.pool import WorkerPool
from lib.serving.server.protocols.csv_rows import CsvExchange
from lib.serving.server.protocols.exchange import (
    CSV,
    JSON,
    NDJSON,
    Exchange,
    Headers,
    check_content_type,
    wants_csv,
)
from lib.serving.server.protocols.mlflow_scoring import MlflowExchange
from lib.serving.server.protocols.open_inference import JSON_LENGTH_HEADER, OpenInferenceExchange
from lib.serving.server.traffic import Traffic

SCORE, INVOCATIONS, INFER, DEPLOYMENT = "/score", "/invocations", "/v2/infer", "/deployments/score"
# As on Azure: a request that names a deployment is answered by it, whatever its share of the traffic.
_DEPLOYMENT_HEADER = b"azureml-model-deployment"
_DEPLOYMENT_PATH = re.compile(r"/deployments/([^/]+)/score")
_MODEL_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(/infer|/ready|)")
_OWN = Exchange()


class Route(NamedTuple):
    """The address of a scoring request.

    Attributes
    ----------
    kind : str
        `SCORE`, `INVOCATIONS`, `INFER` or `DEPLOYMENT`.
    deployment : str or None
        The deployment that is to answer.
    model, version : str or None
        Name and version of the model in an address of the Open Inference Protocol.
    """

    kind: str
    deployment: str | None = None
    model: str | None = None
    version: str | None = None


_ROUTES = {path: Route(path) for path in (SCORE, INVOCATIONS)}


def find_route(path: str) -> Route | None:
    """Return the route of a POST request; None if the address is not one at which rows are scored."""
    route = _ROUTES.get(path)
    if route is not None:
        return route
    if deployment := _DEPLOYMENT_PATH.fullmatch(path):
        return Route(DEPLOYMENT, deployment=deployment[1])
    if (model := _MODEL_PATH.fullmatch(path)) and model[3] == "/infer":
        return Route(INFER, model=model[1], version=model[2])
    return None


def find_deployment(route: Route, headers: Headers, traffic: Traffic) -> str | None:
    """Return the deployment that is to answer a request; None if the traffic rules choose.

    Raises
    ------
    RequestError
        With status 404, if the address has another model or a version that is not deployed.
    """
    if route.model is not None:
        pool = find_version(traffic, route.model, route.version)
        return None if route.version is None else pool.folder.name
    if route.deployment is None and _DEPLOYMENT_HEADER in headers:
        return headers[_DEPLOYMENT_HEADER].decode("latin-1")
    return route.deployment


def find_version(traffic: Traffic, name: str, version: str | None) -> WorkerPool:
    """Return the deployed version of a model, by default the one with most of the traffic.

    Raises
    ------
    RequestError
        With status 404 if there is none.
    """
    for pool in (traffic.leading, traffic.new, traffic.stable):
        if pool is not None and pool.name == name and version in (None, pool.version):
            return pool
    label = f"model {name[:100]!r}" + (f" with the version {version[:100]!r}" if version else "")
    raise RequestError(404, "no_model", f"There is no {label} at this endpoint.")


def make_exchange(route: Route, headers: Headers, traffic: Traffic, max_rows: int) -> Exchange | None:
    """Return the protocol of a request; None for NDJSON, which is answered while it arrives.

    Raises
    ------
    RequestError
        With status 415, if the type of the body is not one that the route accepts; with 503, if no version is ready.
    """
    has_own_json = headers.get(b"content-type") == b"application/json" and b"content-encoding" not in headers
    if has_own_json and route.kind in (SCORE, DEPLOYMENT) and not wants_csv(headers):
        return _OWN
    if route.kind == INFER:
        check_content_type(headers, [JSON, *(["application/octet-stream"] if JSON_LENGTH_HEADER in headers else [])])
        return OpenInferenceExchange(_find_columns(traffic), max_rows, headers)
    if route.kind == INVOCATIONS:
        kind = check_content_type(headers, (JSON, CSV), ("charset",))
        return MlflowExchange(_find_columns(traffic), max_rows, kind == CSV)
    kind = check_content_type(headers, (JSON, CSV, NDJSON))
    if kind == NDJSON:
        return None
    if kind == CSV or wants_csv(headers):
        return CsvExchange(_find_columns(traffic), max_rows, kind == CSV, wants_csv(headers))
    return _OWN


def make_error_exchange(route: Route) -> Exchange:
    """Return the protocol in which a request is refused before its protocol is known."""
    if route.kind == INFER:
        return OpenInferenceExchange((), 0, {})
    return MlflowExchange((), 0, False) if route.kind == INVOCATIONS else _OWN


def _find_columns(traffic: Traffic) -> tuple:
    _, model = traffic.find_leading()
    return model.columns
