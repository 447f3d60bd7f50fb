"""Read-only checks of everything that a run on Azure needs, with a remedy for each failure."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from lib.backends.azureml import cost, machine_checks
from lib.backends.azureml.compute import Clusters
from lib.backends.azureml.connection import Connection
from lib.backends.azureml.datastore import DataStore, check_automl_access
from lib.backends.azureml.endpoint_names import endpoint_name
from lib.backends.azureml.error_translation import translate_errors
from lib.backends.base import Check
from lib.errors import MillraceError

if TYPE_CHECKING:
    from lib.parameters import Parameters

_WORKSPACE = "Microsoft.MachineLearningServices/workspaces"
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
_ENDPOINT_NAME = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]")

# The actions of a run, each with the role that permits it. infra/ assigns these roles.
_ACTIONS = {
    f"{_WORKSPACE}/read": "Reader",
    f"{_WORKSPACE}/experiments/runs/submit/action": "AzureML Data Scientist",
    f"{_WORKSPACE}/datasets/registered/write": "AzureML Data Scientist",
    f"{_WORKSPACE}/environments/write": "AzureML Data Scientist",
    f"{_WORKSPACE}/models/write": "AzureML Data Scientist",
    f"{_WORKSPACE}/onlineEndpoints/write": "AzureML Data Scientist",
    f"{_WORKSPACE}/computes/write": "AzureML Compute Operator, or a cluster that infra/ created",
}
_DATA_ACTIONS = {f"{_BLOBS}/{verb}": "Storage Blob Data Contributor" for verb in ("read", "write")}


def diagnose(parameters: Parameters) -> list[Check]:
    """Run all checks, and return a result for each; a failed check does not prevent later ones."""
    workspace = _WorkspaceChecks(parameters)
    checks: dict[str, Callable[[], Check | Iterable[Check]]] = {
        "packages": functools.partial(machine_checks.check_packages, parameters.azure_sdk),
        "Python": machine_checks.check_python,
        "clock": machine_checks.check_clock,
        "login": workspace.check_login,
        "workspace": workspace.check_workspace,
        "roles": workspace.check_roles,
        "storage": workspace.check_storage,
        "data store": workspace.check_datastore,
        "AutoML": workspace.check_automl,
        "cluster": workspace.check_clusters,
        "quota": workspace.check_quota,
        "endpoint": workspace.check_endpoint,
        "prices": workspace.check_prices,
    }
    results: list[Check] = []
    for name, check in checks.items():
        try:
            with translate_errors(f"check: {name}"):
                result = check()
                results += [result] if isinstance(result, Check) else list(result)
        except MillraceError as error:
            results.append(Check(name, str(error), ok=False))
    return results


class _WorkspaceChecks:
    """The checks that need a connection to Azure. They share one connection."""

    def __init__(self, parameters: Parameters):
        self._parameters = parameters

    @functools.cached_property
    def _connection(self) -> Connection:
        return Connection(self._parameters)

    @functools.cached_property
    def _datastore(self) -> DataStore:
        return DataStore(self._connection, self._parameters)

    @functools.cached_property
    def _machine_sizes(self) -> dict[str, Any]:
        """The machine sizes of the region, by their names in lower case."""
        return {size.name.lower(): size for size in self._connection.client.compute.list_sizes()}

    def check_login(self) -> Check:
        """Request a token."""
        self._connection.credential.get_token("https://management.azure.com/.default")
        return Check("login", self._connection.login.description)

    def check_workspace(self) -> Check:
        """Compare the workspace's region with the parameter ``location``."""
        workspace, location = self._connection.workspace, self._parameters.location
        description = f"{workspace.name}, {workspace.location}"
        if location and location.replace(" ", "").lower() != workspace.location.lower():
            message = f"{description}, but location is {location}: set location: {workspace.location}"
            return Check("workspace", message, ok=False)
        return Check("workspace", description)

    def check_roles(self) -> Iterable[Check]:
        """Check that this identity has the permissions on the workspace and the storage account that a run needs."""
        names = self._connection.workspace_names
        is_allowed, _ = self._permissions(names["resource_group"], _WORKSPACE, names["workspace_name"])
        yield _check_actions(names["workspace_name"], _ACTIONS, is_allowed)
        group, resource_type, account = self._storage_account()
        _, is_data_action_allowed = self._permissions(group, resource_type, account)
        yield _check_actions(account, _DATA_ACTIONS, is_data_action_allowed)

    def _permissions(
        self, group: str, resource_type: str, name: str
    ) -> tuple[Callable[[str], bool], Callable[[str], bool]]:
        """Return two functions of an action's name: whether this identity may perform it as an action or a data action.

        `group`, `resource_type` and `name` identify the resource to which the permissions apply.
        """
        from azure.mgmt.authorization import AuthorizationManagementClient

        client = AuthorizationManagementClient(
            self._connection.credential, self._connection.workspace_names["subscription_id"]
        )
        provider, _, type_name = resource_type.partition("/")
        permissions = list(client.permissions.list_for_resource(group, provider, "", type_name, name))
        return (
            lambda action: any(_allows(role.actions, role.not_actions, action) for role in permissions),
            lambda action: any(_allows(role.data_actions, role.not_data_actions, action) for role in permissions),
        )

    def _storage_account(self) -> tuple[str, str, str]:
        """Return the resource group, type and name of ``storage_account``, by default the workspace's account."""
        id_segments = self._connection.workspace.storage_account_id.split("/")
        group = self._connection.workspace_names["resource_group"]
        if "resourceGroups" in id_segments:
            group = id_segments[id_segments.index("resourceGroups") + 1]
        return group, "Microsoft.Storage/storageAccounts", self._parameters.storage_account or id_segments[-1]

    def check_storage(self) -> Check:
        """Describe the key and network settings of the storage account."""
        from azure.mgmt.storage import StorageManagementClient

        client = StorageManagementClient(
            self._connection.credential, self._connection.workspace_names["subscription_id"]
        )
        group, _, name = self._storage_account()
        account = client.storage_accounts.get_properties(group, name)
        keys = "identities only, keys are disabled" if account.allow_shared_key_access is False else "keys are allowed"
        rules = account.network_rule_set
        is_restricted = account.public_network_access == "Disabled" or (
            rules is not None and rules.default_action == "Deny"
        )
        network = "open to its allowed networks only" if is_restricted else "open to all networks"
        return Check("storage", f"{name}: {keys}, {network}")

    def check_datastore(self) -> Check:
        """List the files in the datastore's container, if there is one."""
        name, datastore = self._parameters.datastore, self._datastore.existing
        if datastore is None:
            return Check("data store", f"{name}: does not exist yet; setup registers it")
        client = self._datastore.container_client(datastore)
        container = f"{name}: {client.account_name}/{client.container_name}"
        if not client.exists():
            return Check("data store", f"{container}: the container does not exist yet; setup creates it")
        first_file = next(iter(client.list_blob_names(results_per_page=1)), None)
        content = "has files" if first_file else "is empty"
        return Check("data store", f"{container} {content}, and this identity may list them")

    def check_automl(self) -> Iterable[Check]:
        """If AutoML of SDK version 1 is to run, check that the data store has a key; see `AzureBackend.prepare`."""
        if self._parameters.automl and self._parameters.azure_sdk == "v1":
            yield check_automl_access(self._datastore, self._parameters.datastore)

    def check_clusters(self) -> Iterable[Check]:
        """Compare the clusters with the parameters."""
        clusters = Clusters(self._connection, self._parameters)
        for name in clusters.names():
            if clusters.find(name) is not None:
                yield clusters.check(name, self._datastore.is_keyless)
            elif name == self._parameters.gpu_cluster:
                message = f"{name}: does not exist yet; setup creates it with {self._parameters.gpu_vm_size}"
                yield Check("cluster", message)
            else:
                message = f"{name}: does not exist: create it (infra/), or set cpu_cluster to an empty text"
                yield Check("cluster", message, ok=False)

    def check_quota(self) -> Check:
        """Compare the cores of ``max_nodes`` machines with the region's quota."""
        size = self._machine_sizes.get(self._parameters.gpu_vm_size.lower())
        if size is None:
            gpu_sizes = sorted(size.name for size in self._machine_sizes.values() if size.gpus)[:8]
            message = (
                f"gpu_vm_size: {self._parameters.gpu_vm_size} is not available in this region. GPU sizes in this "
                f"region: {', '.join(gpu_sizes) or 'none'}."
            )
            return Check("quota", message, ok=False)
        max_nodes = self._parameters.max_nodes
        # azure-ai-ml 1.35 leaves v_cp_us and current_value empty, and stores the values under the names of the API.
        required_cores = max_nodes * vars(size)["vCPUs"]
        description = f"{max_nodes} x {size.name} are {required_cores} cores"
        is_low_priority = self._parameters.vm_priority == "low_priority"
        usages = self._connection.client.compute.list_usage()
        usage = next((usage for usage in usages if _is_quota_of(usage, size.family, is_low_priority)), None)
        if usage is None:
            message = f"{description}; the region lists no quota for {size.family}: see Quotas in Azure ML studio"
            return Check("quota", message, ok=False)
        free_cores = usage.limit - vars(usage)["currentValue"]
        family = "low-priority machines" if is_low_priority else size.family
        description = f"{description} of {family}; {free_cores} of {usage.limit} are free"
        if usage.limit < required_cores:
            message = f"{description}: request more quota in Azure ML studio, or lower max_nodes"
            return Check("quota", message, ok=False)
        return Check("quota", description)

    def check_endpoint(self) -> Check:
        """Check the endpoint's name, and whether the endpoint exists."""
        name = endpoint_name(self._parameters.name, self._connection.workspace_names)
        if not _ENDPOINT_NAME.fullmatch(name):
            message = (
                f"{name} is not a valid endpoint name: use lower-case letters, digits and hyphens in the parameter "
                "name, and start with a letter"
            )
            return Check("endpoint", message, ok=False)
        exists = name in [endpoint.name for endpoint in self._connection.client.online_endpoints.list()]
        return Check("endpoint", f"{name}: {'exists' if exists else 'does not exist yet; the deploy stage creates it'}")

    def check_prices(self) -> Check:
        """Check ``prices_usd_per_hour`` and ``max_cost_usd``."""
        faults = cost.faults(self._parameters)
        if faults:
            return Check("prices", " ".join(faults), ok=False)
        limit = self._parameters.max_cost_usd
        return Check("prices", "max_cost_usd is not set" if limit is None else f"max_cost_usd is {limit:g} $ per run")


def _check_actions(resource: str, required: dict[str, str], is_allowed: Callable[[str], bool]) -> Check:
    """Check that this identity may perform all required actions; `required` has the role that permits each action."""
    missing = {action: role for action, role in required.items() if not is_allowed(action)}
    if missing:
        roles = ", ".join(dict.fromkeys(missing.values()))
        message = f"on {resource} this identity lacks {', '.join(missing)}: assign it the role {roles}"
        return Check("roles", message, ok=False)
    return Check("roles", f"on {resource} all {len(required)} actions that a run needs")


def _allows(granted: Iterable[str] | None, excluded: Iterable[str] | None, action: str) -> bool:
    """Return whether a role permits an action.

    `granted` and `excluded` are the role's patterns of permitted and of excepted actions; ``*`` matches any text.
    """

    def matches(patterns: Iterable[str] | None) -> bool:
        expressions = (re.escape(pattern).replace(r"\*", ".*") for pattern in patterns or ())
        return any(re.fullmatch(expression, action, re.IGNORECASE) for expression in expressions)

    return matches(granted) and not matches(excluded)


def _is_quota_of(usage: Any, family: str, is_low_priority: bool) -> bool:
    """Return whether a usage record is the quota of a machine family, or of all low-priority machines."""
    name = usage.name["value"] if isinstance(usage.name, dict) else usage.name.value
    normalized = re.sub(r"[^a-z0-9]", "", name.lower())
    if is_low_priority:
        return "lowpriority" in normalized
    return normalized.startswith(re.sub(r"[^a-z0-9]", "", family.lower())) and "lowpriority" not in normalized
