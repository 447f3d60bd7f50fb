"""The known errors of Azure, each with its meaning and what the user can do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lib.errors import DataError, EndpointError, InputError, MillraceError, StageError
from lib.invocation import command

_DOCTOR, _LOGS, _RESUME = command("doctor"), command("endpoint", "logs"), command("--resume", "RUN")


@dataclass(frozen=True)
class KnownError:
    """A known kind of failure of Azure, and what it means for the user.

    Attributes
    ----------
    name : str
    pattern : str
        Regular expression that must match in the error's codes and text; empty if only the status matters.
    statuses : tuple of int
        The error must have one of these HTTP statuses; empty if only the pattern matters.
    meaning : str
        What happened and what to do about it, in full sentences.
    error_type : type
        Type of the error that the user sees.
    is_retryable : bool
        Whether the same call may succeed a little later.
    """

    name: str
    pattern: str
    statuses: tuple[int, ...]
    meaning: str
    error_type: type[MillraceError] = StageError
    is_retryable: bool = False

    def matches(self, statuses: set[int], text: str) -> bool:
        """Return whether an exception with this text, and any of these HTTP statuses, is an error of this kind."""
        if self.statuses and not statuses & set(self.statuses):
            return False
        return not self.pattern or re.search(self.pattern, text, re.IGNORECASE) is not None


_STORAGE_ACCESS_DENIED = (
    "The storage account denied access to this identity. Assign it the role Storage Blob Data Contributor on the "
    "account (infra/ does), make sure that the account's network rules allow this machine, and wait a few minutes "
    "until a new role takes effect."
)
_CONFLICT = (
    "A resource with this name already exists, or another run is changing it at the moment. Wait for that run, or use "
    "another name."
)

# The first match wins, so specific errors come before general ones.
KNOWN_ERRORS = (
    KnownError(
        "quota",
        r"quota|ClusterCoreQuotaReached|OperationNotAllowed.*cores|ClusterMinNodesExceedCoreQuota",
        (),
        "The subscription's quota for this machine size is too small. Request more on the Quotas page of Azure ML "
        f"studio (GPU quotas start at 0), or choose a smaller gpu_vm_size or max_nodes. `{_DOCTOR}` shows "
        "the free quota.",
    ),
    KnownError(
        "image build",
        r"image build fail|ImageBuildFailure|ResolvePackageNotFound|failed to build.*image",
        (),
        "The environment's image could not be built, usually because a package of environment.yml is not available. "
        "azureml-logs/20_image_build_log.txt of the run has the details. Fix the package, update environment.yml "
        "(`make lock`), and run again.",
    ),
    KnownError(
        "out of memory",
        r"OutOfMemory|out of memory|exit code 137|code: 137|OOMKilled|MemoryError",
        (),
        "The job ran out of memory. Choose a larger gpu_vm_size, or use fewer rows or columns.",
    ),
    KnownError(
        "preemption",
        r"preempt|LowPriority.*evict|node.*(lost|evicted)",
        (),
        "Azure preempted the low-priority node. Run again, or set vm_priority: dedicated.",
        is_retryable=True,
    ),
    KnownError(
        "expired token",
        r"ExpiredAuthenticationToken|AADSTS700082|AADSTS50173|token (is|has) expired|lifetime validation failed",
        (),
        "The login has expired. Log in again (`az login`, or renew the service principal's secret), and resume the "
        f"run: `{_RESUME}`.",
    ),
    KnownError(
        "wrong secret",
        r"AADSTS7000215|AADSTS7000222|invalid_client",
        (),
        "The service principal's secret is wrong or has expired. Create a new one and set AZURE_CLIENT_SECRET.",
        InputError,
    ),
    KnownError(
        "no login",
        r"CredentialUnavailable|please run 'az login'|Failed to open a browser|AuthenticationRequired",
        (),
        "You are not logged in to Azure. Run `az login`; or set AZURE_TENANT_ID, AZURE_CLIENT_ID and "
        f"AZURE_CLIENT_SECRET; or run `{_DOCTOR}` in a terminal, which opens a browser.",
        InputError,
    ),
    KnownError(
        "storage access denied",
        r"AuthorizationPermissionMismatch|AuthorizationFailure|KeyBasedAuthenticationNotPermitted|"
        r"StreamAccess\.(Authentication|Permission)|blob\.core\.|NoIdentityFound",
        (401, 403),
        _STORAGE_ACCESS_DENIED,
        DataError,
    ),
    KnownError(
        "storage access denied",
        r"AuthorizationPermissionMismatch|KeyBasedAuthenticationNotPermitted|StreamAccess\.(Authentication|Permission)|"
        r"No identity was found on compute",
        (),
        _STORAGE_ACCESS_DENIED,
        DataError,
    ),
    KnownError(
        "unhealthy endpoint",
        r"inference\.ml\.azure\.com|scoring|upstream|model container",
        (424, 502),
        "The deployment does not respond: the container has ended or is not ready. Read the container's log with "
        f"`{_LOGS}`.",
        EndpointError,
    ),
    KnownError(
        "unhealthy endpoint",
        r"ResourceNotReady|UserContainerCrash|container.*(crash|exited)|LivenessProbe|ReadinessProbe",
        (),
        "The deployment did not become ready: the container crashed or did not respond. The end of the container's log "
        "shows why.",
        EndpointError,
    ),
    KnownError(
        "no logged models",
        r"logged-models",
        (404,),
        "Azure ML does not have the logged-models API that MLflow's log_model needs. Log models with "
        "`backend.tracking.log_model`, which uploads the saved folder as artifacts.",
    ),
    KnownError(
        "no workspace",
        r"workspaces?/[^/ ]+' under resource group|Workspace(NotFound| not found)|ResourceGroupNotFound|"
        r"SubscriptionNotFound|No such subscription|does ?n.t exist in resource group|Unable to find the subscription",
        (),
        "The workspace does not exist, or this identity has no access to it. Compare subscription_id, resource_group "
        "and workspace_name with Terraform's outputs, and assign the identity the role AzureML Data Scientist.",
        InputError,
    ),
    KnownError(
        "not logged in",
        "",
        (401,),
        "Azure does not recognize this identity, or its login has expired. Log in again (`az login`, or the service "
        f"principal's variables), and resume the run: `{_RESUME}`.",
    ),
    KnownError(
        "not allowed",
        "",
        (403,),
        "This identity does not have permission. Assign it the role AzureML Data Scientist on the workspace (and "
        f"AzureML Compute Operator to create clusters). `{_DOCTOR}` lists the missing permissions.",
    ),
    KnownError("not found", "", (404,), "The resource does not exist. Look up the correct name in Azure ML studio."),
    KnownError("conflict", "", (409,), _CONFLICT, is_retryable=True),
    # SDK version 1 reports conflicts without a status. For datastores it reports another status.
    KnownError("conflict", r"already (exists|a dataset registered)|AlreadyExists", (), _CONFLICT, is_retryable=True),
    KnownError(
        "too many requests",
        "",
        (429,),
        "Azure limits the request rate, and several retries did not help. Wait a few minutes and resume the run: "
        f"`{_RESUME}`.",
        is_retryable=True,
    ),
    KnownError(
        "Azure server error",
        "",
        (408, 500, 501, 502, 503, 504),
        "Azure reports a server error, and several retries did not help. Check https://azure.status.microsoft, and "
        f"resume the run later: `{_RESUME}`.",
        is_retryable=True,
    ),
    KnownError(
        "no connection",
        r"Connection ?(error|reset|aborted|refused|broken|closed|timeout)|RemoteDisconnected|ServiceRe(quest|sponse)|"
        r"timed? ?out|Max retries exceeded|SSLError|ProxyError|NameResolution|EOF occurred|IncompleteRead",
        (),
        "Azure cannot be reached, or the connection was lost. Check this machine's internet access (proxy, firewall), "
        f"and resume the run: `{_RESUME}`.",
        is_retryable=True,
    ),
)
UNKNOWN_ERROR = KnownError("unknown", "", (), "Azure rejected the request.")
