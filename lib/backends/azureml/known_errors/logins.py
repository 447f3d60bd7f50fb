"""Errors of logins. The codes are explained at https://learn.microsoft.com/entra/identity-platform/reference-error-codes."""

from lib.backends.azureml.known_errors.known_error import DOCTOR, RESUME, SHORT_WAITS, KnownError
from lib.errors import InputError

_NO_LOGIN = "You are not logged in to Azure."
_NO_LOGIN_STEP = (
    "Run `az login`; or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; or run "
    f"`{DOCTOR}` in a terminal, which opens a browser."
)

# Federated logins come first: Entra reports them as invalid_client, like a wrong secret.
LOGIN_ERRORS = (
    KnownError(
        "expired federated token",
        r"AADSTS700024|client assertion is not within its valid time range",
        (),
        "The federated token of the pipeline has expired. Such a token is valid for minutes only, and the job ran "
        "longer before it logged in.",
        "Run the pipeline's step again. Log in with the service connection (AZURESUBSCRIPTION_SERVICE_CONNECTION_ID, "
        "SYSTEM_OIDCREQUESTURI and SYSTEM_ACCESSTOKEN), which requests a new token each time.",
        InputError,
    ),
    KnownError(
        "no matching federated identity",
        r"AADSTS70021\d*|no matching federated identity record|AADSTS700223",
        (),
        "No federated credential of the identity matches the token of this pipeline.",
        "Compare issuer, subject and audience in the message with the identity's federated credentials; upper and "
        "lower case matter. infra/bootstrap/ creates the credentials for the service connections that it knows.",
        InputError,
    ),
    KnownError(
        "wrong secret",
        r"AADSTS7000215|AADSTS7000222|AADSTS7000216|invalid client secret",
        (),
        "The service principal's secret is wrong or has expired.",
        "Create a new one and set AZURE_CLIENT_SECRET.",
        InputError,
    ),
    KnownError(
        "wrong certificate",
        r"AADSTS700027|AADSTS700030",
        (),
        "The certificate of the service principal is not registered, or its signature does not match.",
        "Register the certificate with the application in Entra ID, or log in in another way.",
        InputError,
    ),
    KnownError(
        "unknown application",
        r"AADSTS700016|AADSTS7000229|AADSTS90092",
        (),
        "The tenant does not have the application with this client id.",
        "Compare AZURE_CLIENT_ID and AZURE_TENANT_ID with the application's page in Entra ID. The id of the tenant, "
        "of the application and of its secret are different values.",
        InputError,
    ),
    KnownError(
        "disabled identity",
        r"AADSTS7000112|AADSTS50057",
        (),
        "The identity is disabled in Entra ID.",
        "Ask an administrator of the tenant to enable it, or log in with another identity.",
        InputError,
    ),
    KnownError(
        "unknown tenant",
        r"AADSTS90002|AADSTS900023|AADSTS50001\b|AADSTS500208",
        (),
        "The tenant does not exist, or has no subscription to Azure.",
        "Correct AZURE_TENANT_ID or the parameter tenant_id; `az account show` prints the tenant of your login.",
        InputError,
    ),
    KnownError(
        "wrong tenant",
        r"AADSTS50020|AADSTS50034|AADSTS50178|AADSTS500213|InvalidAuthenticationTokenTenant|token is from the wrong "
        r"issuer",
        (),
        "The login belongs to another tenant than the subscription.",
        "Set the parameter tenant_id to the subscription's tenant, and log in there: az login --tenant TENANT.",
        InputError,
    ),
    KnownError(
        "conditional access",
        r"AADSTS530\d\d+|AADSTS50131|AADSTS50005",
        (),
        "A rule of the tenant (Conditional Access) does not permit this login from this device or place.",
        "Log in from a managed device or network, or ask an administrator of the tenant for an exception.",
        InputError,
    ),
    KnownError(
        "second factor",
        r"AADSTS5007[2469]|AADSTS50158|multi-factor authentication",
        (),
        "The tenant asks for a second factor, which this login did not give.",
        "Log in again in a terminal: az login --tenant TENANT --scope https://management.azure.com/.default. A "
        "pipeline needs a service connection or a managed identity, which no second factor is asked of.",
        InputError,
    ),
    KnownError(
        "not assigned to the application",
        r"AADSTS50105|AADSTS65001|AADSTS650057|AADSTS500011|AADSTS650052",
        (),
        "The application may not log in to this resource: it lacks an assignment or an administrator's consent.",
        "Ask an administrator of the tenant to assign and consent it. Use no application but your own for Azure ML.",
        InputError,
    ),
    KnownError(
        "wrong password",
        r"AADSTS50126|AADSTS50055|AADSTS50053",
        (),
        "The user's password is wrong, has expired, or the account is locked after several attempts.",
        "Correct the password, and log in again: az login.",
        InputError,
    ),
    KnownError(
        "busy login service",
        r"AADSTS90033|AADSTS90024|AADSTS50196|AADSTS90006|AADSTS90025|temporarily_unavailable",
        (),
        "The login service of Azure is busy, and several retries did not help.",
        f"Wait a few minutes and resume the run: `{RESUME}`.",
        waits=SHORT_WAITS,
    ),
    KnownError(
        "expired token",
        r"ExpiredAuthenticationToken|AADSTS70008\d?\b|AADSTS50173|AADSTS70043|AADSTS50078|"
        r"token (is|has) expired|lifetime validation failed|refresh token has expired",
        (),
        "The login has expired.",
        f"Log in again (`az login`, or renew the service principal's secret), and resume the run: `{RESUME}`.",
    ),
    KnownError(
        "no login",
        r"DefaultAzureCredential failed to retrieve",
        (),
        _NO_LOGIN,
        _NO_LOGIN_STEP,
        InputError,
    ),
    KnownError(
        "no managed identity",
        r"no managed identity endpoint found|ManagedIdentityCredential.*(unavailable|failed)|Identity not found|"
        r"IMDS endpoint",
        (),
        "This machine or job has no managed identity.",
        "Set managed_identity so that new clusters get it (infra/ creates one), or log in with `az login`.",
        InputError,
    ),
    KnownError(
        "no login",
        r"CredentialUnavailable|please run '?az login|Failed to open a browser|AuthenticationRequired|"
        r"interaction_required|Azure CLI not found on path",
        (),
        _NO_LOGIN,
        _NO_LOGIN_STEP,
        InputError,
    ),
    KnownError(
        "wrong secret",
        r"invalid_client",
        (),
        "The service principal's secret is wrong or has expired.",
        "Create a new one and set AZURE_CLIENT_SECRET.",
        InputError,
    ),
)
