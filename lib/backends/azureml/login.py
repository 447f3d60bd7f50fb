"""The login to Azure: a service principal, a federated or managed identity, ``az login`` or a browser.

No credentials are stored in the project, and no storage keys are used.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.identity import InteractiveBrowserCredential
    from azureml.core.authentication import AbstractAuthentication

JOB_TOKEN = "AZUREML_RUN_TOKEN"
_MANAGEMENT_SCOPE = "https://management.azure.com/.default"
_LOGIN_RECORD = Path("~/.azure/millrace-login.json")
_SERVICE_PRINCIPAL = {"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"}
_FEDERATED_IDENTITY = {"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"}
_SERVICE_CONNECTION = {"AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", "SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN"}
_MANAGED_IDENTITY = {"MSI_ENDPOINT", "IDENTITY_ENDPOINT"}


@dataclass(frozen=True)
class Login:
    """The identity that runs the pipeline.

    Attributes
    ----------
    description : str
        The kind of login, for the user.
    credential : TokenCredential
        Credential for SDK version 2, Azure Resource Manager and storage.
    authentication : AbstractAuthentication or None
        Authentication for SDK version 1 (azureml-core); None in a job, where the run context authenticates.
    """

    description: str
    credential: TokenCredential
    authentication: AbstractAuthentication | None


def detect_login(environment: Mapping[str, str]) -> str:
    """Return the first kind of login whose environment variables are set.

    Examples
    --------
    >>> detect_login({"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"})
    'service principal'
    >>> detect_login({"IDENTITY_ENDPOINT": "http://169.254.169.254"})
    'managed identity'
    """
    if JOB_TOKEN in environment:
        return "job"
    if _SERVICE_PRINCIPAL <= environment.keys():
        return "service principal"
    if _FEDERATED_IDENTITY <= environment.keys():
        return "federated identity"
    if _SERVICE_CONNECTION <= environment.keys():
        return "service connection"
    if _MANAGED_IDENTITY & environment.keys():
        return "managed identity"
    return "az login" if shutil.which("az", path=environment.get("PATH")) else "browser"


def log_in(tenant_id: str = "") -> Login:
    """Log in to Azure with the kind of login that the environment variables determine."""
    kind = detect_login(os.environ)
    if kind == "job":
        return _job_login()
    if kind == "service principal":
        return _service_principal_login()
    description, credential = _token_credential(kind, tenant_id)
    return Login(description, credential, _sdk_v1_authentication(credential))


def _job_login() -> Login:
    """Log in inside a job, as the cluster's identity. The run context authenticates SDK version 1."""
    from azure.identity import ManagedIdentityCredential

    return Login("identity of the job's cluster", ManagedIdentityCredential(client_id=_cluster_identity()), None)


def _service_principal_login() -> Login:
    """Log in as the service principal in the environment variables."""
    from azure.identity import ClientSecretCredential
    from azureml.core.authentication import ServicePrincipalAuthentication

    tenant, client, secret = (os.environ[f"AZURE_{name}"] for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"))
    # The native dataset reader recognizes this class and reads the storage as the same principal, without a key.
    authentication = ServicePrincipalAuthentication(tenant, client, secret)
    return Login(f"service principal {client}", ClientSecretCredential(tenant, client, secret), authentication)


def _token_credential(kind: str, tenant_id: str) -> tuple[str, TokenCredential]:
    """Return the description for the user and the credential of a kind of login."""
    from azure import identity

    if kind == "federated identity":
        return f"federated identity {os.environ['AZURE_CLIENT_ID']}", identity.WorkloadIdentityCredential()
    if kind == "service connection":
        credential = identity.AzurePipelinesCredential(
            tenant_id=os.environ["AZURESUBSCRIPTION_TENANT_ID"],
            client_id=os.environ["AZURESUBSCRIPTION_CLIENT_ID"],
            service_connection_id=os.environ["AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"],
            system_access_token=os.environ["SYSTEM_ACCESSTOKEN"],
        )
        return "service connection of Azure Pipelines", credential
    if kind == "managed identity":
        client_id = _cluster_identity() or os.environ.get("AZURE_CLIENT_ID")
        return "managed identity of this machine", identity.ManagedIdentityCredential(client_id=client_id)
    if kind == "az login":
        return "az login", identity.AzureCliCredential(tenant_id=tenant_id)
    return "browser", _browser_credential(tenant_id)


def _sdk_v1_authentication(credential: TokenCredential) -> AbstractAuthentication:
    """Return an authentication for SDK version 1 that takes its tokens from a credential."""
    from azureml.core.authentication import TokenAuthentication

    def get_token(audience: str) -> str:
        return credential.get_token(f"{audience.rstrip('/')}/.default").token

    return TokenAuthentication(get_token)


def _cluster_identity() -> str | None:
    """Return the client id of the cluster's user-assigned identity, which Azure ML sets in every job."""
    return os.environ.get("DEFAULT_IDENTITY_CLIENT_ID")


def _browser_credential(tenant_id: str) -> InteractiveBrowserCredential:
    """Log in with a browser, and cache the login.

    Only a process with a terminal may open a browser. Notebooks run in processes without one, and use the cached login.
    """
    from azure.identity import AuthenticationRecord, InteractiveBrowserCredential, TokenCachePersistenceOptions

    record_file = _LOGIN_RECORD.expanduser()
    record = AuthenticationRecord.deserialize(record_file.read_text("utf-8")) if record_file.is_file() else None
    is_interactive = sys.stdin is not None and sys.stdin.isatty()
    credential = InteractiveBrowserCredential(
        **({"tenant_id": tenant_id} if tenant_id else {}),
        cache_persistence_options=TokenCachePersistenceOptions(name="millrace", allow_unencrypted_storage=True),
        authentication_record=record,
        disable_automatic_authentication=not is_interactive,
    )
    if record is None and is_interactive:
        record = credential.authenticate(scopes=[_MANAGEMENT_SCOPE])
        record_file.parent.mkdir(parents=True, exist_ok=True)
        record_file.touch(mode=0o600)
        record_file.write_text(record.serialize(), encoding="utf-8")
    return credential
