"""Errors of online endpoints; see https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints."""

from lib.backends.azureml.known_errors.known_error import LOGS, OPERATION_WAITS, SHORT_WAITS, KnownError
from lib.errors import EndpointError, InputError

_SCORING = r"inference\.ml\.azure\.com"

ENDPOINT_ERRORS = (
    KnownError(
        "operation in progress",
        r"in (state )?'?(Updating|Creating|Deleting|Scaling)'? (provisioning )?state|operation (is )?(already )?in "
        r"progress|AnotherOperationInProgress|cannot be updated in the current state|previous deployment .* is still "
        r"active|DeploymentActive|requires exclusive access",
        (),
        "Another operation on the same resource has not finished, and waiting for ten minutes did not help.",
        "Wait until its state in Azure ML studio is Succeeded or Failed, and run the stage again.",
        EndpointError,
        waits=OPERATION_WAITS,
    ),
    KnownError(
        "cancelled operation",
        r"OperationCanceled|canceled by another operation which has a higher priority",
        (),
        "Another operation with a higher priority cancelled this one.",
        "Run the stage again; nothing else has to be changed.",
        EndpointError,
        waits=SHORT_WAITS,
    ),
    KnownError(
        "endpoint name taken",
        r"already an endpoint with this name|endpoint name (is )?already (in use|exists|taken)",
        (),
        "Another endpoint of the region has this name, perhaps in another workspace.",
        "Change the parameter name: the endpoint's name is made from it.",
        InputError,
    ),
    KnownError(
        "too many endpoints",
        r"Endpoint Quota reached|EndpointLimit|maximum number of (online )?(endpoints|deployments)",
        (),
        "The subscription has reached its number of endpoints or deployments in this region.",
        "Delete endpoints that are not used, or request a higher limit on the Quotas page of Azure ML studio.",
        EndpointError,
    ),
    KnownError(
        "missing inference server",
        r"package azureml-inference-server-http is missing|No module named '?azureml_inference_server_http",
        (),
        "The environment of the model has no inference server, so its container cannot start.",
        "Add azureml-inference-server-http to the model's conda.yaml, and deploy again.",
        EndpointError,
    ),
    KnownError(
        "endpoint identity",
        r"Startup task failed due to (an )?authorization error|endpoint identity .*permission",
        (),
        "The identity of the endpoint may not read the model, the code or the image.",
        "Assign it the roles Storage Blob Data Reader on the storage account and AcrPull on the registry, and deploy "
        "again.",
        EndpointError,
    ),
    KnownError(
        "image not accessible",
        r"(?=.*(pull|image|registry|\bacr\b))(?=.*(unauthorized|requested access to the resource is denied|AcrPull|"
        r"authentication required))|Unable to download user container image|access to (the )?container registry",
        (),
        "The identity of the workspace or endpoint may not pull the image from the container registry.",
        "Assign it the role AcrPull on the registry (infra/ does for the workspace), make sure that the registry's "
        "network rules allow Azure ML, and deploy again.",
        EndpointError,
    ),
    KnownError(
        "scoring script",
        r"user_script_exception|scoring script .* (not found|is not in)|run\(\) function|init\(\) function|"
        r"Exception in worker process",
        (),
        "The scoring script of the deployment failed or was not found.",
        f"Read the container's log with `{LOGS}`; the last traceback names the line.",
        EndpointError,
    ),
    KnownError(
        "unsupported instance type",
        r"instance type .*(not supported|unsupported|invalid)|(not supported|unsupported|invalid) .*instance ?type",
        (),
        "Online endpoints do not support this machine size.",
        "Choose another endpoint_instance_type: https://learn.microsoft.com/azure/machine-learning/"
        "reference-managed-online-endpoints-vm-sku-list lists them.",
        InputError,
    ),
    KnownError(
        "traffic",
        r"traffic .*(must|should) (sum|add)|(non-?zero|positive|live) traffic|traffic .*greater than (zero|0)",
        (),
        "Azure deletes no deployment that receives traffic, and the percentages must sum to 0 or 100.",
        "Set the traffic of the deployment to 0 in Azure ML studio, and run the stage again.",
        EndpointError,
    ),
    KnownError(
        "wrong endpoint key",
        rf"{_SCORING}|key_auth_(access_denied|bad_header)",
        (401, 403),
        "The endpoint rejected the key or token of the request.",
        "Read the current key with `run_all.py endpoint key`. A key that was renewed is rejected from then on.",
        EndpointError,
    ),
    KnownError(
        "overloaded endpoint",
        rf"{_SCORING}|too many pending requests|TooManyPendingRequests",
        (429,),
        "The endpoint gets more requests than its instances can handle.",
        "Send fewer requests at the same time, or choose a larger endpoint_instance_type.",
        EndpointError,
        waits=SHORT_WAITS,
    ),
    KnownError(
        "slow request",
        rf"{_SCORING}|request_timeout_ms|upstream_rq_timeout",
        (408, 504),
        "The model needed longer for a request than the endpoint allows.",
        "Send fewer rows in one request, or choose a larger endpoint_instance_type.",
        EndpointError,
        waits=SHORT_WAITS,
    ),
    KnownError(
        "unhealthy endpoint",
        rf"{_SCORING}|scoring|upstream|model container",
        (424, 502),
        "The deployment does not respond: the container has ended or is not ready.",
        f"Read the container's log with `{LOGS}`.",
        EndpointError,
    ),
)
