"""The compute clusters that execute notebooks."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

from lib.backends.azureml.error_translation import retry, translate_errors
from lib.backends.azureml.seams import SERVERLESS, ClusterDetails
from lib.backends.base import Check
from lib.errors import StageError
from lib.invocation import command

if TYPE_CHECKING:
    from lib.backends.azureml.connection import Connection
    from lib.parameters import Parameters

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

    def find(self, name: str) -> ClusterDetails | None:
        """Return the cluster of this name; None if it does not exist.

        The name ``serverless`` stands for machines of Azure ML itself, of the size and priority that the parameters
        name.
        """
        if name == SERVERLESS:
            parameters = self._parameters
            return ClusterDetails(
                SERVERLESS,
                parameters.gpu_vm_size,
                _is_spot(parameters),
                parameters.max_nodes,
                has_identity=bool(parameters.managed_identity),
            )
        with translate_errors(f"find the cluster {name}"):
            return self._connection.sdk("clusters").find(self._connection.workspace, name)

    def get_or_create(self, name: str) -> ClusterDetails:
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
            f"{name}: {cluster.vm_size}, {'low_priority' if cluster.is_spot else 'dedicated'}, 0 to "
            f"{cluster.max_nodes} machines, {'found' if existing else 'created'}"
        )
        remarks = self._differences(name, existing) if existing else []
        lacks_identity = needs_identity and not cluster.has_identity
        if lacks_identity:
            remarks.append(
                "its machines have no managed identity, so their jobs cannot access the storage. Set managed_identity"
                + ("" if name == SERVERLESS else ", delete the cluster, and run setup, which creates it again")
            )
        return Check("cluster", "; ".join([description, *remarks]), ok=not lacks_identity)

    def _differences(self, name: str, cluster: ClusterDetails) -> list[str]:
        """Return one clause for each difference between an existing cluster and the parameters."""
        parameters, node_count = self._parameters, cluster.max_nodes
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
        return max_nodes if cluster is None else max(1, min(max_nodes, cluster.max_nodes))

    def machine_for(self, stage: str) -> str:
        """Return the type of machine that runs a stage's notebooks, in the spelling of ``prices_usd_per_hour``."""
        cluster = self.find(self.name_for(stage))
        size = cluster.vm_size if cluster else self._parameters.gpu_vm_size
        is_spot = cluster.is_spot if cluster else _is_spot(self._parameters)
        machine = f"{size}/low_priority" if is_spot else size
        priced_machines = {name.lower(): name for name in self._parameters.prices_usd_per_hour}
        return priced_machines.get(machine.lower(), machine)

    def allocation_errors(self, name: str) -> str:
        """Return Azure's error messages if a cluster cannot allocate any machine; otherwise an empty string."""
        if name == SERVERLESS:
            return ""
        clusters, workspace = self._connection.sdk("clusters"), self._connection.workspace
        return retry(lambda: clusters.allocation_errors(workspace, name), f"read the state of the cluster {name}")

    def delete_created(self) -> list[str]:
        """Delete the clusters that runs created, which have a tag, and return one line for each."""
        clusters, workspace, lines = self._connection.sdk("clusters"), self._connection.workspace, []
        for cluster in retry(lambda: clusters.list_all(workspace), "list the clusters"):
            if _CREATION_TAG.items() <= cluster.tags.items():
                retry(functools.partial(clusters.delete, workspace, cluster.name), f"delete the cluster {cluster.name}")
                lines.append(f"cluster {cluster.name}: deleted")
        return lines

    def _create(self, name: str) -> ClusterDetails:
        """Create the cluster ``gpu_cluster``, and wait until it is ready."""
        parameters = self._parameters
        if name == parameters.cpu_cluster and name != parameters.gpu_cluster:
            raise StageError(
                f"cpu_cluster: there is no cluster {name}, and Millrace creates only the gpu_cluster. Create it "
                f"(infra/ does), or leave cpu_cluster empty to execute these notebooks on {parameters.gpu_cluster}."
            )
        workspace, action = self._connection.workspace, f"create the cluster {name}"
        create = functools.partial(
            self._connection.sdk("clusters").create,
            workspace,
            name,
            vm_size=parameters.gpu_vm_size,
            is_spot=_is_spot(parameters),
            max_nodes=parameters.max_nodes,
            idle_seconds=parameters.idle_seconds,
            identity=parameters.managed_identity,
            tags=_CREATION_TAG,
            timeout_minutes=_CREATION_TIMEOUT_MINUTES,
        )
        cluster = retry(create, action)
        if cluster.state != "Succeeded":
            raise StageError(
                f"The cluster {name} could not be created: {cluster.errors or cluster.state}. Check with "
                f"`{command('doctor')}` that {parameters.gpu_vm_size} is available in the region and has enough quota."
            )
        return cluster


def _is_spot(parameters: Parameters) -> bool:
    """Return whether new machines are ones that Azure may take away."""
    return parameters.vm_priority != "dedicated"
