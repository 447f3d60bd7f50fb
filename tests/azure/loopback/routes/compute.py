"""Clusters: SDK version 1 reads them from the workspace's service and writes them to ARM."""

from typing import Any

from .. import names
from ..messages import Call, Reply, merge_patch, not_found, now, reply
from ..routing import Routes
from ..store import Cluster
from .operations import accepted

routes = Routes(names.API_HOST)
arm = Routes(names.ARM_HOST)


def cluster_of(azure, name: str) -> Cluster:
    if name not in azure.store.computes:
        raise not_found(f"The resource computes/{name} was not found in workspace {names.WORKSPACE}.")
    return azure.store.computes[name]


def to_json(name: str, cluster: Cluster) -> dict[str, Any]:
    requested = cluster.body["properties"].get("properties") or {}
    busy = len(cluster.busy)
    nodes = max(busy, cluster.scale["minNodeCount"])
    counts = {"runningNodeCount": busy, "idleNodeCount": nodes - busy}
    empty = ("preparingNodeCount", "unusableNodeCount", "leavingNodeCount", "preemptedNodeCount")
    # The client treats a null identity like an existing one.
    identity = {"identity": cluster.body["identity"]} if cluster.body.get("identity") else {}
    return identity | {
        "id": f"{names.WORKSPACE_PATH}/computes/{name}", "name": name, "tags": cluster.body.get("tags") or {},
        "type": "Microsoft.MachineLearningServices/workspaces/computes", "location": names.LOCATION,
        "properties": {
            "computeType": cluster.body["properties"]["computeType"], "computeLocation": names.LOCATION,
            "description": None, "provisioningState": cluster.state, "isAttachedCompute": False, "resourceId": None,
            "provisioningErrors": [{"error": cluster.error}] if cluster.error else None, "createdOn": now(),
            "modifiedOn": now(), "disableLocalAuth": True,
            "properties": {
                "vmPriority": requested.get("vmPriority") or "Dedicated", "vmSize": requested.get("vmSize"),
                "osType": "Linux",
                "scaleSettings": cluster.scale, "subnet": None, "remoteLoginPortPublicAccess": "NotSpecified",
                "allocationState": "Steady", "allocationStateTransitionTime": now(), "currentNodeCount": nodes,
                "targetNodeCount": nodes, "nodeStateCounts": counts | dict.fromkeys(empty, 0),
                "errors": cluster.allocation_errors or None, "enableNodePublicIp": True, "isolatedNetwork": False,
            },
        },
    }  # fmt: skip


@routes.on("GET", "/rp/workspaces{WS}/computes/{name}")
@arm.on("GET", "{WS}/computes/{name}")
def get(azure, call: Call, name: str) -> Reply:
    return reply(to_json(name, cluster_of(azure, name)))


@routes.on("GET", "/rp/workspaces{WS}/computes")
@arm.on("GET", "{WS}/computes")
def every(azure, call: Call) -> Reply:
    # There must be no nextLink: the client follows even a null one.
    return reply({"value": [to_json(name, cluster) for name, cluster in azure.store.computes.items()]})


@arm.on("PUT", "{WS}/computes/{name}")
def create(azure, call: Call, name: str) -> Reply:
    cluster = Cluster(call.json)
    previous = azure.store.computes.get(name)
    if previous:
        cluster.busy, cluster.changed = previous.busy, previous.changed
    azure.store.computes[name] = cluster
    if azure.faults.take("compute.quota"):
        size = call.json["properties"]["properties"]["vmSize"]
        fail(cluster, "ClusterCoreQuotaReached", f"The specified subscription has a {size} vCPU quota of 0 and cannot "
             "accommodate for at least 1 requested managed compute node.")  # fmt: skip
    elif azure.faults.take("compute.failed"):
        fail(cluster, "InternalServerError", "An internal error occurred while the cluster was made.")
    polls = iter([("InProgress", None)])

    def status() -> tuple[str, dict[str, Any] | None]:
        if cluster.error:
            return "Failed", cluster.error
        cluster.state = "Succeeded"
        return next(polls, ("Succeeded", None))

    operation = azure.store.operation(status)
    return accepted(operation, "workspaceOperationsStatus", "2021-07-01", 201, to_json(name, cluster))


def fail(cluster: Cluster, code: str, message: str) -> None:
    cluster.state, cluster.error = "Failed", {"code": code, "message": message}


@arm.on("PATCH", "{WS}/computes/{name}")
def update(azure, call: Call, name: str) -> Reply:
    cluster = cluster_of(azure, name)
    changes = call.json.get("properties") or {}
    with cluster.changed:
        # SDK version 1 nests the scale settings in the compute's properties; the API specification does not.
        merge_patch(cluster.body["properties"].setdefault("properties", {}), changes.get("properties", changes))
        cluster.changed.notify_all()
    operation = azure.store.operation(lambda: ("Succeeded", None))
    return accepted(operation, "workspaceOperationsStatus", "2021-07-01")


@arm.on("DELETE", "{WS}/computes/{name}")
def delete(azure, call: Call, name: str) -> Reply:
    cluster_of(azure, name)
    del azure.store.computes[name]
    operation = azure.store.operation(lambda: ("Succeeded", None))
    return accepted(operation, "workspaceOperationsStatus", "2021-07-01")
