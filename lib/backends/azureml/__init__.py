"""Azure Machine Learning: its workspace, datastore, clusters, AutoML, registry and online endpoints.

One module for each thing that is asked of Azure, so that each can be replaced alone: `connection`, `data`, `compute`,
`environment`, `running`, `automl`, `endpoint`, `registry`, `cost`. `explanations` says what its errors mean.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lib import metrics
from lib.automl import allowed_families, search_faults
from lib.backends.base import Check, Estimate, NotebookExecutor
from lib.errors import DataError, ParameterError
from lib.paths import resolve_existing

if TYPE_CHECKING:
    from lib.backends.azureml.backend import AzureBackend
    from lib.parameters import Parameters

_PACKAGES = ("azureml", "azure")
_MOST_MIRRORED = 50


def faults(parameters: Parameters) -> list[str]:
    """What can be seen to be wrong before anything is started: a sentence each."""
    from lib.backends.azureml import cost
    from lib.backends.azureml.connection import wanted

    found = []
    if missing := [name for name in _PACKAGES if importlib.util.find_spec(name) is None]:
        found.append(f'backend: its packages are not installed ({", ".join(missing)}): make install GROUPS="azure"')
    try:
        wanted(parameters)
    except ParameterError as error:
        found += error.faults
    if not parameters.data.startswith("azureml:"):
        try:
            resolve_existing(parameters.data)
        except DataError as error:
            found.append(f"data: {error}")
    if parameters.cluster_stages and not (parameters.gpu_cluster or parameters.cpu_cluster):
        found.append("cluster_stages: neither gpu_cluster nor cpu_cluster is named. Name one, or leave it empty.")
    if parameters.automl:
        try:
            automl_metric(parameters)
        except ParameterError as error:
            found += error.faults
        if not (parameters.gpu_cluster or parameters.cpu_cluster):
            found.append("automl: neither gpu_cluster nor cpu_cluster is named, and it searches on one. Name one.")
        found += search_faults(parameters)
        if allowed_families(parameters) == ("catboost",):
            found.append("allowed_models: AutoML on Azure has no catboost. Allow another family.")
        if parameters.max_latency_ms:
            found.append("max_latency_ms: AutoML on Azure knows no such limit. Leave it at 0.")
    if parameters.endpoint_port:
        found.append("endpoint_port: Azure chooses the address of its endpoints. Leave it at 0.")
    if parameters.endpoint_mirror > _MOST_MIRRORED:
        found.append(
            f"endpoint_mirror: Azure mirrors at most {_MOST_MIRRORED} percent, not {parameters.endpoint_mirror}."
        )
    return found + cost.faults(parameters)


def automl_metric(parameters: Parameters) -> str:
    """AutoML's name of the primary metric; ParameterError where it does not optimise it."""
    metric = parameters.metric
    if metric.automl_name is None:
        known = [one.name for one in metrics.for_task(parameters.task) if one.automl_name]
        raise ParameterError(
            f"primary_metric: AutoML on Azure does not optimise {metric.name}. It knows: {', '.join(known)}."
        )
    return metric.automl_name


def diagnose(parameters: Parameters) -> list[Check]:
    """Login, roles, quota, storage, clusters, endpoint, packages and clock, looked at and not made."""
    from lib.backends.azureml import doctor

    return [Check("parameters", fault, ok=False) for fault in faults(parameters)] + doctor.diagnose(parameters)


def executors(parameters: Parameters, stages: Sequence[str]) -> dict[str, NotebookExecutor]:
    """Clusters that execute the notebooks of the stages in ``cluster_stages``."""
    there = [stage for stage in dict.fromkeys(stages) if stage in parameters.cluster_stages]
    backend = connect(parameters) if there else None
    return {stage: backend.executor(stage) for stage in there}


def estimate(parameters: Parameters, stages: Sequence[str]) -> Estimate | None:
    """Cost of the notebooks that a cluster executes, and of a day of the endpoint."""
    from lib.backends.azureml.cost import MAX_JOB_MINUTES

    longest = max(parameters.timeout_minutes.values(), default=MAX_JOB_MINUTES)
    return connect(parameters).estimate(stages, longest)


def connect(parameters: Parameters) -> AzureBackend:
    """Backend on the workspace that the parameters name."""
    from lib.backends.azureml.backend import AzureBackend

    return AzureBackend(parameters)
