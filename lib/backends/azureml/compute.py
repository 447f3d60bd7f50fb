"""The compute clusters that execute notebooks."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.error_translation import is_not_found, retry, translate_errors
from lib.backends.base import Check
from lib.errors import StageError
from lib.invocation import command

if TYPE_CHECKING:
    from lib.backends.azureml.connection import Connection
    from lib.parameters import Parameters

_PRIORITIES = {"dedicated": "dedicated", "low_priority": "lowpriority"}
_CREATION_TIMEOUT_MINUTES = 20
_CREATION_TAG = {"made_by": "millrace"}

_creation_lock = threading.Lock()


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
        """Return the name of the cluster that executes a stage's notebooks."""
        gpu_cluster, cpu_cluster = self._parameters.gpu_cluster, self._parameters.cpu_cluster
        return (gpu_cluster or cpu_cluster) if stage == "train" else (cpu_cluster or gpu_cluster)

    def names(self) -> list[str]:
        """Return the names of the clusters that execute the stages in ``cluster_stages``."""
        return sorted({self.name_for(stage) for stage in self._parameters.cluster_stages})

    def find(self, name: str) -> Any:
        """Return the cluster of this name; None if it does not exist."""
        from azureml.core.compute import ComputeTarget

        with translate_errors(f"find the cluster {name}"):
            try:
                return ComputeTarget(self._connection.workspace, name)
            except Exception as error:
                if is_not_found(error):
                    return None
                raise

    def get_or_create(self, name: str) -> Any:
        """Return the cluster of this name; create it if it does not exist.

        A new cluster scales from 0 to ``max_nodes`` machines.
        """
        with _creation_lock:
            return self.find(name) or self._create(name)

    def check(self, name: str, needs_identity: bool) -> Check:
        """Find or create a cluster, and compare it with the parameters.

        Parameters
        ----------
        name : str
            Name of the cluster.
        needs_identity : bool
            Whether jobs need the cluster's managed identity to read the storage, because the datastore has no key.

        Returns
        -------
        Check
            The result lists differences from the parameters. Only a missing identity fails the check.
        """
        existing = self.find(name)
        cluster = existing or self.get_or_create(name)
        description = (
            f"{name}: {cluster.vm_size}, {cluster.vm_priority}, 0 to {cluster.scale_settings.maximum_node_count} "
            f"machines, {'found' if existing else 'created'}"
        )
        remarks = self._differences(name, existing) if existing else []
        lacks_identity = needs_identity and not cluster.identity_type
        if lacks_identity:
            remarks.append(
                "the cluster has no managed identity, so its jobs cannot access the storage. Set managed_identity, "
                "delete the cluster, and run setup, which creates it again"
            )
        return Check("cluster", "; ".join([description, *remarks]), ok=not lacks_identity)

    def _differences(self, name: str, cluster: Any) -> list[str]:
        """Return one clause for each difference between an existing cluster and the parameters."""
        parameters, node_count = self._parameters, cluster.scale_settings.maximum_node_count
        differences = []
        if name == parameters.gpu_cluster and cluster.vm_size.lower() != parameters.gpu_vm_size.lower():
            size = parameters.gpu_vm_size
            differences.append(f"gpu_vm_size is {size}, but the cluster has {cluster.vm_size}, which cannot be changed")
        if node_count < parameters.max_nodes:
            differences.append(
                f"max_nodes is {parameters.max_nodes}, but at most {node_count} notebooks can run at once"
            )
        return differences

    def slots(self, stage: str) -> int:
        """Return how many notebooks of a stage can run at the same time."""
        cluster = self.find(self.name_for(stage))
        max_nodes = self._parameters.max_nodes
        return max_nodes if cluster is None else max(1, min(max_nodes, cluster.scale_settings.maximum_node_count))

    def machine_for(self, stage: str) -> str:
        """Return the type of machine that runs a stage's notebooks, in the spelling of ``prices_usd_per_hour``."""
        cluster = self.find(self.name_for(stage))
        size = cluster.vm_size if cluster else self._parameters.gpu_vm_size
        priority = (cluster.vm_priority if cluster else self._parameters.vm_priority).lower().replace("_", "")
        machine = f"{size}/low_priority" if priority == "lowpriority" else size
        priced_machines = {name.lower(): name for name in self._parameters.prices_usd_per_hour}
        return priced_machines.get(machine.lower(), machine)

    def allocation_errors(self, name: str) -> str:
        """Return Azure's error messages if a cluster cannot allocate any machine; otherwise an empty string."""
        status = self.get_or_create(name).get_status()
        if status is None or status.current_node_count or not status.errors:
            return ""
        return " ".join(str(error) for error in status.errors)

    def delete_created(self) -> list[str]:
        """Delete the clusters that runs created, which have a tag, and return one line for each."""
        from azureml.core.compute import ComputeTarget

        workspace, lines = self._connection.workspace, []
        for cluster in retry(lambda: ComputeTarget.list(workspace), "list the clusters"):
            if cluster.type == "AmlCompute" and _CREATION_TAG.items() <= (cluster.tags or {}).items():
                retry(cluster.delete, f"delete the cluster {cluster.name}")
                lines.append(f"cluster {cluster.name}: deleted")
        return lines

    def _create(self, name: str) -> Any:
        """Create the cluster ``gpu_cluster``, and wait until it is ready."""
        from azureml.core.compute import AmlCompute, ComputeTarget

        parameters = self._parameters
        if name == parameters.cpu_cluster and name != parameters.gpu_cluster:
            raise StageError(
                f"cpu_cluster: there is no cluster {name}, and Millrace creates only the gpu_cluster. Create it "
                f"(infra/ does), or leave cpu_cluster empty to execute these notebooks on {parameters.gpu_cluster}."
            )
        identity = {"identity_type": "UserAssigned", "identity_id": [parameters.managed_identity]}
        configuration = AmlCompute.provisioning_configuration(
            vm_size=parameters.gpu_vm_size,
            vm_priority=_PRIORITIES[parameters.vm_priority],
            min_nodes=0,
            max_nodes=parameters.max_nodes,
            idle_seconds_before_scaledown=parameters.idle_seconds,
            tags=_CREATION_TAG,
            **(identity if parameters.managed_identity else {}),
        )
        workspace, action = self._connection.workspace, f"create the cluster {name}"
        cluster = retry(lambda: ComputeTarget.create(workspace, name, configuration), action)
        with translate_errors(action):
            cluster.wait_for_completion(show_output=False, timeout_in_minutes=_CREATION_TIMEOUT_MINUTES)
        if cluster.provisioning_state != "Succeeded":
            raise StageError(
                f"The cluster {name} could not be created: "
                f"{cluster.provisioning_errors or cluster.provisioning_state}. Check with `{command('doctor')}` that "
                f"{parameters.gpu_vm_size} is available in the region and has enough quota."
            )
        return cluster
