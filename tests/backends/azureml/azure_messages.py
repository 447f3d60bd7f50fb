# ruff: noqa: E501
"""Messages as Azure words them, each with the name of the known error, words of the next step, and if it may pass.

The first column says where the wording was reported or documented: a thread on GitHub, or one of Microsoft's pages of
error codes (entra: identity-platform/reference-error-codes; endpoints: how-to-troubleshoot-online-endpoints; storage:
blob-service-error-codes; arm: azure-resource-manager/troubleshooting; vault: key-vault/general/common-error-codes).
"""

from typing import NamedTuple


class AzureMessage(NamedTuple):
    source: str
    status: int | None
    text: str
    known: str
    next_step: str
    may_pass: bool = False


MESSAGES = (
    # Logins
    AzureMessage("Azure/login#180", 401, "invalid_client: AADSTS700024: Client assertion is not within its valid time range. Current time: 2024-06-04T11:40:28.3451933Z, expiry time of assertion 2024-06-04T10:20:46Z.", "expired federated token", "service connection"),
    AzureMessage("azure-workload-identity#693", None, "invalid_client: 700024 - Client assertion is not within its valid time range. Review the documentation", "expired federated token", "Run the pipeline's step again"),
    AzureMessage("Azure/login#482", 401, "AADSTS700213: No matching federated identity record found for presented assertion subject 'repo:a/b:environment:dev'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion.", "no matching federated identity", "Compare issuer, subject and audience"),
    AzureMessage("Azure/login#515", 401, "AADSTS7002138: No matching federated identity record found for presented assertion subject. The subject matches with case-insensitive comparison, but not with case-sensitive comparison.", "no matching federated identity", "upper and lower case"),
    AzureMessage("microsoft/Agents#202", 401, '{"error":"invalid_client","error_description":"AADSTS7002137: No matching federated identity record found for presented assertion subject"}', "no matching federated identity", "federated credentials"),
    AzureMessage("azure-workload-identity#340", 400, "AADSTS70021: No matching federated identity record found for presented assertion.", "no matching federated identity", "infra/bootstrap/"),
    AzureMessage("entra", 401, "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.", "wrong secret", "AZURE_CLIENT_SECRET"),
    AzureMessage("entra", 401, "AADSTS7000222: The provided client secret keys for app are expired.", "wrong secret", "Create a new one"),
    AzureMessage("entra", 401, "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application.", "wrong certificate", "Register the certificate"),
    AzureMessage("entra", 400, "unauthorized_client: AADSTS700016: Application with identifier '052e' was not found in the directory 'Contoso'.", "unknown application", "AZURE_CLIENT_ID"),
    AzureMessage("entra", 401, "AADSTS7000229: The client application is missing service principal in the tenant.", "unknown application", "AZURE_TENANT_ID"),
    AzureMessage("entra", 401, "AADSTS7000112: Application '052e'(sp) is disabled.", "disabled identity", "Ask an administrator"),
    AzureMessage("entra", 400, "AADSTS90002: Tenant 'contoso.example' not found. Check to make sure you have the correct tenant ID.", "unknown tenant", "tenant_id"),
    AzureMessage("entra", 400, "AADSTS900023: Specified tenant identifier 'x' is neither a valid DNS name, nor a valid external domain.", "unknown tenant", "az account show"),
    AzureMessage("entra", 400, "AADSTS50020: User account 'a@b.com' from identity provider 'live.com' does not exist in tenant 'Contoso'.", "wrong tenant", "az login --tenant"),
    AzureMessage("entra", 400, "AADSTS50034: The user account does not exist in the directory. To sign into this application, the account must be added.", "wrong tenant", "az login --tenant"),
    AzureMessage("arm", 401, "(InvalidAuthenticationTokenTenant) The access token is from the wrong issuer 'https://sts.windows.net/a/'. It must match the tenant associated with this subscription.", "wrong tenant", "subscription's tenant"),
    AzureMessage("entra", 400, "interaction_required: AADSTS50076: Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access.", "second factor", "az login --tenant"),
    AzureMessage("entra", 400, "AADSTS50079: The user is required to use multi-factor authentication.", "second factor", "service connection"),
    AzureMessage("entra", 400, "interaction_required: AADSTS53003: Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.", "conditional access", "managed device"),
    AzureMessage("entra", 400, "AADSTS53000: Device is not in required device state: compliant.", "conditional access", "ask an administrator"),
    AzureMessage("entra", 400, "AADSTS50105: The signed in user is not assigned to a role for the application.", "not assigned to the application", "Ask an administrator"),
    AzureMessage("entra", 400, "AADSTS65001: The user or administrator has not consented to use the application with ID.", "not assigned to the application", "consent"),
    AzureMessage("entra", 400, "AADSTS50126: Error validating credentials due to invalid username or password.", "wrong password", "az login"),
    AzureMessage("entra", 400, "AADSTS700082: The refresh token has expired due to inactivity.", "expired token", "Log in again"),
    AzureMessage("entra", 400, "AADSTS50173: The provided grant has expired due to it being revoked, a fresh auth token is needed.", "expired token", "resume the run"),
    AzureMessage("entra", 503, "AADSTS90033: A transient error has occurred. Please try again.", "busy login service", "Wait a few minutes", True),
    AzureMessage("azure-cli#28915", None, "DefaultAzureCredential failed to retrieve a token from the included credentials. Attempted credentials: ManagedIdentityCredential: ManagedIdentityCredential authentication unavailable, no response from the IMDS endpoint.", "no login", "az login"),
    AzureMessage("azure-cli", None, "Please run 'az login' to setup account.", "no login", "az login"),
    AzureMessage("azure-identity", None, "ManagedIdentityCredential authentication unavailable, no managed identity endpoint found.", "no managed identity", "managed_identity"),
    # Network
    AzureMessage("azure-search-openai-demo#1157", 403, "(403) Public access is disabled. Please configure private endpoint", "private network", "Run inside the network"),
    AzureMessage("azure-docs#90426", 502, "Access to workspace was denied based on workspace private link configuration.", "private network", "over the VPN"),
    AzureMessage("endpoints", 403, "(PublicNetworkAccessDisabled) The public network access of the endpoint is disabled.", "private network", "A role does not help"),
    AzureMessage("storage", 409, "PublicAccessNotPermitted: Public access is not permitted on this storage account.", "private network", "Run inside"),
    AzureMessage("vault", 403, "(Forbidden) Client address is not authorized and caller is not a trusted service. Inner error: ForbiddenByFirewall", "vault firewall", "vault's firewall"),
    AzureMessage("azure-cli", None, "HTTPSConnectionPool(host='login.microsoftonline.com', port=443): Max retries exceeded with url: / (Caused by SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain')))", "untrusted certificate", "REQUESTS_CA_BUNDLE"),
    AzureMessage("requests", None, "ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407 Proxy Authentication Required'))", "proxy login", "https_proxy"),
    AzureMessage("requests", None, "HTTPSConnectionPool(host='management.azure.com', port=443): Max retries exceeded with url: /subscriptions (Caused by ConnectTimeoutError('Connection to management.azure.com timed out. (connect timeout=300)'))", "no connection", "internet access", True),
    AzureMessage("requests", None, "Failed to resolve 'x.api.azureml.ms' ([Errno -2] Name or service not known)", "no connection", "private workspace", True),
    # Endpoints
    AzureMessage("azure-sdk-for-net#36961", 400, "Cannot create a deployment in endpoint e10a7d7c-ept because it is in Updating provisioning state.", "operation in progress", "Wait until its state", True),
    AzureMessage("azure-tools-for-java#4632", 409, "Deployment cannot be updated in the current state: Creating", "operation in progress", "Succeeded or Failed", True),
    AzureMessage("azure-docs#43122", 409, "Unable to edit or replace deployment 'x': previous deployment from '8/20/2019' is still active (expiration time is '8/27/2019').", "operation in progress", "run the stage again", True),
    AzureMessage("startstopv2-deployments#75", 409, "An operation is currently performing on this storage account that requires exclusive access.", "operation in progress", "Wait until", True),
    AzureMessage("endpoints", 400, "(OperationCanceled) Operation was canceled by another operation which has a higher priority.", "cancelled operation", "Run the stage again", True),
    AzureMessage("mlops-project-template#29", 409, "There is already an endpoint with this name, Endpoint name needs to be unique within a region", "endpoint name taken", "Change the parameter name"),
    AzureMessage("azureml-examples#1635", 400, '(InferencingClientCallFailed) "Endpoint Quota reached for subscription ***.Current usage/limit: 300/300.Please clean up existing endpoints and try again"', "too many endpoints", "Delete endpoints"),
    AzureMessage("endpoints", None, "ResourceNotReady: User container has crashed or terminated: a required package azureml-inference-server-http is missing.", "missing inference server", "conda.yaml"),
    AzureMessage("endpoints", None, "Startup task failed due to authorization error. Please see troubleshooting guide", "endpoint identity", "Storage Blob Data Reader"),
    AzureMessage("endpoints", None, 'Failed to pull image "cr.azurecr.io/azureml/azureml_1": rpc error: unauthorized: authentication required, visit https://aka.ms/acr/authorization', "image not accessible", "AcrPull"),
    AzureMessage("endpoints", None, "Unable to download user container image. The registry denied the workspace's identity.", "image not accessible", "AcrPull"),
    AzureMessage("endpoints", 400, "Instance type Standard_B2ms is not supported for online endpoints.", "unsupported instance type", "endpoint_instance_type"),
    AzureMessage("endpoints", 400, "The sum of traffic values must sum to 0 or 100. traffic percentages must sum to 100.", "traffic", "Set the traffic"),
    AzureMessage("endpoints", 400, "Deployment blue has non-zero traffic and cannot be deleted.", "traffic", "to 0"),
    AzureMessage("mslearn-azure-ml#100", None, "ResourceNotReady: User container has crashed or terminated. Please see troubleshooting guide, available here: https://aka.ms/oe-tsg#error-resourcenotready", "unhealthy endpoint", "container's log"),
    AzureMessage("endpoints", None, "Liveness probe failed: HTTP probe failed with statuscode: 502", "unhealthy endpoint", "container's log"),
    AzureMessage("endpoints", None, "(InternalServerError) An internal server error occurred while creating the deployment.", "internal error of Azure", "run again later", True),
    AzureMessage("azureml-previews#258", 500, '{"error": {"code": "ServiceError", "message": "InternalServerError", "details": []}}', "internal error of Azure", "azure.status.microsoft", True),
    # Capacity, quota and clusters
    AzureMessage("azure-docs#78043", None, "(OutOfCapacity) ERR_1101: The specified VM size is out of capacity in this region.", "capacity", "Run again later", True),
    AzureMessage("arm", 409, "(AllocationFailed) Allocation failed. We do not have sufficient capacity for the requested VM size in this region.", "capacity", "choose another size", True),
    AzureMessage("arm", 409, "(ZonalAllocationFailed) Allocation failed. We do not have sufficient capacity for the requested VM size in this zone.", "capacity", "no question of quota", True),
    AzureMessage("arm", 409, "(SkuNotAvailable) The requested size for resource is currently not available in location 'eastus' zones '' for subscription 's'. Please try another size or deploy to a different location.", "capacity", "Run again later", True),
    AzureMessage("arm", 409, "(OverconstrainedAllocationRequest) Allocation failed. VM(s) with the following constraints cannot be allocated.", "capacity", "another size", True),
    AzureMessage("arm", 400, "(NotAvailableForSubscription) Size Standard_NC24 is restricted for this subscription.", "size not offered", "Choose another gpu_vm_size"),
    AzureMessage("machine-learning", 400, "(InvalidVmSize) VM size STANDARD_NC6 is not supported in the region.", "size not offered", "doctor"),
    AzureMessage("mslearn-azure-ml#30", 400, "Not enough quota available for Standard_F4s_v2 in SubscriptionId a. Current usage/limit: 0/6. Additional needed: 8 https://aka.ms/oe-tsg#error-outofquota", "quota", "Request more on the Quotas page"),
    AzureMessage("Azure/mlops-v2#81", 400, "The specified subscription has a total vCPU quota of 0 and cannot accomodate for at least 1 requested managed compute node which maps to 2 vCPUs.", "quota", "Quotas page"),
    AzureMessage("InnerEye-DeepLearning#253", None, "The specified subscription has a total vCPU quota of 4 and cannot accomodate for at least 1 requested compute training cluster's node which maps to 24 vCPUs", "quota", "max_nodes"),
    AzureMessage("MLOpsPython#346", None, "UserError: AzureMLCompute job failed. PreemptionError: Nodes of this job got pre-empted. Check if the run has failed or restarted. Reason: Received pre-emption warning signal.", "preemption", "vm_priority: dedicated", True),
    AzureMessage("azure-docs#85756", None, "The specified Azure ML Compute Instance XXX encountered an unusable node. Please try to restart the compute instance to recover.", "unusable machine", "Run again", True),
    AzureMessage("MachineLearningNotebooks#642", None, "AzureMLCompute cluster gpu-cluster is in failed state and thus not ready for runs", "failed cluster", "Delete the cluster"),
    AzureMessage("machine-learning", 404, "The requested compute target gpu-cluster does not exist in the workspace.", "unknown cluster", "gpu_cluster"),
    AzureMessage("arm", 400, "(SubnetIsFull) Subnet snet with address prefix 10.0.0.0/28 does not have enough capacity for 9 IP addresses.", "full subnet", "enlarge the subnet"),
    AzureMessage("Azure/Batch#47", None, "OSError(28, 'No space left on device')", "disk full", "larger local disk"),
    # Subscription
    AzureMessage("machinelearning-modelbuilder#3044", 403, '{"error":{"code":"RequestDisallowedByPolicy","message":"Resource \'st\' was disallowed by policy. Reasons: \'Local authentication methods are not allowed.\'"}}', "policy", "exemption"),
    AzureMessage("arm", 409, "(ScopeLocked) The scope '/subscriptions/s' cannot perform write operation because following scope(s) are locked: '/subscriptions/s/resourceGroups/rg'.", "locked", "remove the lock"),
    AzureMessage("neonKUBE#1670", 409, "(MissingSubscriptionRegistration) The subscription is not registered to use namespace 'Microsoft.Compute'. See https://aka.ms/rps-not-found", "unregistered provider", "az provider register"),
    AzureMessage("endpoints", 400, "(SubscriptionNotRegistered) Resource provider [Microsoft.PolicyInsights] isn't registered with Subscription [s].", "unregistered provider", "Microsoft.PolicyInsights"),
    AzureMessage("Azure-Landing-Zones#1730", 409, "The subscription 's' is not registered to use microsoft.insights. (Code: Conflict)", "unregistered provider", "az provider register"),
    AzureMessage("microsoft-foundry-for-vscode#191", 409, "ReadOnlyDisabledSubscription: The subscription 'de60' is disabled and therefore marked as read only.", "disabled subscription", "subscription's owner"),
    AzureMessage("CanadaPubSecALZ#380", 400, "Soft-deleted workspace exists. Please purge or recover it. https://aka.ms/wsoftdelete", "soft-deleted resource", "Restore or purge"),
    AzureMessage("vault", 403, "(Forbidden) Caller is not authorized to perform action on resource. Inner error: ForbiddenByRbac", "vault access denied", "Key Vault Secrets User"),
    AzureMessage("arm", 403, "(LinkedAuthorizationFailed) The client has permission to perform action on scope; however, it does not have permission to perform action 'assign/action' on the linked scope(s).", "linked resource", "Managed Identity Operator"),
    AzureMessage("azure-docs#36641", None, "Error code: 'AuthorizationFailed'. Message: 'The client '052e' with object id '052e' does not have authorization to perform action 'Microsoft.BatchAI/workspaces/read' over scope", "not allowed", "AzureML Data Scientist"),
    # Jobs
    AzureMessage("docker", 429, "toomanyrequests: You have reached your unauthenticated pull rate limit.", "image rate limit", "own registry", True),
    AzureMessage("Azure/Batch#49", None, "UserError ContainerInvalidImage: no such image: x.azurecr.io/core:0.5.0", "image not found", "base image"),
    AzureMessage("pip", None, "ERROR: Could not find a version that satisfies the requirement nosuch==1.0. No matching distribution found for nosuch==1.0", "image build", "make lock"),
    AzureMessage("conda", None, "Image build failed. CondaEnvException: Pip failed", "image build", "20_image_build_log.txt"),
    AzureMessage("pytorch", None, "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB", "GPU out of memory", "larger GPU"),
    AzureMessage("pytorch", None, "RuntimeError: No CUDA-capable device is detected", "no GPU", "NVIDIA GPU"),
    AzureMessage("machine-learning", None, "Execution failed. JobContainerOutOfMemory. Exit code 137.", "out of memory", "larger gpu_vm_size"),
    AzureMessage("azureml-previews#19", None, "The run was cancelled because it exceeded the maximum run duration, max_run_duration_seconds is 900.", "time limit", "timeout_minutes"),
    AzureMessage("machine-learning", None, "JobExceededTimeLimit: the job exceeded its time limit of 3600 seconds.", "time limit", "timeout_minutes"),
    AzureMessage("machine-learning", None, "SnapshotException: While taking snapshot of .: Your total snapshot size exceeds the limit of 300.0 MB.", "large snapshot", "datastore"),
    AzureMessage("machine-learning", None, "Datasets with identity-based data access are not supported for AutoML experiments.", "AutoML without a key", "automl: false"),
    AzureMessage("machine-learning", 400, "The input dataset must have at least 50 samples.", "too few rows for AutoML", "more rows"),
    AzureMessage("machine-learning", None, "ModuleNotFoundError: No module named 'lightgbm'", "missing package", "make lock"),
    # Storage
    AzureMessage("rag-experiment-accelerator#866", None, "KeyBasedAuthenticationNotPermitted: Key based authentication is not permitted on this storage account.", "storage access denied", "Storage Blob Data Contributor"),
    AzureMessage("azureml-previews#181", None, "(StorageAuthError) Forbidden. Please make sure you have permission to access the resource.", "storage access denied", "Storage Blob Data Contributor"),
    AzureMessage("azure-docs#120843", None, "ScriptExecution.StreamAccess.Authentication: DataProcessingError PermissionDenied", "storage access denied", "network rules"),
    AzureMessage("azure-docs#103519", None, "ScriptExecutionException was caused by StreamAccessException. StreamAccessException was caused by NotFoundException. Found no resources for the input provided.", "file not found", "parameter data"),
    AzureMessage("mslearn-ai-fundamentals#52", 400, "ScriptExecution.StreamAccess.NotFound", "file not found", "Correct the path"),
    AzureMessage("storage", 403, "(AuthenticationFailed) Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.", "wrong clock or signature", "Synchronize the clock"),
    AzureMessage("storage", 403, "AccountIsDisabled: The specified account is disabled.", "disabled storage account", "owner"),
    AzureMessage("datahub-portal#266", 403, "KeyVaultEncryptionKeyNotFound: The key vault key is not found to unwrap the encryption key.", "disabled storage account", "key vault"),
    AzureMessage("storage", 409, "LeaseAlreadyPresent: There is already a lease present.", "locked blob", "Wait until that run", True),
    AzureMessage("storage", 409, "ContainerBeingDeleted: The specified container is being deleted. Try operation later.", "container being deleted", "in a few minutes", True),
    AzureMessage("storage", 503, "ServerBusy: Egress is over the account limit.", "busy storage", "max_nodes", True),
    # The workspace
    AzureMessage("arm", 404, "(ResourceGroupNotFound) Resource group 'rg' could not be found.", "no workspace", "resource_group"),
    AzureMessage("mlflow", 400, "INVALID_PARAMETER_VALUE: Param value had length 900, which exceeded length limit of 500", "long value", "Shorten the value"),
)  # fmt: skip
