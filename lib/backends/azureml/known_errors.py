"""Explanations: each failure that Azure is known for, what it means, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lib.errors import DataError, EndpointError, InputError, MillraceError, StageError


@dataclass(frozen=True)
class KnownError:
    """What a failure means.

    Attributes
    ----------
    name : str
    pattern : str
        Regular expression on the codes and the text of the exceptions; empty where the status alone decides.
    statuses : tuple of int
        HTTP statuses; empty where the pattern alone decides.
    meaning : str
        What happened and what to do, in whole sentences.
    kind : type
        Of the error that a person sees.
    again : bool
        Whether the same call can succeed a little later.
    """

    name: str
    pattern: str
    statuses: tuple[int, ...]
    meaning: str
    kind: type[MillraceError] = StageError
    again: bool = False

    def fits(self, statuses: set[int], text: str) -> bool:
        """Whether this is it."""
        if self.statuses and not statuses & set(self.statuses):
            return False
        return not self.pattern or re.search(self.pattern, text, re.IGNORECASE) is not None


_STORAGE_REFUSES = (
    "The storage account does not let this identity in. Give it the role Storage Blob Data Contributor on the account "
    "(infra/ does), see that its network rules allow this machine, and wait some minutes for the role to spread."
)
_CONFLICT = (
    "Something of that name is there already, or another run changes it at this moment. Wait for that run, or use "
    "another name."
)

# The first that fits counts: the more it asks for, the higher it stands.
KNOWN_ERRORS = (
    KnownError(
        "quota",
        r"quota|ClusterCoreQuotaReached|OperationNotAllowed.*cores|ClusterMinNodesExceedCoreQuota",
        (),
        "The subscription's quota for this size of machine does not suffice. Ask for more on the page Quotas of "
        "Azure ML studio (GPU quota starts at 0), or choose a smaller gpu_vm_size or max_nodes. `run_all.py "
        "doctor` shows what is left.",
    ),
    KnownError(
        "image build",
        r"image build fail|ImageBuildFailure|ResolvePackageNotFound|failed to build.*image",
        (),
        "The environment's image could not be built. Look at azureml-logs/20_image_build_log.txt of the run: a "
        "package of environment.yml that cannot be had is the usual reason. Mend it (`make lock`), and run again.",
    ),
    KnownError(
        "out of memory",
        r"OutOfMemory|out of memory|exit code 137|code: 137|OOMKilled|MemoryError",
        (),
        "The job ran out of memory. Choose a larger gpu_vm_size, or fewer rows or columns.",
    ),
    KnownError(
        "preemption",
        r"preempt|LowPriority.*evict|node.*(lost|evicted)",
        (),
        "The low-priority node was taken away. Run again, or set vm_priority: dedicated.",
        again=True,
    ),
    KnownError(
        "expired token",
        r"ExpiredAuthenticationToken|AADSTS700082|AADSTS50173|token (is|has) expired|lifetime validation failed",
        (),
        "The login has expired. Log in again (`az login`, or renew the service principal's secret), and go on "
        "where the run stopped: `run_all.py --resume RUN`.",
    ),
    KnownError(
        "wrong secret",
        r"AADSTS7000215|AADSTS7000222|invalid_client",
        (),
        "The service principal's secret is wrong or has expired. Make a new one, and set AZURE_CLIENT_SECRET.",
        InputError,
    ),
    KnownError(
        "no login",
        r"CredentialUnavailable|please run 'az login'|Failed to open a browser|AuthenticationRequired",
        (),
        "Nobody is logged in. Run `az login`, set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or run "
        "`run_all.py doctor` in a terminal, which opens a browser.",
        InputError,
    ),
    KnownError(
        "storage refuses",
        r"AuthorizationPermissionMismatch|AuthorizationFailure|KeyBasedAuthenticationNotPermitted|"
        r"StreamAccess\.(Authentication|Permission)|blob\.core\.|NoIdentityFound",
        (401, 403),
        _STORAGE_REFUSES,
        DataError,
    ),
    KnownError(
        "storage refuses",
        r"AuthorizationPermissionMismatch|KeyBasedAuthenticationNotPermitted|StreamAccess\.(Authentication|Permission)|"
        r"No identity was found on compute",
        (),
        _STORAGE_REFUSES,
        DataError,
    ),
    KnownError(
        "unhealthy endpoint",
        r"inference\.ml\.azure\.com|scoring|upstream|model container",
        (424, 502),
        "The deployment does not answer: its container has ended or is not ready. `run_all.py endpoint logs` shows "
        "its log.",
        EndpointError,
    ),
    KnownError(
        "unhealthy endpoint",
        r"ResourceNotReady|UserContainerCrash|container.*(crash|exited)|LivenessProbe|ReadinessProbe",
        (),
        "The deployment did not get ready: its container crashed or did not answer. The end of its log says why.",
        EndpointError,
    ),
    KnownError(
        "no logged models",
        r"logged-models",
        (404,),
        "Azure ML has no logged-models API, which MLflow's log_model needs. Log models by "
        "`backend.tracking.log_model`, which saves the folder and uploads it.",
    ),
    KnownError(
        "no workspace",
        r"workspaces?/[^/ ]+' under resource group|Workspace(NotFound| not found)|ResourceGroupNotFound|"
        r"SubscriptionNotFound|No such subscription|does ?n.t exist in resource group|Unable to find the subscription",
        (),
        "There is no such workspace, or this identity may not see it. Compare subscription_id, resource_group and "
        "workspace_name with Terraform's outputs, and give the identity the role AzureML Data Scientist.",
        InputError,
    ),
    KnownError(
        "not logged in",
        "",
        (401,),
        "Azure does not know this identity, or its login has expired. Log in again (`az login`, or the service "
        "principal's variables), and go on where the run stopped: `run_all.py --resume RUN`.",
    ),
    KnownError(
        "not allowed",
        "",
        (403,),
        "This identity may not do that. Give it the role AzureML Data Scientist on the workspace (and AzureML Compute "
        "Operator to make clusters); `run_all.py doctor` lists what is missing.",
    ),
    KnownError("not found", "", (404,), "It is not there. Compare the name with what Azure ML studio shows."),
    KnownError("conflict", "", (409,), _CONFLICT, again=True),
    # Version 1 of the SDK says so without the status, of a datastore with another one.
    KnownError("conflict", r"already (exists|a dataset registered)|AlreadyExists", (), _CONFLICT, again=True),
    KnownError(
        "too many requests",
        "",
        (429,),
        "Azure asks to slow down, and did so again after several pauses. Wait some minutes, and go on where the run "
        "stopped: `run_all.py --resume RUN`.",
        again=True,
    ),
    KnownError(
        "trouble at Azure",
        "",
        (408, 500, 501, 502, 503, 504),
        "Azure answers with an error of its own, again and again. Look at https://azure.status.microsoft, and go "
        "on later where the run stopped: `run_all.py --resume RUN`.",
        again=True,
    ),
    KnownError(
        "no connection",
        r"Connection ?(error|reset|aborted|refused|broken|closed|timeout)|RemoteDisconnected|ServiceRe(quest|sponse)|"
        r"timed? ?out|Max retries exceeded|SSLError|ProxyError|NameResolution|EOF occurred|IncompleteRead",
        (),
        "Azure cannot be reached, or the connection broke. See that this machine reaches the internet (proxy, "
        "firewall), and go on where the run stopped: `run_all.py --resume RUN`.",
        again=True,
    ),
)
UNKNOWN_ERROR = KnownError("unknown", "", (), "Azure refused it.")
