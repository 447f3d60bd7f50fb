"""The workspace in SDK version 1."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.error_translation import is_not_found
from lib.backends.azureml.login import JOB_TOKEN, Login

if TYPE_CHECKING:
    from azureml.core.authentication import AbstractAuthentication

log = logging.getLogger(__name__)

_WARNING_SHOWN = "MILLRACE_SDK_V1_WARNING_SHOWN"


class Workspace:
    """A workspace; see `seams.Workspace`. `native` is azureml-core's object of it."""

    def __init__(self, native: Any):
        self.native = native

    @property
    def name(self) -> str:
        """Name of the workspace."""
        return self.native.name

    @property
    def location(self) -> str:
        """Region of the workspace."""
        return self.native.location

    @property
    def resource_group(self) -> str:
        """Resource group of the workspace."""
        return self.native.resource_group

    @functools.cached_property
    def _details(self) -> dict[str, Any]:
        return self.native.get_details()

    @property
    def storage_account_id(self) -> str:
        """Resource id of the workspace's storage account."""
        return self._details["storageAccount"]

    @property
    def key_vault_id(self) -> str:
        """Resource id of the workspace's key vault."""
        return self._details["keyVault"]

    @property
    def is_public(self) -> bool:
        """Whether the workspace is reachable from the internet."""
        return self._details.get("publicNetworkAccess") != "Disabled"

    @property
    def tracking_uri(self) -> str:
        """MLflow tracking URI. Reading it makes azureml-mlflow use this login."""
        if JOB_TOKEN in os.environ:
            return os.environ["MLFLOW_TRACKING_URI"]
        return self.native.get_mlflow_tracking_uri()

    def read_secret(self, name: str) -> str | None:
        """Return a secret of the workspace's key vault; None if no secret has this name."""
        try:
            return self.native.get_default_keyvault().get_secret(name)
        except Exception as error:
            if is_not_found(error):
                return None
            raise


def open_workspace(names: Mapping[str, str], login: Login) -> Workspace:
    """Return the workspace; inside a job, it comes from the job's context."""
    from azureml.core import Run
    from azureml.core import Workspace as NativeWorkspace

    _warn_about_sdk()
    if login.kind == "job":
        return Workspace(Run.get_context(allow_offline=False).experiment.workspace)
    return Workspace(NativeWorkspace(**names, auth=_authentication(login)))


def _authentication(login: Login) -> AbstractAuthentication:
    """Return an authentication that takes its tokens from the login's credential."""
    from azureml.core.authentication import ServicePrincipalAuthentication, TokenAuthentication

    if login.kind == "service principal":
        # The native dataset reader recognizes this class and reads the storage as the same principal, without a key.
        variables = (f"AZURE_{name}" for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"))
        return ServicePrincipalAuthentication(*(os.environ[name] for name in variables))

    def get_token(audience: str) -> str:
        return login.credential.get_token(f"{audience.rstrip('/')}/.default").token

    return TokenAuthentication(get_token)


def _warn_about_sdk() -> None:
    """Log a warning that SDK version 1 is out of support, once per run: notebooks inherit an environment variable."""
    if _WARNING_SHOWN not in os.environ and JOB_TOKEN not in os.environ:
        os.environ[_WARNING_SHOWN] = "1"
        log.warning(
            "Azure ML's SDK version 1 (azureml-core, azureml-train-automl-client) has been out of support since 30 "
            "June 2026. Set azure_sdk: v2 to use SDK version 2."
        )
