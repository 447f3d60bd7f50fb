"""Jobs of SDK version 2: commands and AutoML searches as resources of ARM."""

import re
import threading
from typing import Any
from urllib.parse import unquote

from .. import automl, mltable, names
from ..jobs import execute
from ..messages import Call, ErrorReply, Reply, now, reply
from ..routing import Routes
from ..store import Cluster, Run
from .compute import cluster_of
from .environment import environment_of
from .operations import accepted

routes = Routes(names.ARM_HOST)
JOB = "{WS}/jobs/{name}"
STUDIO = f"https://ml.azure.com/runs/{{name}}?wsid={names.WORKSPACE_PATH}"
# Names of AutoML's metrics and algorithms in the run history; SDK version 2 writes the metrics in camel case.
TASKS = {"Classification": "classification", "Regression": "regression"}


@routes.on("PUT", JOB)
def submit(azure, call: Call, name: str) -> Reply:
    requested = call.json["properties"]
    if name in azure.store.runs:
        raise ErrorReply(409, "UserError", f"A job with the name {name} exists already.")
    kinds = {"Command": start_command, "AutoML": start_search}
    if requested["jobType"] not in kinds:
        raise ErrorReply(400, "UserError", f"the loopback Azure runs no jobs of the type {requested['jobType']}")
    run = kinds[requested["jobType"]](azure, name, requested)
    azure.store.jobs[name] = requested
    return reply(resource(azure, run), 201)


def start_command(azure, name: str, requested: dict[str, Any]) -> Run:
    """Start the process of a command job."""
    target = compute_of(azure, name, requested)
    definition = {
        "target": target, "command": requested["command"], "environment": registered_environment(azure, requested),
        "environmentVariables": requested.get("environmentVariables") or {},
        "maxRunDurationSeconds": seconds_of((requested.get("limits") or {}).get("timeout")),
    }  # fmt: skip
    for declared in (requested.get("inputs") or {}).values():
        check_input(azure, declared)
    run = create_run(azure, name, requested, target, runType="azureml.commandjob", runDefinition=definition)
    content = {"Configuration": definition, "CodeId": requested.get("codeId")}
    threading.Thread(target=execute, args=(azure, run, content), name=name, daemon=True).start()
    return run


def start_search(azure, name: str, requested: dict[str, Any]) -> Run:
    """Start the process of an AutoML search."""
    target, task = compute_of(azure, name, requested), requested["taskDetails"]
    settings = {
        "task_type": TASKS[task["taskType"]], "label_column_name": task["targetColumnName"],
        "primary_metric": snake_case(task["primaryMetric"]),
        "iterations": int((task.get("limitSettings") or {}).get("maxTrials") or 4),
        "allowed": (task.get("trainingSettings") or {}).get("allowedTrainingAlgorithms"),
        "blocked": (task.get("trainingSettings") or {}).get("blockedTrainingAlgorithms") or [],
        "save_mlflow": True, "validation_data": None, "training_data": None,
    }  # fmt: skip
    data = task["trainingData"]
    if data["jobInputType"] != "mltable":
        raise ErrorReply(400, "UserError", f"training_data is of the type {data['jobInputType']}, not mltable.")
    identity = (requested.get("identity") or {}).get("identityType")
    run = create_run(
        azure, name, requested, target, runType="automl",
        properties={"primary_metric": settings["primary_metric"], "runTemplate": "AutoML", "ClientType": "Mfe",
                    "num_iterations": str(settings["iterations"])},
    )  # fmt: skip
    table = mltable.Source(data["uri"], identity)
    arguments = (azure, run, {"environment": {}}, settings, table)
    threading.Thread(target=automl.execute, args=arguments, name=name, daemon=True).start()
    return run


def create_run(azure, name: str, requested: dict[str, Any], target: str, **details: Any) -> Run:
    properties = {"azureml.computetarget": "amlcompute"} | details.pop("properties", {})
    run = azure.tracking.create_run(
        name, requested.get("experimentName") or "Default", status="Preparing", target=target,
        displayName=requested.get("displayName") or name, properties=properties, tags=requested.get("tags") or {},
        **details,
    )  # fmt: skip
    run.executed = True
    return run


def compute_of(azure, name: str, requested: dict[str, Any]) -> str:
    """Return the cluster of a job. A job on serverless compute gets one of its own, with the job's identity."""
    if requested.get("computeId"):
        cluster = requested["computeId"].rpartition("/")[2]
        cluster_of(azure, cluster)
        return cluster
    resources, identity = requested.get("resources") or {}, requested.get("identity") or {}
    if not resources.get("instanceType"):
        raise ErrorReply(400, "UserError", "A job on serverless compute needs resources.instance_type.")
    body: dict[str, Any] = {
        "properties": {"computeType": "AmlCompute", "properties": {"vmSize": resources["instanceType"]}}
    }
    if identity.get("resourceId"):
        body["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {identity["resourceId"]: {}}}
    azure.store.serverless[name] = Cluster(body)
    return name


def registered_environment(azure, requested: dict[str, Any]) -> dict[str, Any]:
    match = re.search(r"/environments/([^/]+)/versions/([^/]+)$", requested.get("environmentId") or "")
    if not match:
        raise ErrorReply(400, "UserError", f"no environment is called {requested.get('environmentId')!r}.")
    return environment_of(azure, match[1], match[2])


def check_input(azure, declared: dict[str, Any]) -> None:
    """Reject an input that refers to a data asset which is not registered."""
    match = re.search(r"/data/([^/]+)/versions/([^/]+)$", declared.get("uri") or "")
    if match and match[2] not in azure.store.data.get(match[1], {}):
        raise ErrorReply(404, "UserError", f"Data asset {match[1]}:{match[2]} not found.")


def seconds_of(duration: str | None) -> int | None:
    """Return the seconds of a duration such as ``PT1H30M``."""
    match = re.fullmatch(r"(?:P(?:(\d+)D)?)?T?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", (duration or "").replace("PT", "T"))
    if not duration or not match:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def snake_case(name: str) -> str:
    """Return a metric's name in the run history, such as ``AUC_weighted`` for ``AUCWeighted``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.replace("AUCW", "AUC_w")).lower().replace("auc_", "AUC_")


def resource(azure, run: Run) -> dict[str, Any]:
    requested = azure.store.jobs.get(run.id) or {}
    services = {"Studio": {"endpoint": STUDIO.format(name=run.id), "jobServiceType": "Studio", "status": None}}
    return {
        "id": f"{names.WORKSPACE_PATH}/jobs/{run.id}", "name": run.id,
        "type": "Microsoft.MachineLearningServices/workspaces/jobs",
        "properties": requested | {"status": run.dto["status"], "services": services, "tags": run.dto["tags"],
                                   "properties": run.dto["properties"]},
        "systemData": {"createdAt": now(), "createdBy": "loopback", "createdByType": "Application"},
    }  # fmt: skip


@routes.on("GET", JOB)
def get(azure, call: Call, name: str) -> Reply:
    run = azure.store.run(unquote(name))
    if run.id not in azure.store.jobs:
        raise ErrorReply(404, "UserError", f"The run {name} is no job.")
    answer = reply(resource(azure, run))
    run.status_read.set()
    return answer


@routes.on("POST", JOB + "/cancel")
def cancel(azure, call: Call, name: str) -> Reply:
    azure.cancel(azure.store.run(name))
    operation = azure.store.operation(lambda: ("Succeeded", None))
    return accepted(operation, "mfeOperationsStatus", "2023-04-01-preview")
