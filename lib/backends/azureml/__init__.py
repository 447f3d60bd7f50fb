"""Azure Machine Learning: its workspace, datastore, clusters, AutoML, model registry and online endpoints.

The packages `v1` and `v2` wrap Azure ML's SDKs, with modules of the same names; see `seams`. `error_translation` turns
exceptions of the SDKs into messages for data scientists.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lib import metrics
from lib.automl import allowed_families, search_faults
from lib.backends.azureml.seams import SERVERLESS
from lib.backends.base import Check, Estimate, NotebookExecutor
from lib.errors import DataError, ParameterError
from lib.parameters.thresholds import parse_threshold
from lib.paths import resolve_existing

if TYPE_CHECKING:
    from lib.backends.azureml.backend import AzureBackend
    from lib.parameters import Parameters

# A module of each group of packages, by the value of azure_sdk, and the groups that `make install` installs.
_REQUIRED_PACKAGES = {"v1": ("azure.ai.ml", "azureml.core"), "v2": ("azure.ai.ml", "azureml.mlflow")}
PACKAGE_GROUPS = {"v1": "azure azure-v1", "v2": "azure"}
# The model families that AutoML does not have, by the value of azure_sdk.
_UNSUPPORTED_FAMILIES = {"v1": {"catboost"}, "v2": {"catboost", "neural_network"}}
# https://learn.microsoft.com/azure/machine-learning/how-to-identity-based-data-access?view=azureml-api-1
KEYLESS_AUTOML_FAULT = (
    "automl: Microsoft does not support AutoML of SDK version 1 on a data store without a key, such as those that "
    "Millrace and infra/ register. Set azure_sdk: v2, which reads the data store as a managed identity; or, if you "
    "registered the data store with an account key, set datastore_has_key: true."
)
_MAX_MIRROR_PERCENT = 50


def faults(parameters: Parameters) -> list[str]:
    """Return one sentence for each problem that can be detected without a connection to Azure."""
    from lib.backends.azureml import cost

    return [
        *_package_faults(parameters.azure_sdk),
        *_workspace_faults(parameters),
        *_data_faults(parameters),
        *_cluster_faults(parameters),
        *_automl_faults(parameters),
        *_endpoint_faults(parameters),
        *cost.faults(parameters),
    ]


def _package_faults(sdk: str) -> list[str]:
    """Return one sentence if packages that an SDK needs are not installed; otherwise an empty list."""
    missing = [name for name in _REQUIRED_PACKAGES[sdk] if not _is_installed(name)]
    if not missing:
        return []
    if sdk == "v1" and sys.version_info >= (3, 12):
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return [
            f"azure_sdk: the packages of v1 need Python 3.11, and this is Python {version}. Set azure_sdk: v2, or "
            "install Millrace with Python 3.11: make clean, then make install PYTHON=python3.11 "
            f'GROUPS="{PACKAGE_GROUPS[sdk]}"'
        ]
    return [
        f"backend: packages of azureml are not installed ({', '.join(missing)}): "
        f'make install GROUPS="{PACKAGE_GROUPS[sdk]}"'
    ]


def _is_installed(module: str) -> bool:
    """Return whether a module can be imported, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a package above the module is missing
        return False


def _workspace_faults(parameters: Parameters) -> list[str]:
    """Return one sentence for each missing name of the subscription, resource group and workspace."""
    from lib.backends.azureml.connection import workspace_names

    try:
        workspace_names(parameters)
    except ParameterError as error:
        return error.faults
    return []


def _data_faults(parameters: Parameters) -> list[str]:
    """Return one sentence if the parameter ``data`` is a local path that does not exist."""
    if parameters.data.startswith("azureml:"):
        return []
    try:
        resolve_existing(parameters.data)
    except DataError as error:
        return [f"data: {error}"]
    return []


def _cluster_faults(parameters: Parameters) -> list[str]:
    """Return one sentence if there are stages for a cluster but no cluster."""
    sentences = []
    if parameters.cluster_stages and not _has_cluster(parameters):
        sentences.append(
            "cluster_stages: both gpu_cluster and cpu_cluster are empty. Set one of them, or set cluster_stages to []."
        )
    sentences += [
        f"{name}: serverless compute needs azure_sdk: v2. Set it, or name a cluster."
        for name in ("gpu_cluster", "cpu_cluster")
        if parameters[name] == SERVERLESS and parameters.azure_sdk == "v1"
    ]
    return sentences


def _automl_faults(parameters: Parameters) -> list[str]:
    """Return one sentence for each parameter that AutoML on Azure does not support."""
    if not parameters.automl:
        return []
    sentences: list[str] = []
    try:
        automl_metric(parameters)
    except ParameterError as error:
        sentences += error.faults
    if not _has_cluster(parameters):
        sentences.append("automl: the search needs a cluster, but gpu_cluster and cpu_cluster are empty. Set one.")
    sentences += search_faults(parameters)
    unsupported = _UNSUPPORTED_FAMILIES[parameters.azure_sdk]
    allowed = allowed_families(parameters)
    if set(allowed) <= unsupported:
        sentences.append(
            f"allowed_models: AutoML on Azure (azure_sdk: {parameters.azure_sdk}) does not support "
            f"{', '.join(allowed)}. Allow another model family."
        )
    if parameters.azure_sdk == "v1" and not parameters.datastore_has_key:
        sentences.append(KEYLESS_AUTOML_FAULT)
    if not parse_threshold(parameters.threshold).is_default:
        sentences.append("threshold: models of AutoML on Azure predict the most probable class. Leave it at 0.5.")
    if parameters.max_latency_ms:
        sentences.append("max_latency_ms: AutoML on Azure does not support a latency limit. Set it to 0.")
    return sentences


def _endpoint_faults(parameters: Parameters) -> list[str]:
    """Return one sentence for each endpoint parameter that Azure does not support."""
    sentences = []
    if parameters.endpoint_port:
        sentences.append("endpoint_port: Azure chooses the address of its endpoints. Set it to 0.")
    if parameters.endpoint_mirror_percent > _MAX_MIRROR_PERCENT:
        sentences.append(
            f"endpoint_mirror_percent: Azure mirrors at most {_MAX_MIRROR_PERCENT} percent of the requests, not "
            f"{parameters.endpoint_mirror_percent}."
        )
    return sentences


def _has_cluster(parameters: Parameters) -> bool:
    """Return whether the parameters name a cluster."""
    return bool(parameters.gpu_cluster or parameters.cpu_cluster)


def automl_metric(parameters: Parameters) -> str:
    """Return AutoML's name for the primary metric.

    Raises
    ------
    ParameterError
        If AutoML cannot optimize the primary metric.
    """
    metric = parameters.metric
    if metric.automl_name is None:
        supported = [other.name for other in metrics.for_task(parameters.task) if other.automl_name]
        raise ParameterError(
            f"primary_metric: AutoML on Azure cannot optimize {metric.name}. Choose one of: {', '.join(supported)}."
        )
    return metric.automl_name


def diagnose(parameters: Parameters) -> list[Check]:
    """Check the login, roles, quota, storage, clusters, endpoint, packages and clock without changing anything."""
    from lib.backends.azureml import doctor

    return [Check("parameters", fault, ok=False) for fault in faults(parameters)] + doctor.diagnose(parameters)


def remote_executors(parameters: Parameters, stages: Sequence[str]) -> dict[str, NotebookExecutor]:
    """Return the cluster executors of the stages in ``cluster_stages``."""
    cluster_stages = [stage for stage in dict.fromkeys(stages) if stage in parameters.cluster_stages]
    if not cluster_stages:
        return {}
    backend = connect(parameters)
    return {stage: backend.executor(stage) for stage in cluster_stages}


def estimate(parameters: Parameters, stages: Sequence[str]) -> Estimate | None:
    """Estimate the cost of the notebooks on clusters, and of the endpoint per day."""
    from lib.backends.azureml.cost import MAX_JOB_MINUTES

    timeout_minutes = max(parameters.timeout_minutes.values(), default=MAX_JOB_MINUTES)
    return connect(parameters).estimate(stages, timeout_minutes)


def connect(parameters: Parameters) -> AzureBackend:
    """Return the backend on the workspace that the parameters name."""
    from lib.backends.azureml.backend import AzureBackend

    return AzureBackend(parameters)


def redact_tracking(parameters: Parameters, run_name: str) -> list[tuple[str, str]]:
    """Redact secrets in the workspace's MLflow runs of a run; see `backends.redact_tracking`."""
    from lib.backends.azureml import secret_search

    return secret_search.redact(connect(parameters).tracking.client, parameters.name, run_name)
