"""Compute clusters in SDK version 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.backends.azureml.error_translation import is_not_found
from lib.backends.azureml.seams import ClusterDetails
from lib.backends.azureml.v1.workspace import Workspace


def find(workspace: Workspace, name: str) -> ClusterDetails | None:
    """Return the cluster of this name; None if it does not exist."""
    native = native_cluster(workspace, name)
    return None if native is None else _details(native)


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
    from azureml.core.compute import AmlCompute, ComputeTarget

    configuration = AmlCompute.provisioning_configuration(
        vm_size=vm_size,
        vm_priority="lowpriority" if is_spot else "dedicated",
        min_nodes=0,
        max_nodes=max_nodes,
        idle_seconds_before_scaledown=idle_seconds,
        tags=dict(tags),
        **({"identity_type": "UserAssigned", "identity_id": [identity]} if identity else {}),
    )
    cluster = ComputeTarget.create(workspace.native, name, configuration)
    cluster.wait_for_completion(show_output=False, timeout_in_minutes=timeout_minutes)
    return _details(cluster)


def list_all(workspace: Workspace) -> list[ClusterDetails]:
    """Return all clusters of the workspace."""
    from azureml.core.compute import ComputeTarget

    return [_details(native) for native in ComputeTarget.list(workspace.native) if native.type == "AmlCompute"]


def delete(workspace: Workspace, name: str) -> None:
    """Start to delete a cluster."""
    native_cluster(workspace, name).delete()


def allocation_errors(workspace: Workspace, name: str) -> str:
    """Return Azure's messages if a cluster cannot allocate any machine; otherwise an empty string."""
    status = native_cluster(workspace, name).get_status()
    if status is None or status.current_node_count or not status.errors:
        return ""
    return " ".join(str(error) for error in status.errors)


def native_cluster(workspace: Workspace, name: str) -> Any:
    """Return azureml-core's object of a cluster; None if it does not exist."""
    from azureml.core.compute import ComputeTarget

    try:
        return ComputeTarget(workspace.native, name)
    except Exception as error:
        if is_not_found(error):
            return None
        raise


def _details(native: Any) -> ClusterDetails:
    return ClusterDetails(
        native.name,
        native.vm_size,
        is_spot="low" in (native.vm_priority or "").lower(),
        max_nodes=native.scale_settings.maximum_node_count,
        has_identity=bool(native.identity_type),
        state=native.provisioning_state,
        errors=str(native.provisioning_errors or ""),
        tags=native.tags or {},
    )
