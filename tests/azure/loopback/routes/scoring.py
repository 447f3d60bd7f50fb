"""The gateway of online endpoints: keys, traffic split, mirroring and forwarding."""

import http.client
import re
import threading
from collections import defaultdict

from .. import names
from ..messages import Call, Reply, error, reply
from ..routing import Routes
from ..store import Deployment, Endpoint

routes = Routes(f"{{endpoint}}.{names.LOCATION}.inference.ml.azure.com")
HEADER = "azureml-model-deployment"
FORWARDED = ("content-type", "accept", "traceparent", "x-request-id", "x-ms-client-request-id", "x-ms-client-trace-id")


class Split:
    """Smooth weighted round robin: a deterministic traffic split with exact shares."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.credit: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))

    def next(self, owner: str, weights: dict[str, int]) -> str:
        with self.lock:
            credit = self.credit[owner]
            for name, weight in weights.items():
                credit[name] += weight
            chosen = max(weights, key=lambda name: credit[name])
            credit[chosen] -= sum(weights.values())
            return chosen


split = Split()


@routes.on("GET POST", "/{path:path}")
def ask(azure, call: Call, endpoint: str, path: str) -> Reply:
    stored = azure.store.endpoints.get(endpoint)
    if stored is None:
        return reply(error(404, "NotFound", f"no endpoint {endpoint}"), 404)
    if not is_authorized(azure, stored, call.bearer):
        return reply(error(401, "Unauthorized", "key_auth_access_denied"), 401)
    if azure.faults.active("endpoint.unhealthy"):
        return Reply(502, b"Bad Gateway", {"Content-Type": "text/plain"})
    properties = stored.body["properties"]
    name = call.headers.get(HEADER) or ""
    if not name:
        traffic = {name: share for name, share in (properties.get("traffic") or {}).items() if share}
        if not traffic:
            return reply(error(404, "NotFound", "no deployment of this endpoint gets traffic"), 404)
        name = split.next(endpoint, traffic)
        mirror(call, endpoint, stored)
    deployment = stored.deployments.get(name)
    if deployment is None:
        return reply(error(404, "NotFound", f"no deployment {name} of endpoint {endpoint}"), 404)
    if not deployment.port:
        return reply(error(503, "ServiceUnavailable", f"no instance of deployment {name} is ready"), 503)
    answer = forward_to_container(call, deployment)
    answer.headers[HEADER] = name
    return answer


def is_authorized(azure, endpoint: Endpoint, credential: str) -> bool:
    if (endpoint.body["properties"].get("authMode") or "Key").lower() == "key":
        return credential in endpoint.keys.values()
    return azure.tokens.is_valid(credential)


def mirror(call: Call, endpoint: str, stored: Endpoint) -> None:
    """Copy a share of the requests to a second deployment and discard its responses."""
    for name, share in (stored.body["properties"].get("mirrorTraffic") or {}).items():
        if share and split.next(f"{endpoint} mirror", {name: share, "": 100 - share}) == name:
            threading.Thread(target=forward_to_container, args=(call, stored.deployments[name]), daemon=True).start()


def forward_to_container(call: Call, deployment: Deployment) -> Reply:
    """Forward a request to a container. Like on Azure, an error of the container becomes a 424."""
    connection = http.client.HTTPConnection("127.0.0.1", deployment.port, timeout=timeout_seconds(deployment))
    headers = {name: value for name, value in call.headers.items() if name in FORWARDED}
    try:
        connection.request(call.method, call.target, call.body or None, headers)
        response = connection.getresponse()
        body = response.read()
    except TimeoutError:
        return reply(error(408, "RequestTimeout", "the deployment did not answer in time"), 408)
    except OSError:
        return Reply(502, b"Bad Gateway", {"Content-Type": "text/plain"})
    finally:
        connection.close()
    kept = {"Content-Type": response.headers.get("Content-Type", "application/json")}
    if response.status < 400:
        return Reply(response.status, body, kept)
    kept |= {"ms-azureml-model-error-statuscode": str(response.status), "ms-azureml-model-error-reason": "model_error"}
    return Reply(424, body, kept)


def timeout_seconds(deployment: Deployment) -> float:
    """Return the deployment's request timeout; the default is longer than Azure's 5 s, for busy machines."""
    limit = (deployment.body["properties"].get("requestSettings") or {}).get("requestTimeout") or ""
    match = re.fullmatch(r"PT(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?", limit)
    return float(match[1] or 0) * 60 + float(match[2] or 0) if match else 180
