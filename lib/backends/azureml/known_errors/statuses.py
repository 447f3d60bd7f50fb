"""Errors that are known by their HTTP status, or by general words."""

from lib.backends.azureml.known_errors.known_error import DOCTOR, RESUME, SHORT_WAITS, KnownError
from lib.errors import InputError

_CONFLICT = "A resource with this name already exists, or another run is changing it at the moment."
_CONFLICT_STEP = "Wait for that run, or use another name."

STATUS_ERRORS = (
    KnownError(
        "no logged models",
        r"logged-models",
        (404,),
        "Azure ML does not have the logged-models API that MLflow's log_model needs.",
        "Log models with `backend.tracking.log_model`, which uploads the saved folder as artifacts.",
    ),
    KnownError(
        "no workspace",
        r"workspaces?/[^/ ]+' under resource group|Workspace(NotFound| not found)|ResourceGroupNotFound|"
        r"SubscriptionNotFound|InvalidSubscriptionId|No such subscription|does ?n.t exist in resource group|"
        r"Unable to find the subscription",
        (),
        "The workspace does not exist, or this identity has no access to it.",
        "Compare subscription_id, resource_group and workspace_name with Terraform's outputs, and assign the identity "
        "the role AzureML Data Scientist.",
        InputError,
    ),
    KnownError(
        "long value",
        r"exceed\w* (the )?(maximum|max) (allowed )?length|had length \d+, which exceeded",
        (),
        "A value is longer than MLflow on Azure stores.",
        "Shorten the value; long texts belong in a file of the run.",
    ),
    KnownError(
        "not logged in",
        "",
        (401,),
        "Azure does not recognize this identity, or its login has expired.",
        f"Log in again (`az login`, or the service principal's variables), and resume the run: `{RESUME}`.",
    ),
    KnownError(
        "not allowed",
        "",
        (403,),
        "This identity does not have permission.",
        "Assign it the role AzureML Data Scientist on the workspace (and AzureML Compute Operator to create clusters). "
        f"`{DOCTOR}` lists the missing permissions.",
    ),
    KnownError(
        "not allowed",
        r"AuthorizationFailed|does not have authorization to perform action",
        (),
        "This identity does not have permission.",
        "Assign it the role AzureML Data Scientist on the workspace (and AzureML Compute Operator to create clusters). "
        f"`{DOCTOR}` lists the missing permissions.",
    ),
    KnownError("not found", "", (404,), "The resource does not exist.", "Look up the correct name in Azure ML studio."),
    KnownError("conflict", "", (409,), _CONFLICT, _CONFLICT_STEP, waits=SHORT_WAITS),
    # SDK version 1 reports conflicts without a status. For datastores it reports another status.
    KnownError(
        "conflict",
        r"already (exists|a dataset registered)|AlreadyExists",
        (),
        _CONFLICT,
        _CONFLICT_STEP,
        waits=SHORT_WAITS,
    ),
    KnownError(
        "too many requests",
        "",
        (429,),
        "Azure limits the request rate, and several retries did not help.",
        f"Wait a few minutes and resume the run: `{RESUME}`.",
        waits=SHORT_WAITS,
    ),
    KnownError(
        "Azure server error",
        "",
        (408, 500, 501, 502, 503, 504),
        "Azure reports a server error, and several retries did not help.",
        f"Check https://azure.status.microsoft, and resume the run later: `{RESUME}`.",
        waits=SHORT_WAITS,
    ),
    KnownError(
        "no connection",
        r"Connection ?(error|reset|aborted|refused|broken|closed|timeout)|RemoteDisconnected|ServiceRe(quest|sponse)|"
        r"timed? ?out|Max retries exceeded|SSLError|ProxyError|NameResolution|Name or service not known|getaddrinfo "
        r"failed|EOF occurred|IncompleteRead",
        (),
        "Azure cannot be reached, or the connection was lost.",
        "Check this machine's internet access (proxy, firewall; the names of a private workspace are known in its "
        f"network only), and resume the run: `{RESUME}`.",
        waits=SHORT_WAITS,
    ),
)
