"""Managed online endpoints and their deployments, in the format of Azure/azure-rest-api-specs."""

import threading
import time
import uuid
from typing import Any

from .. import names
from ..deployments import start_deployment
from ..messages import Call, ErrorReply, Reply, matches, merge_patch, not_found, now, page, reply
from ..routing import Routes
from ..store import Deployment, Endpoint
from .operations import accepted

routes = Routes(names.ARM_HOST)
BASE = "{WS}/onlineEndpoints"
OPERATIONS, API_VERSION = "mfeOperationsStatus", "2022-02-01-preview"
NAME = r"[a-z][a-z0-9-]{1,30}[a-z0-9]"


def endpoint_of(azure, name: str) -> Endpoint:
    if name not in azure.store.endpoints:
        raise not_found(f"Endpoint {name} not found in workspace {names.WORKSPACE}.")
    return azure.store.endpoints[name]


def deployment_of(azure, endpoint: str, name: str) -> Deployment:
    deployments = endpoint_of(azure, endpoint).deployments
    if name not in deployments:
        raise not_found(f"Deployment {name} of endpoint {endpoint} not found.")
    return deployments[name]


def to_json(name: str, endpoint: Endpoint) -> dict[str, Any]:
    address = f"https://{name}.{names.LOCATION}.inference.ml.azure.com"
    properties = endpoint.body["properties"]
    return {
        "id": f"{names.WORKSPACE_PATH}/onlineEndpoints/{name}", "name": name, "location": names.LOCATION,
        "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints", "kind": "Managed",
        "tags": endpoint.body.get("tags") or {},
        "identity": {"type": "SystemAssigned", "principalId": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
                     "tenantId": names.TENANT},
        "properties": {
            "description": properties.get("description"), "properties": properties.get("properties") or {},
            "authMode": properties.get("authMode") or "Key", "provisioningState": endpoint.state,
            "scoringUri": f"{address}/score", "swaggerUri": f"{address}/swagger.json", "compute": None,
            "traffic": properties.get("traffic") or {}, "mirrorTraffic": properties.get("mirrorTraffic") or {},
            "publicNetworkAccess": properties.get("publicNetworkAccess") or "Enabled",
        },
        "systemData": {"createdAt": now(), "createdBy": "loopback", "lastModifiedAt": now()},
    }  # fmt: skip


def check_traffic(endpoint: Endpoint, properties: dict[str, Any]) -> None:
    """Reject the traffic percentages that Azure rejects."""
    traffic, mirror = properties.get("traffic") or {}, properties.get("mirrorTraffic") or {}
    for name in {*traffic, *mirror} - endpoint.deployments.keys():
        raise ErrorReply(400, "BadArgument", f"The deployment {name} in the traffic map does not exist.")
    if sum(traffic.values()) not in (0, 100):
        raise ErrorReply(
            400, "BadArgument", f"The traffic percentages must sum up to 0 or 100, not {sum(traffic.values())}."
        )
    if len(mirror) > 1 or sum(mirror.values()) > 50:
        raise ErrorReply(400, "BadArgument", "Only one deployment may be mirrored to, with 50 percent at most.")
    for name in mirror:
        if traffic.get(name):
            raise ErrorReply(
                400, "BadArgument", f"The deployment {name} gets live traffic, so nothing is mirrored to it."
            )


def start_operation(azure, endpoint: Endpoint):
    """Start an operation on an endpoint that succeeds at the second poll."""
    polls = iter([("InProgress", None)])
    if azure.faults.take("endpoint.failed"):
        endpoint.error = {"code": "InternalServerError", "message": "An internal error occurred in the service."}
        endpoint.state = "Failed"

    def status():
        if endpoint.error:
            return "Failed", endpoint.error
        endpoint.state = "Succeeded"
        return next(polls, ("Succeeded", None))

    return azure.store.operation(status)


@routes.on("PUT", BASE + "/{name}")
def put(azure, call: Call, name: str) -> Reply:
    if not matches(NAME, name):
        raise ErrorReply(400, "BadArgument", f"The endpoint name {name!r} must match {NAME}.")
    with azure.store.lock:
        stored = azure.store.endpoints.get(name)
        keys = {"primaryKey": uuid.uuid4().hex, "secondaryKey": uuid.uuid4().hex}
        endpoint = stored or Endpoint(call.json, keys)
        check_traffic(endpoint, call.json["properties"])
        endpoint.body, endpoint.error = call.json, None
        azure.store.endpoints[name] = endpoint
    return accepted(
        start_operation(azure, endpoint), OPERATIONS, API_VERSION, 200 if stored else 201, to_json(name, endpoint)
    )


@routes.on("PATCH", BASE + "/{name}")
def patch(azure, call: Call, name: str) -> Reply:
    endpoint = endpoint_of(azure, name)
    changes = call.json.get("properties") or {}
    check_traffic(endpoint, endpoint.body["properties"] | changes)
    endpoint.body["properties"] |= changes  # traffic percentages are replaced as a whole
    merge_patch(endpoint.body.setdefault("tags", {}), call.json.get("tags") or {})
    return accepted(start_operation(azure, endpoint), OPERATIONS, API_VERSION)


@routes.on("GET", BASE + "/{name}")
def get(azure, call: Call, name: str) -> Reply:
    return reply(to_json(name, endpoint_of(azure, name)))


@routes.on("GET", BASE)
def every(azure, call: Call) -> Reply:
    return page([to_json(name, endpoint) for name, endpoint in azure.store.endpoints.items()])


@routes.on("DELETE", BASE + "/{name}")
def delete(azure, call: Call, name: str) -> Reply:
    if name not in azure.store.endpoints:
        return Reply(204)
    endpoint = azure.store.endpoints.pop(name)
    for deployment_name in list(endpoint.deployments):
        remove_deployment(endpoint, deployment_name)
    return accepted(azure.store.operation(lambda: ("Succeeded", None)), OPERATIONS, API_VERSION)


@routes.on("POST", BASE + "/{name}/listKeys")
def keys(azure, call: Call, name: str) -> Reply:
    return reply(endpoint_of(azure, name).keys)


@routes.on("POST", BASE + "/{name}/regenerateKeys")
def regenerate(azure, call: Call, name: str) -> Reply:
    endpoint = endpoint_of(azure, name)
    which = "secondaryKey" if call.json.get("keyType") == "Secondary" else "primaryKey"
    endpoint.keys[which] = call.json.get("keyValue") or uuid.uuid4().hex
    return accepted(azure.store.operation(lambda: ("Succeeded", None)), OPERATIONS, API_VERSION)


@routes.on("POST", BASE + "/{name}/token")
def token(azure, call: Call, name: str) -> Reply:
    endpoint_of(azure, name)
    until = int(time.time())
    return reply({
        "accessToken": azure.tokens.issue("https://ml.azure.com"), "tokenType": "Bearer",
        "expiryTimeUtc": until + 3600, "refreshAfterTimeUtc": until + 1800,
    })  # fmt: skip


# Deployments


def deployment_json(endpoint: str, name: str, deployment: Deployment) -> dict[str, Any]:
    properties = deployment.body["properties"]
    return {
        "id": f"{names.WORKSPACE_PATH}/onlineEndpoints/{endpoint}/deployments/{name}", "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
        "location": names.LOCATION, "tags": deployment.body.get("tags") or {},
        "sku": deployment.body.get("sku") or {"name": "Default", "capacity": 1},
        "properties": {"scaleSettings": {"scaleType": "Default"}, "properties": {}, "environmentVariables": {}}
        | {key: value for key, value in properties.items() if value is not None}
        | {"endpointComputeType": "Managed", "provisioningState": deployment.state},
        "systemData": {"createdAt": now(), "createdBy": "loopback", "lastModifiedAt": now()},
    }  # fmt: skip


@routes.on("PUT PATCH", BASE + "/{endpoint}/deployments/{name}")
def put_deployment(azure, call: Call, endpoint: str, name: str) -> Reply:
    owner = endpoint_of(azure, endpoint)
    if not matches(NAME, name):
        raise ErrorReply(400, "BadArgument", f"The deployment name {name!r} must match {NAME}.")
    with azure.store.lock:
        stored = owner.deployments.get(name)
        if stored and stored.state in ("Creating", "Updating"):
            raise ErrorReply(409, "Conflict", f"The deployment {name} is being written; wait for it to end.")
        deployment = stored or Deployment(call.json)
        if stored and call.method == "PATCH":
            merge_patch(deployment.body, call.json)
        else:
            deployment.body = call.json
        deployment.state, deployment.error = "Updating" if stored else "Creating", None
        owner.deployments[name] = deployment
    threading.Thread(
        target=start_deployment, args=(azure, owner, name, deployment), name=f"{endpoint}-{name}", daemon=True
    ).start()
    states = {"Succeeded": "Succeeded", "Failed": "Failed"}
    operation = azure.store.operation(lambda: (states.get(deployment.state, "InProgress"), deployment.error))
    content = deployment_json(endpoint, name, deployment)
    return accepted(operation, OPERATIONS, API_VERSION, 200 if stored else 201, content)


@routes.on("GET", BASE + "/{endpoint}/deployments/{name}")
def get_deployment(azure, call: Call, endpoint: str, name: str) -> Reply:
    return reply(deployment_json(endpoint, name, deployment_of(azure, endpoint, name)))


@routes.on("GET", BASE + "/{endpoint}/deployments")
def deployments(azure, call: Call, endpoint: str) -> Reply:
    stored = endpoint_of(azure, endpoint).deployments
    return page([deployment_json(endpoint, name, deployment) for name, deployment in stored.items()])


@routes.on("DELETE", BASE + "/{endpoint}/deployments/{name}")
def delete_deployment(azure, call: Call, endpoint: str, name: str) -> Reply:
    owner = endpoint_of(azure, endpoint)
    if name not in owner.deployments:
        return Reply(204)
    if (owner.body["properties"].get("traffic") or {}).get(name):
        raise ErrorReply(400, "BadArgument", f"The deployment {name} gets traffic; set it to 0 before it is deleted.")
    remove_deployment(owner, name)
    return accepted(azure.store.operation(lambda: ("Succeeded", None)), OPERATIONS, API_VERSION)


def remove_deployment(endpoint: Endpoint, name: str) -> None:
    deployment = endpoint.deployments.pop(name)
    (endpoint.body["properties"].get("traffic") or {}).pop(name, None)
    (endpoint.body["properties"].get("mirrorTraffic") or {}).pop(name, None)
    if deployment.process:
        threading.Thread(target=deployment.process.stop).start()


@routes.on("POST", BASE + "/{endpoint}/deployments/{name}/getLogs")
def logs(azure, call: Call, endpoint: str, name: str) -> Reply:
    deployment = deployment_of(azure, endpoint, name)
    text = deployment.process.read_log() if deployment.process and deployment.state == "Succeeded" else deployment.log
    tail = call.json.get("tail")
    return reply({"content": "\n".join(text.splitlines()[-tail:] if tail else text.splitlines())})
