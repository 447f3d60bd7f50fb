"""Connect: who we are to Azure, and which workspace is meant.

Nothing is stored here and no key is asked for: a service principal, a federated identity, the cluster's own identity,
``az login`` or a browser say who runs the chain.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.error_translation import translate_errors
from lib.errors import ParameterError
from lib.paths import ROOT

if TYPE_CHECKING:
    from lib.parameters import Parameters

log = logging.getLogger(__name__)

WORKSPACE_NAMES = ("subscription_id", "resource_group", "workspace_name")
JOB_TOKEN = "AZUREML_RUN_TOKEN"
_SAID = "MILLRACE_SDK_V1_SAID"
_LOGIN_RECORD = Path("~/.azure/millrace-login.json")


@dataclass(frozen=True)
class Login:
    """Who we are.

    Attributes
    ----------
    how : str
        In words, for the doctor.
    credential : TokenCredential
        Of azure-identity, for version 2 of the SDK, for Azure's resource manager and for storage.
    authentication : AbstractAuthentication or None
        Of azureml-core, for version 1; None in a job, whose run brings its own.
    """

    how: str
    credential: Any
    authentication: Any


def wanted(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Subscription, resource group and workspace that the parameters name or, where they are empty, ``config.json``.

    Raises
    ------
    ParameterError
        With each one that is missing.
    """
    given = {name: parameters.get(name) or "" for name in WORKSPACE_NAMES}
    if not all(given.values()):
        found = _config()
        given = {name: value or found.get(name, "") for name, value in given.items()}
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise ParameterError(
            f"{name} is empty, and no config.json says it. Set it in parameters/azureml.yaml (Terraform's output of "
            "the same name), or download config.json from the workspace's page in the Azure portal."
            for name in missing
        )
    return given


def _config() -> dict[str, str]:
    """``config.json`` as the studio hands it out: here, above, or in ``.azureml/`` of either."""
    for folder in (Path.cwd(), *Path.cwd().parents, ROOT, *ROOT.parents):
        for file in (folder / "config.json", folder / ".azureml" / "config.json"):
            if file.is_file():
                try:
                    return {name: str(value) for name, value in json.loads(file.read_text("utf-8")).items()}
                except (ValueError, AttributeError) as error:
                    raise ParameterError(
                        f"{file} is no config.json of a workspace ({error}). Download it again."
                    ) from error
    return {}


def detect_login(environment: Mapping[str, str]) -> str:
    """Which login the environment asks for: the first of those that it has everything for."""
    if JOB_TOKEN in environment:
        return "job"
    if {"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"} <= environment.keys():
        return "service principal"
    if {"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"} <= environment.keys():
        return "federated identity"
    if {"AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", "SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN"} <= environment.keys():
        return "service connection"
    if {"MSI_ENDPOINT", "IDENTITY_ENDPOINT"} & environment.keys():
        return "managed identity"
    return "az login" if shutil.which("az", path=environment.get("PATH")) else "browser"


def login(tenant_id: str = "") -> Login:
    """Who we are, as the environment says."""
    import azure.identity as identity
    from azureml.core.authentication import ServicePrincipalAuthentication, TokenAuthentication

    kind, variables = detect_login(os.environ), os.environ
    if kind == "job":
        # The cluster's identity, where it has one of ours, as Azure ML tells every job.
        return Login("the job's own", identity.ManagedIdentityCredential(client_id=_cluster_identity()), None)
    if kind == "service principal":
        tenant, client, secret = (variables[f"AZURE_{name}"] for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"))
        # The engine that reads datasets knows this class, and reads storage without a key as the same principal.
        authentication = ServicePrincipalAuthentication(tenant, client, secret)
        return Login(
            f"service principal {client}", identity.ClientSecretCredential(tenant, client, secret), authentication
        )
    if kind == "federated identity":
        how, credential = f"federated identity {variables['AZURE_CLIENT_ID']}", identity.WorkloadIdentityCredential()
    elif kind == "service connection":
        how = "service connection of Azure Pipelines"
        credential = identity.AzurePipelinesCredential(
            tenant_id=variables["AZURESUBSCRIPTION_TENANT_ID"],
            client_id=variables["AZURESUBSCRIPTION_CLIENT_ID"],
            service_connection_id=variables["AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"],
            system_access_token=variables["SYSTEM_ACCESSTOKEN"],
        )
    elif kind == "managed identity":
        how = "managed identity of this machine"
        credential = identity.ManagedIdentityCredential(
            client_id=_cluster_identity() or variables.get("AZURE_CLIENT_ID")
        )
    elif kind == "az login":
        how, credential = "az login", identity.AzureCliCredential(tenant_id=tenant_id)
    else:
        how, credential = "a browser", _interactive(tenant_id)

    def token(audience: str) -> str:
        return credential.get_token(f"{audience.rstrip('/')}/.default").token

    return Login(how, credential, TokenAuthentication(token))


def _cluster_identity() -> str | None:
    return os.environ.get("DEFAULT_IDENTITY_CLIENT_ID")


def _interactive(tenant_id: str) -> Any:
    """Login in a browser, remembered: every notebook is a process of its own, and only a terminal can ask."""
    from azure.identity import AuthenticationRecord, InteractiveBrowserCredential, TokenCachePersistenceOptions

    file = _LOGIN_RECORD.expanduser()
    record = AuthenticationRecord.deserialize(file.read_text("utf-8")) if file.is_file() else None
    asking = sys.stdin is not None and sys.stdin.isatty()
    credential = InteractiveBrowserCredential(
        **({"tenant_id": tenant_id} if tenant_id else {}),
        cache_persistence_options=TokenCachePersistenceOptions(name="millrace", allow_unencrypted_storage=True),
        authentication_record=record,
        disable_automatic_authentication=not asking,
    )
    if record is None and asking:
        record = credential.authenticate(scopes=["https://management.azure.com/.default"])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(record.serialize(), encoding="utf-8")
    return credential


class Connection:
    """A login and the workspace it opens.

    Parameters
    ----------
    parameters : Parameters
        ``subscription_id``, ``resource_group``, ``workspace_name`` and ``tenant_id``.
    """

    def __init__(self, parameters: Parameters):
        _say_it_is_old()
        self.names = wanted(parameters)
        with translate_errors("log in to Azure"):
            self.login = login(parameters.get("tenant_id") or "")
        with translate_errors(f"find the workspace {self.names['workspace_name']}"):
            self.workspace = self._workspace()

    def _workspace(self) -> Any:
        from azureml.core import Run, Workspace

        if self.login.authentication is None:
            return Run.get_context(allow_offline=False).experiment.workspace
        return Workspace(*self.names.values(), auth=self.login.authentication)

    @property
    def credential(self) -> Any:
        """Of azure-identity."""
        return self.login.credential

    @property
    def tracking_uri(self) -> str:
        """MLflow's, on the workspace; asking for it lets azureml-mlflow use this login."""
        return (
            os.environ["MLFLOW_TRACKING_URI"] if JOB_TOKEN in os.environ else self.workspace.get_mlflow_tracking_uri()
        )

    @functools.cached_property
    def client(self) -> Any:
        """Version 2 of the SDK, for online endpoints."""
        from azure.ai.ml import MLClient

        return MLClient(self.credential, *self.names.values(), show_progress=False, enable_telemetry=False)


def _say_it_is_old() -> None:
    """Once for a chain: its notebooks inherit the variable."""
    if _SAID not in os.environ and JOB_TOKEN not in os.environ:
        os.environ[_SAID] = "1"
        log.warning(
            "Azure ML's SDK version 1 (azureml-core, azureml-train-automl-client) is out of support since 30 June "
            "2026. It works; each of its uses is one module of lib/backends/azureml/ that can be replaced by itself."
        )
