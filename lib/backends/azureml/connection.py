"""The connection to an Azure Machine Learning workspace."""

from __future__ import annotations

import functools
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.backends.azureml.error_translation import translate_errors
from lib.backends.azureml.login import JOB_TOKEN, log_in
from lib.errors import ParameterError
from lib.paths import ROOT

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential

    from lib.parameters import Parameters

log = logging.getLogger(__name__)

WORKSPACE_PARAMETERS = ("subscription_id", "resource_group", "workspace_name")
_SDK_WARNING_SHOWN = "MILLRACE_SDK_V1_WARNING_SHOWN"


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
        ``subscription_id``, ``resource_group``, ``workspace_name`` and ``tenant_id``.
    """

    def __init__(self, parameters: Parameters):
        _warn_about_sdk_v1()
        self.workspace_names = workspace_names(parameters)
        with translate_errors("log in to Azure"):
            self.login = log_in(parameters.get("tenant_id") or "")
        with translate_errors(f"find the workspace {self.workspace_names['workspace_name']}"):
            self.workspace = self._find_workspace()

    def _find_workspace(self) -> Any:
        """Return azureml-core's object of the workspace; inside a job, it comes from the job's context."""
        from azureml.core import Run, Workspace

        if self.login.authentication is None:
            return Run.get_context(allow_offline=False).experiment.workspace
        return Workspace(**self.workspace_names, auth=self.login.authentication)

    @property
    def credential(self) -> TokenCredential:
        """The login as a credential of the package azure-identity."""
        return self.login.credential

    @property
    def tracking_uri(self) -> str:
        """MLflow tracking URI of the workspace. Reading it makes azureml-mlflow use this login."""
        if JOB_TOKEN in os.environ:
            return os.environ["MLFLOW_TRACKING_URI"]
        return self.workspace.get_mlflow_tracking_uri()

    @functools.cached_property
    def client(self) -> MLClient:
        """The client of SDK version 2, for online endpoints, machine sizes and quotas."""
        from azure.ai.ml import MLClient

        return MLClient(
            self.credential,
            subscription_id=self.workspace_names["subscription_id"],
            resource_group_name=self.workspace_names["resource_group"],
            workspace_name=self.workspace_names["workspace_name"],
            show_progress=False,
            enable_telemetry=False,
        )


def _warn_about_sdk_v1() -> None:
    """Log a warning that SDK version 1 is out of support, once per run: notebooks inherit an environment variable."""
    if _SDK_WARNING_SHOWN not in os.environ and JOB_TOKEN not in os.environ:
        os.environ[_SDK_WARNING_SHOWN] = "1"
        log.warning(
            "Azure ML's SDK version 1 (azureml-core, azureml-train-automl-client) has been out of support since 30 "
            "June 2026. It still works. Each module of lib/backends/azureml/ wraps one service, so that the SDK can be "
            "replaced step by step."
        )
