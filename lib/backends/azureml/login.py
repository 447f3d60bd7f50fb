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
    kind : str
        The kind of login, as `detect_login` returns it.
    description : str
        The kind of login, for the user.
    credential : TokenCredential
        Credential for the workspace, Azure Resource Manager and storage.
    """

    kind: str
    description: str
    credential: TokenCredential


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
    return Login(kind, *_token_credential(kind, tenant_id))


def _token_credential(kind: str, tenant_id: str) -> tuple[str, TokenCredential]:
    """Return the description for the user and the credential of a kind of login."""
    from azure import identity

    if kind == "job":
        return "identity of the job's cluster", identity.ManagedIdentityCredential(client_id=_cluster_identity())
    if kind == "service principal":
        tenant, client, secret = (os.environ[f"AZURE_{name}"] for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"))
        return f"service principal {client}", identity.ClientSecretCredential(tenant, client, secret)
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
