"""Doctor: everything a run on Azure needs, looked at and not made; where something is missing, what to do."""

from __future__ import annotations

import email.utils
import functools
import importlib.metadata
import re
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from lib.backends.azureml import cost, environment
from lib.backends.azureml.compute import Clusters
from lib.backends.azureml.connection import Connection
from lib.backends.azureml.datastore import DataStore
from lib.backends.azureml.endpoint import name_of
from lib.backends.azureml.error_translation import translate_errors
from lib.backends.base import Check
from lib.errors import MillraceError
from lib.paths import ROOT

if TYPE_CHECKING:
    from lib.parameters import Parameters

_PACKAGES = (
    "azureml-core",
    "azureml-train-automl-client",
    "azureml-mlflow",
    "azureml-dataset-runtime",
    "azure-ai-ml",
    "mlflow",
)
_CLOCK = "https://management.azure.com/metadata/endpoints?api-version=2019-05-01"
_MOST_SKEW_SECONDS = 240  # a token is refused from five minutes on
_TIMEOUT_SECONDS = 20
_WORKSPACE = "Microsoft.MachineLearningServices/workspaces"
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
_ENDPOINT_NAME = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]")

# What a run does, and the role of infra/ that lets it.
_ACTIONS = {
    f"{_WORKSPACE}/read": "Reader",
    f"{_WORKSPACE}/experiments/runs/submit/action": "AzureML Data Scientist",
    f"{_WORKSPACE}/datasets/registered/write": "AzureML Data Scientist",
    f"{_WORKSPACE}/environments/write": "AzureML Data Scientist",
    f"{_WORKSPACE}/models/write": "AzureML Data Scientist",
    f"{_WORKSPACE}/onlineEndpoints/write": "AzureML Data Scientist",
    f"{_WORKSPACE}/computes/write": "AzureML Compute Operator, or a cluster that infra/ made",
}
_DATA_ACTIONS = {f"{_BLOBS}/{what}": "Storage Blob Data Contributor" for what in ("read", "write")}


def diagnose(parameters: Parameters) -> list[Check]:
    """A line for each thing that a run needs; none hides those after it.

    Returns
    -------
    list of Check
    """
    patient = _Patient(parameters)
    looks: dict[str, Callable[[], Check | Iterable[Check]]] = {
        "packages": _packages,
        "Python": _python,
        "clock": _clock,
        "login": patient.login,
        "workspace": patient.workspace,
        "roles": patient.roles,
        "storage": patient.storage,
        "data store": patient.data_store,
        "cluster": patient.clusters,
        "quota": patient.quota,
        "endpoint": patient.endpoint,
        "prices": patient.prices,
    }
    found: list[Check] = []
    for what, look in looks.items():
        try:
            with translate_errors(f"look at: {what}"):
                answer = look()
                found += [answer] if isinstance(answer, Check) else list(answer)
        except MillraceError as error:
            found.append(Check(what, str(error), ok=False))
    return found


def _packages() -> Check:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    missing, other = [], []
    for name in _PACKAGES:
        pinned = set(re.findall(rf"^{name}==([^\s;\\]+)", lock, re.MULTILINE))
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if pinned and installed not in pinned:
            other.append(f"{name} {installed} instead of {', '.join(sorted(pinned))}")
    if missing or other:
        return Check("packages", f'{", ".join(missing + other)}: make install GROUPS="azure"', ok=False)
    return Check("packages", f"{len(_PACKAGES)} looked at, all as locked")


def _python() -> Check:
    here, there = (
        f"{sys.version_info.major}.{sys.version_info.minor}",
        environment.python_version(environment.conda_specification()),
    )
    if here == there:
        return Check("Python", f"{here} here and on the clusters")
    return Check("Python", f"{here} here, {there} there: make clean, then make install PYTHON=python{there}", False)


def _clock() -> Check:
    import requests

    answer = requests.get(_CLOCK, timeout=_TIMEOUT_SECONDS)
    theirs = email.utils.parsedate_to_datetime(answer.headers["Date"]).timestamp()
    skew = time.time() - theirs
    if abs(skew) > _MOST_SKEW_SECONDS:
        return Check("clock", f"{skew:+.0f} seconds off Azure's, which refuses tokens then: set it (ntp)", ok=False)
    return Check("clock", f"{skew:+.0f} seconds off Azure's")


class _Patient:
    """What is looked at on Azure, connected to once."""

    def __init__(self, parameters: Parameters):
        self._parameters = parameters

    @functools.cached_property
    def _connection(self) -> Connection:
        return Connection(self._parameters)

    @functools.cached_property
    def _sizes(self) -> dict[str, Any]:
        return {one.name.lower(): one for one in self._connection.client.compute.list_sizes()}

    def login(self) -> Check:
        self._connection.credential.get_token("https://management.azure.com/.default")
        return Check("login", self._connection.login.how)

    def workspace(self) -> Check:
        workspace, location = self._connection.workspace, self._parameters.location
        said = f"{workspace.name}, {workspace.location}"
        if location and location.replace(" ", "").lower() != workspace.location.lower():
            return Check("workspace", f"{said}; location says {location}: set location: {workspace.location}", ok=False)
        return Check("workspace", said)

    def roles(self) -> Iterable[Check]:
        names = self._connection.names
        actions, _ = self._permissions(names["resource_group"], _WORKSPACE, names["workspace_name"])
        _, data_actions = self._permissions(*self._storage_account())
        for where, wanted, granted in (
            (names["workspace_name"], _ACTIONS, actions),
            (self._storage_account()[2], _DATA_ACTIONS, data_actions),
        ):
            lacking = {action: role for action, role in wanted.items() if not granted(action)}
            if lacking:
                roles = ", ".join(dict.fromkeys(lacking.values()))
                yield Check("roles", f"on {where} this identity lacks {', '.join(lacking)}: give it {roles}", ok=False)
            else:
                yield Check("roles", f"on {where} all {len(wanted)} actions that a run needs")

    def _permissions(self, group: str, kind: str, name: str) -> tuple[Callable, Callable]:
        """Which actions, and which on data, this identity may take on a resource."""
        from azure.mgmt.authorization import AuthorizationManagementClient

        client = AuthorizationManagementClient(self._connection.credential, self._connection.names["subscription_id"])
        provider, _, resource_type = kind.partition("/")
        found = list(client.permissions.list_for_resource(group, provider, "", resource_type, name))
        return (
            lambda action: any(_allows(one.actions, one.not_actions, action) for one in found),
            lambda action: any(_allows(one.data_actions, one.not_data_actions, action) for one in found),
        )

    def _storage_account(self) -> tuple[str, str, str]:
        own = self._connection.workspace.get_details()["storageAccount"].split("/")
        group = (
            own[own.index("resourceGroups") + 1]
            if "resourceGroups" in own
            else self._connection.names["resource_group"]
        )
        return group, "Microsoft.Storage/storageAccounts", self._parameters.storage_account or own[-1]

    def storage(self) -> Check:
        from azure.mgmt.storage import StorageManagementClient

        client = StorageManagementClient(self._connection.credential, self._connection.names["subscription_id"])
        group, _, name = self._storage_account()
        account = client.storage_accounts.get_properties(group, name)
        keys = "keys are off, identities count" if account.allow_shared_key_access is False else "keys are allowed"
        rules = account.network_rule_set
        closed = account.public_network_access == "Disabled" or (rules is not None and rules.default_action == "Deny")
        network = "open to its allowed networks only" if closed else "open to all networks"
        return Check("storage", f"{name}: {keys}, {network}")

    @functools.cached_property
    def _store(self) -> DataStore:
        return DataStore(self._connection, self._parameters)

    def data_store(self) -> Check:
        name, found = self._parameters.datastore, self._store.found
        if found is None:
            return Check("data store", f"{name}: not there yet; setup registers it")
        client = self._store.client(found)
        where = f"{name}: {client.account_name}/{client.container_name}"
        if not client.exists():
            return Check("data store", f"{where}: no such container yet; setup makes it")
        first = next(iter(client.list_blob_names(results_per_page=1)), None)
        return Check("data store", f"{where} {'has files' if first else 'is empty'}, and this identity may list them")

    def clusters(self) -> Iterable[Check]:
        clusters = Clusters(self._connection, self._parameters)
        for name in clusters.names():
            if clusters.find(name) is not None:
                yield clusters.check(name, self._store.keyless)
            elif name == self._parameters.gpu_cluster:
                yield Check("cluster", f"{name}: not there yet; setup makes it of {self._parameters.gpu_vm_size}")
            else:
                yield Check("cluster", f"{name}: not there: make it (infra/), or leave cpu_cluster empty", ok=False)

    def quota(self) -> Check:
        size = self._sizes.get(self._parameters.gpu_vm_size.lower())
        if size is None:
            near = sorted(one.name for one in self._sizes.values() if one.gpus)[:8]
            known = f"Sizes with a GPU there: {', '.join(near) or 'none'}."
            return Check("quota", f"{self._parameters.gpu_vm_size} is not to be had in this region. {known}", ok=False)
        nodes = self._parameters.max_nodes
        # azure-ai-ml 1.35 leaves v_cp_us and current_value empty, and keeps the numbers under their names on the wire.
        wanted = nodes * vars(size)["vCPUs"]
        low = self._parameters.vm_priority == "low_priority"
        usage = next(
            (one for one in self._connection.client.compute.list_usage() if _counts(one, size.family, low)), None
        )
        said = f"{nodes} x {size.name} are {wanted} cores"
        if usage is None:
            return Check("quota", f"{said}; the region names no quota of {size.family}: see studio, Quotas", ok=False)
        left = usage.limit - vars(usage)["currentValue"]
        said = f"{said} of {size.family if not low else 'low priority'}; {left} of {usage.limit} are free"
        if usage.limit < wanted:
            return Check("quota", f"{said}: ask for more (studio, Quotas), or lower max_nodes", ok=False)
        return Check("quota", said)

    def endpoint(self) -> Check:
        name = name_of(self._parameters.name, self._connection.names)
        if not _ENDPOINT_NAME.fullmatch(name):
            return Check("endpoint", f"{name} is no name of an endpoint: give the use case another name", ok=False)
        there = name in [one.name for one in self._connection.client.online_endpoints.list()]
        return Check("endpoint", f"{name}: {'there' if there else 'a deployment makes it'}")

    def prices(self) -> Check:
        faults = cost.faults(self._parameters)
        if faults:
            return Check("prices", " ".join(faults), ok=False)
        limit = self._parameters.max_cost
        return Check("prices", f"max_cost {limit:g} $ a run" if limit is not None else "no max_cost is set")


def _allows(granted: Iterable[str] | None, withheld: Iterable[str] | None, action: str) -> bool:
    """Whether a role's patterns, in which ``*`` stands for anything, let an action through."""

    def matches(patterns: Iterable[str] | None) -> bool:
        regular = (re.escape(one).replace(r"\*", ".*") for one in patterns or ())
        return any(re.fullmatch(one, action, re.IGNORECASE) for one in regular)

    return matches(granted) and not matches(withheld)


def _counts(usage: Any, family: str, low_priority: bool) -> bool:
    """Whether a line of the usages counts the cores of a family; all low-priority machines are counted as one."""
    name = usage.name["value"] if isinstance(usage.name, dict) else usage.name.value
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if low_priority:
        return "lowpriority" in plain
    return plain.startswith(re.sub(r"[^a-z0-9]", "", family.lower())) and "lowpriority" not in plain
