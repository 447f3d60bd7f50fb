"""The services, one file each."""

from ..routing import Router, Routes
from . import (
    aad,
    arm,
    artifact,
    compute,
    content,
    data_assets,
    dataset,
    datastore,
    discovery,
    environment,
    execution,
    history,
    jasmine,
    jobs,
    managed_identity,
    metric,
    mlflow,
    model_management,
    online_endpoints,
    operations,
    scoring,
    storage,
    subscription,
    telemetry,
    versions,
)

SERVICES = (
    aad, arm, artifact, compute, content, data_assets, dataset, datastore, discovery, environment, execution, history,
    jasmine, jobs, managed_identity, metric, mlflow, model_management, online_endpoints, operations, scoring, storage,
    subscription, telemetry, versions,
)  # fmt: skip


def router() -> Router:
    return Router(value for service in SERVICES for value in vars(service).values() if isinstance(value, Routes))
