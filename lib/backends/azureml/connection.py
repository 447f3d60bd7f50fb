"""The connection to an Azure Machine Learning workspace."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.error_translation import translate_errors
from lib.backends.azureml.login import log_in
from lib.backends.azureml.seams import Workspace, load_module
from lib.backends.azureml.v2.client import make_client
from lib.errors import ParameterError
from lib.paths import ROOT

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential

    from lib.parameters import Parameters

WORKSPACE_PARAMETERS = ("subscription_id", "resource_group", "workspace_name")


def workspace_names(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of the subscription, resource group and workspace, by parameter.

    The studio's file ``config.json`` supplies the values of empty parameters.

    Raises
    ------
    ParameterError
        If a value is missing. The message lists all missing values.
    """
    names = {name: parameters.get(name) or "" for name in WORKSPACE_PARAMETERS}
    if not all(names.values()):
        config = _read_config()
        names = {name: value or config.get(name, "") for name, value in names.items()}
    missing = [name for name, value in names.items() if not value]
    if missing:
        raise ParameterError(
            f"{name} is empty, and there is no config.json that contains it. Set it in parameters/azureml.yaml to "
            "Terraform's output of the same name, or download config.json from the workspace's page in the Azure "
            "portal."
            for name in missing
        )
    return names


def _read_config() -> dict[str, str]:
    """Read the studio's ``config.json`` from the current folder, the project, a parent, or ``.azureml/`` in one."""
    for folder in (Path.cwd(), *Path.cwd().parents, ROOT, *ROOT.parents):
        for file in (folder / "config.json", folder / ".azureml" / "config.json"):
            if file.is_file():
                return _parse_config(file)
    return {}


def _parse_config(file: Path) -> dict[str, str]:
    """Return the content of a ``config.json``."""
    try:
        return {name: str(value) for name, value in json.loads(file.read_text("utf-8")).items()}
    except (ValueError, AttributeError) as error:
        raise ParameterError(
            f"{file} is not a workspace's config.json ({error}). Download it again from the workspace's page in the "
            "Azure portal."
        ) from error


class Connection:
    """A login and the workspace that the parameters name.

    Parameters
    ----------
    parameters : Parameters
        ``azure_sdk``, ``subscription_id``, ``resource_group``, ``workspace_name`` and ``tenant_id``.

    Attributes
    ----------
    sdk_version : {"v1", "v2"}
    workspace : seams.Workspace
        The workspace, as the modules of `sdk` take it.
    """

    def __init__(self, parameters: Parameters):
        self.sdk_version: str = parameters.azure_sdk
        self.workspace_names = workspace_names(parameters)
        with translate_errors("log in to Azure"):
            self.login = log_in(parameters.get("tenant_id") or "")
        with translate_errors(f"find the workspace {self.workspace_names['workspace_name']}"):
            self.workspace: Workspace = self.sdk("workspace").open_workspace(self.workspace_names, self.login)

    def sdk(self, module: str) -> ModuleType:
        """Return a module of the SDK that ``azure_sdk`` chooses; see `seams.MODULES`."""
        return load_module(self.sdk_version, module)

    @property
    def credential(self) -> TokenCredential:
        """The login as a credential of the package azure-identity."""
        return self.login.credential

    @property
    def tracking_uri(self) -> str:
        """MLflow tracking URI of the workspace. Reading it makes azureml-mlflow use this login."""
        return self.workspace.tracking_uri

    @functools.cached_property
    def client(self) -> MLClient:
        """The client of SDK version 2, for online endpoints, machine sizes and quotas."""
        return make_client(self.workspace_names, self.login)
