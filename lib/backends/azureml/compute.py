"""Compute: the clusters that execute notebooks, found or made."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.error_translation import is_not_found, retry, translate_errors
from lib.backends.base import Check
from lib.errors import StageError

if TYPE_CHECKING:
    from lib.backends.azureml.connection import Connection
    from lib.parameters import Parameters

_PRIORITIES = {"dedicated": "dedicated", "low_priority": "lowpriority"}
_MAKING_MINUTES = 20
_MADE = {"made_by": "millrace"}

_making = threading.Lock()


class Clusters:
    """The clusters that the parameters name.

    Parameters
    ----------
    connection : Connection
    parameters : Parameters
        ``gpu_cluster``, ``gpu_vm_size``, ``cpu_cluster``, ``max_nodes``, ``vm_priority``, ``idle_seconds`` and
        ``managed_identity``.
    """

    def __init__(self, connection: Connection, parameters: Parameters):
        self._connection = connection
        self._parameters = parameters

    def name_for(self, stage: str) -> str:
        """Name of the cluster that executes a stage's notebooks."""
        gpu, cpu = self._parameters.gpu_cluster, self._parameters.cpu_cluster
        return (gpu or cpu) if stage == "train" else (cpu or gpu)

    def names(self) -> list[str]:
        """Those that this run's stages use."""
        return sorted({self.name_for(stage) for stage in self._parameters.cluster_stages})

    def find(self, name: str) -> Any:
        """Cluster of a name, None where there is none."""
        from azureml.core.compute import ComputeTarget

        with translate_errors(f"find the cluster {name}"):
            try:
                return ComputeTarget(self._connection.workspace, name)
            except Exception as error:
                if is_not_found(error):
                    return None
                raise

    def get(self, name: str) -> Any:
        """Cluster of a name, made where there is none: 0 to ``max_nodes`` machines, given back when idle."""
        with _making:
            return self.find(name) or self._make(name)

    def check(self, name: str, needs_identity: bool) -> Check:
        """Find or make it, and say how it is; what differs from the parameters is said and left.

        Parameters
        ----------
        name : str
        needs_identity : bool
            Whether its jobs can only reach the storage as the cluster's identity, there being no key.
        """
        found = self.find(name)
        cluster = found or self.get(name)
        nodes, asked = cluster.scale_settings.maximum_node_count, self._parameters
        differs = []
        if found and name == asked.gpu_cluster and cluster.vm_size.lower() != asked.gpu_vm_size.lower():
            differs.append(f"gpu_vm_size says {asked.gpu_vm_size}")
        if found and nodes < asked.max_nodes:
            differs.append(f"max_nodes says {asked.max_nodes}: {nodes} notebooks run at once")
        said = (
            f"{name}: {cluster.vm_size}, {cluster.vm_priority}, 0 to {nodes} machines, {'found' if found else 'made'}"
        )
        if needs_identity and not cluster.identity_type:
            differs.append(
                "it has no identity, so its jobs cannot reach the storage: set managed_identity, delete the cluster, "
                "and run setup, which makes it anew"
            )
            return Check("cluster", "; ".join([said, *differs]), ok=False)
        return Check("cluster", "; ".join([said, *differs]))

    def places(self, stage: str) -> int:
        """How many notebooks of a stage can run at once."""
        cluster = self.find(self.name_for(stage))
        most = self._parameters.max_nodes
        return most if cluster is None else max(1, min(most, cluster.scale_settings.maximum_node_count))

    def machine_for(self, stage: str) -> str:
        """Machine that a stage's notebooks run on, as the table of prices names it."""
        name = self.name_for(stage)
        cluster = self.find(name)
        size = cluster.vm_size if cluster else self._parameters.gpu_vm_size
        priority = (cluster.vm_priority if cluster else self._parameters.vm_priority).lower().replace("_", "")
        known = {one.lower(): one for one in self._parameters.prices}
        key = f"{size}/low_priority" if priority == "lowpriority" else size
        return known.get(key.lower(), key)

    def trouble(self, name: str) -> str:
        """Why a cluster gives no machine at all, as it says itself; empty where it gives some."""
        status = self.get(name).get_status()
        if status is None or status.current_node_count or not status.errors:
            return ""
        return " ".join(str(error) for error in status.errors)

    def delete_made(self) -> list[str]:
        """Delete the clusters that runs made, known by their tag; a line for each."""
        from azureml.core.compute import ComputeTarget

        workspace, lines = self._connection.workspace, []
        for cluster in retry(lambda: ComputeTarget.list(workspace), "list the clusters"):
            if cluster.type == "AmlCompute" and _MADE.items() <= (cluster.tags or {}).items():
                retry(cluster.delete, f"delete the cluster {cluster.name}")
                lines.append(f"cluster {cluster.name}: deleted")
        return lines

    def _make(self, name: str) -> Any:
        from azureml.core.compute import AmlCompute, ComputeTarget

        asked = self._parameters
        if name == asked.cpu_cluster and name != asked.gpu_cluster:
            raise StageError(
                f"There is no cluster {name}. Make it (infra/ does), or leave cpu_cluster empty: {asked.gpu_cluster} "
                "then executes these notebooks too."
            )
        identity = {"identity_type": "UserAssigned", "identity_id": [asked.managed_identity]}
        settings = AmlCompute.provisioning_configuration(
            vm_size=asked.gpu_vm_size,
            vm_priority=_PRIORITIES[asked.vm_priority],
            min_nodes=0,
            max_nodes=asked.max_nodes,
            idle_seconds_before_scaledown=asked.idle_seconds,
            tags=_MADE,
            **(identity if asked.managed_identity else {}),
        )
        workspace = self._connection.workspace
        made = retry(lambda: ComputeTarget.create(workspace, name, settings), f"make the cluster {name}")
        with translate_errors(f"make the cluster {name}"):
            made.wait_for_completion(show_output=False, timeout_in_minutes=_MAKING_MINUTES)
        if made.provisioning_state != "Succeeded":
            raise StageError(
                f"The cluster {name} could not be made: {made.provisioning_errors or made.provisioning_state}. See "
                f"that {asked.gpu_vm_size} exists in the region and has quota: run_all.py doctor."
            )
        return made
