"""The state of the workspace, except for model versions, MLflow's runs and blobs."""

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import names
from .messages import not_found, now
from .processes import Process


@dataclass
class Run:
    """A run of the run history and of MLflow.

    Attributes
    ----------
    dto : dict
        The run in the format of the run history.
    experiment : str
    mlflow_id : str
        Id on the MLflow server, which generates its own ids.
    tables : dict
        Logged tables by name.
    executed : bool
        Whether the run is a job: its process, not the client, determines its status.
    status_read : threading.Event
        Set when a client has read the current status.
    """

    dto: dict[str, Any]
    experiment: str
    mlflow_id: str = ""
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    executed: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)
    status_read: threading.Event = field(default_factory=threading.Event)
    process: Process | None = None

    @property
    def id(self) -> str:
        return self.dto["runId"]

    @property
    def container(self) -> str:
        """Container of its artifacts, which are at ``ExperimentRun/<container>/<path>``."""
        return self.dto["dataContainerId"]

    @property
    def ended(self) -> bool:
        return self.dto["status"] in ("Completed", "Failed", "Canceled")


@dataclass
class Operation:
    """A long-running operation.

    Attributes
    ----------
    status : callable
        Returns ``"InProgress"``, ``"Succeeded"`` or ``"Failed"``, and the error of a failure.
    """

    status: Callable[[], tuple[str, dict[str, Any] | None]]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: str = field(default_factory=now)


@dataclass
class Deployment:
    """A deployment of an online endpoint and the server behind it."""

    body: dict[str, Any]
    state: str = "Creating"
    error: dict[str, Any] | None = None
    process: Process | None = None
    port: int = 0
    log: str = ""


@dataclass
class Endpoint:
    """An online endpoint."""

    body: dict[str, Any]
    keys: dict[str, str]
    state: str = "Creating"
    error: dict[str, Any] | None = None
    deployments: dict[str, Deployment] = field(default_factory=dict)


class Store:
    """The resources of the workspace by name."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.datastores: dict[str, dict[str, Any]] = {}
        self.datasets: dict[str, dict[str, Any]] = {}  # each with its versions
        self.saved_datasets: dict[str, dict[str, Any]] = {}
        self.experiments: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, Run] = {}
        self.artifacts: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}  # by origin and container, then path
        self.snapshots: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}  # as SDK version 2 requested them
        self.data: dict[str, dict[str, dict[str, Any]]] = {}  # data assets and their versions
        self.serverless: dict[str, Cluster] = {}  # the machines of each job without a cluster
        self.environments: dict[str, dict[str, dict[str, Any]]] = {}
        self.computes: dict[str, Cluster] = {}
        self.assets: dict[str, dict[str, Any]] = {}
        self.codes: dict[str, dict[str, dict[str, Any]]] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.operations: dict[str, Operation] = {}
        # Limits of the subscription
        self.core_limits: dict[str, int] = {}
        self.denied_actions: list[str] = []
        self.shared_key_access = True

    def experiment(self, name_or_id: str) -> dict[str, Any]:
        """Return an experiment by name or id."""
        result = self.experiments.get(name_or_id)
        for experiment in self.experiments.values():
            if experiment["experimentId"] == name_or_id:
                result = experiment
        if result is None:
            raise not_found(f"Experiment {name_or_id} not found in the workspace.")
        return result

    def cluster(self, target: str) -> "Cluster":
        """Return the cluster, or the serverless machines, that a job runs on."""
        return self.serverless.get(target) or self.computes[target]

    def run(self, run_id: str) -> Run:
        if run_id not in self.runs:
            raise not_found(f"Run {run_id} was not found.")
        return self.runs[run_id]

    def operation(self, status: Callable[[], tuple[str, dict[str, Any] | None]]) -> Operation:
        operation = Operation(status)
        self.operations[operation.id] = operation
        return operation


class Cluster:
    """An AmlCompute cluster with a limited number of nodes."""

    def __init__(self, body: dict[str, Any]):
        self.body = body
        self.state = "Creating"
        self.error: dict[str, Any] | None = None
        self.allocation_errors: list[dict[str, Any]] = []
        self.busy: list[str] = []
        self.max_busy = 0  # maximum number of busy nodes so far
        self.changed = threading.Condition()

    @property
    def scale(self) -> dict[str, Any]:
        settings = (self.body["properties"].get("properties") or {}).get("scaleSettings") or {}
        return {"minNodeCount": 0, "maxNodeCount": 1, "nodeIdleTimeBeforeScaleDown": "PT120S"} | settings

    def take_node(self, run: Run) -> bool:
        """Wait for a free node; return False if the run is cancelled first."""
        with self.changed:
            while len(self.busy) >= self.scale["maxNodeCount"]:
                self.changed.wait(0.2)
                if run.cancelled.is_set():
                    return False
            self.busy.append(run.id)
            self.max_busy = max(self.max_busy, len(self.busy))
            return True

    def release_node(self, run: Run) -> None:
        with self.changed:
            self.busy.remove(run.id)
            self.changed.notify_all()


def new_run(run_id: str, experiment: dict[str, Any], number: int, **details: Any) -> dict[str, Any]:
    """Return a new run in the format of the run history, with every key that clients read."""
    return {
        "runNumber": number, "rootRunId": run_id, "runId": run_id, "runUuid": str(uuid.uuid4()), "parentRunId": None,
        "experimentId": experiment["experimentId"], "dataContainerId": f"dcid.{run_id}", "name": None,
        "displayName": run_id, "description": None, "hidden": False, "status": "NotStarted",
        "createdUtc": now(), "startTimeUtc": None, "endTimeUtc": None, "heartbeatEnabled": False,
        "createdBy": {"userObjectId": names.CLIENT, "userTenantId": names.TENANT, "userName": "loopback"},
        "options": {"generateDataContainerIdIfNotSpecified": True}, "runType": "azureml.scriptrun",
        "runTypeV2": {"orchestrator": None, "traits": [], "attribution": None, "computeType": None},
        "properties": {}, "tags": {}, "scriptName": None, "target": None, "runDefinition": None, "createdFrom": None,
        "cancelUri": "", "completeUri": None, "diagnosticsUri": "", "inputs": {}, "outputs": {}, "inputDatasets": [],
        "outputDatasets": [], "error": None, "warnings": None, "primaryMetricName": None,
    } | details  # fmt: skip


def milliseconds() -> int:
    return int(time.time() * 1000)
