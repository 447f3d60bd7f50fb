"""Azure Machine Learning: its workspace, datastore, clusters, AutoML, model registry and online endpoints.

The packages `v1` and `v2` wrap Azure ML's SDKs, with modules of the same names; see `seams`. `error_translation` turns
exceptions of the SDKs into messages for data scientists.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lib import metrics
from lib.automl import allowed_families, search_faults
from lib.backends.base import Check, Estimate, NotebookExecutor
from lib.errors import DataError, ParameterError
from lib.parameters.thresholds import parse_threshold
from lib.paths import resolve_existing

if TYPE_CHECKING:
    from lib.backends.azureml.backend import AzureBackend
    from lib.parameters import Parameters

_REQUIRED_PACKAGES = ("azureml", "azure")
_MAX_MIRROR_PERCENT = 50


def faults(parameters: Parameters) -> list[str]:
    """Return one sentence for each problem that can be detected without a connection to Azure."""
    from lib.backends.azureml import cost

    return [
        *_package_faults(),
        *_workspace_faults(parameters),
        *_data_faults(parameters),
        *_cluster_faults(parameters),
        *_automl_faults(parameters),
        *_endpoint_faults(parameters),
        *cost.faults(parameters),
    ]


def _package_faults() -> list[str]:
    """Return one sentence if packages of this backend are not installed; otherwise an empty list."""
    missing = [name for name in _REQUIRED_PACKAGES if importlib.util.find_spec(name) is None]
    if not missing:
        return []
    return [f'backend: the packages of azureml are not installed ({", ".join(missing)}): make install GROUPS="azure"']


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
    if parameters.cluster_stages and not _has_cluster(parameters):
        return [
            "cluster_stages: both gpu_cluster and cpu_cluster are empty. Set one of them, or set cluster_stages to []."
        ]
    return []


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
    if allowed_families(parameters) == ("catboost",):
        sentences.append("allowed_models: AutoML on Azure does not support catboost. Allow another model family.")
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
