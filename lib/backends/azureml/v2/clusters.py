"""Compute clusters in SDK version 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.backends.azureml.error_translation import is_not_found
from lib.backends.azureml.seams import ClusterDetails
from lib.backends.azureml.v2.workspace import Workspace

# https://learn.microsoft.com/rest/api/azureml/compute/get
_API_VERSION = "2024-10-01"


def find(workspace: Workspace, name: str) -> ClusterDetails | None:
    """Return the cluster of this name; None if it does not exist."""
    try:
        return _details(workspace.client.compute.get(name))
    except Exception as error:
        if is_not_found(error):
            return None
        raise


def create(
    workspace: Workspace,
    name: str,
    *,
    vm_size: str,
    is_spot: bool,
    max_nodes: int,
    idle_seconds: int,
    identity: str,
    tags: Mapping[str, str],
    timeout_minutes: int,
) -> ClusterDetails:
    """Create a cluster of 0 to `max_nodes` machines, and wait until it is ready or has failed."""
    from azure.ai.ml.entities import AmlCompute, IdentityConfiguration, ManagedIdentityConfiguration

    identities = [ManagedIdentityConfiguration(resource_id=identity)] if identity else []
    cluster = AmlCompute(
        name=name,
        size=vm_size,
        tier="low_priority" if is_spot else "dedicated",
        min_instances=0,
        max_instances=max_nodes,
        idle_time_before_scale_down=idle_seconds,
        tags=dict(tags),
        identity=IdentityConfiguration(type="user_assigned", user_assigned_identities=identities) if identity else None,
    )
    poller = workspace.client.compute.begin_create_or_update(cluster)
    poller.result(timeout_minutes * 60)
    return _details(workspace.client.compute.get(name))


def list_all(workspace: Workspace) -> list[ClusterDetails]:
    """Return all clusters of the workspace."""
    return [_details(native) for native in workspace.client.compute.list(compute_type="amlcompute")]


def delete(workspace: Workspace, name: str) -> None:
    """Start to delete a cluster."""
    workspace.client.compute.begin_delete(name)


def allocation_errors(workspace: Workspace, name: str) -> str:
    """Return Azure's messages if a cluster cannot allocate any machine; otherwise an empty string."""
    # azure-ai-ml 1.35 leaves these properties out of its cluster.
    cluster = workspace.management(f"computes/{name}", _API_VERSION)["properties"].get("properties") or {}
    if cluster.get("currentNodeCount"):
        return ""
    errors = (entry.get("error") or entry for entry in cluster.get("errors") or ())
    return " ".join(f"{error.get('code', '')}: {error.get('message', '')}" for error in errors)


def _details(native: Any) -> ClusterDetails:
    return ClusterDetails(
        native.name,
        native.size,
        is_spot="low" in (native.tier or "").lower(),
        max_nodes=int(native.max_instances or 0),
        has_identity=native.identity is not None,
        state=str(getattr(native.provisioning_state, "value", native.provisioning_state)),  # the SDK has an enumeration
        errors=str(native.provisioning_errors or ""),
        tags=native.tags or {},
    )
