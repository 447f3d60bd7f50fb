"""Run history: experiments and runs."""

import re
from typing import Any

from .. import names
from ..messages import Call, ErrorReply, Reply, merge_patch, now, page, reply
from ..routing import Routes
from ..store import Run

routes = Routes(names.API_HOST)
BASE = "/history/v1.0{WS}"
EXPERIMENT = (BASE + "/experiments/{experiment}", BASE + "/experimentids/{experiment}")
RUN = tuple(f"{base}/runs/{{run_id}}" for base in EXPERIMENT)
EVENTS = {
    "start": "Running",
    "completed": "Completed",
    "failed": "Failed",
    "canceled": "Canceled",
    "cancel": "Canceled",
}


def below(templates: tuple[str, ...], rest: str) -> tuple[str, ...]:
    return tuple(template + rest for template in templates)


@routes.on("GET", *EXPERIMENT)
def get_experiment(azure, call: Call, experiment: str) -> Reply:
    return reply(azure.store.experiment(experiment))


@routes.on("POST", EXPERIMENT[0])
def create_experiment(azure, call: Call, experiment: str) -> Reply:
    return reply(azure.tracking.experiment(experiment))


@routes.on("GET", BASE + "/experiments")
def experiments(azure, call: Call) -> Reply:
    return page(list(azure.store.experiments.values()))


@routes.on("GET", BASE + "/runs/{run_id}", *RUN)
def get(azure, call: Call, run_id: str, experiment: str = "") -> Reply:
    run = azure.store.run(run_id)
    answer = reply(run.dto)
    run.status_read.set()
    return answer


@routes.on("PATCH", *RUN)
def update(azure, call: Call, experiment: str, run_id: str) -> Reply:
    with azure.store.lock:
        run = find_or_create(azure, experiment, run_id, call.json.get("name"))
        change(azure, run, call.json)
        return reply(run.dto)


def find_or_create(azure, experiment: str, run_id: str, name: str | None = None) -> Run:
    if run_id not in azure.store.runs:
        azure.tracking.create_run(run_id, azure.store.experiment(experiment)["name"], displayName=name or run_id)
    return azure.store.runs[run_id]


def change(azure, run: Run, changes: dict[str, Any]) -> None:
    kept = {key: value for key, value in changes.items() if key not in ("runId", "createdUtc", "status", "tags")}
    merge_patch(run.dto, kept)
    if changes.get("tags"):
        azure.tracking.set_tags(run, changes["tags"])
    if changes.get("status") and not run.executed:
        azure.tracking.set_status(run, changes["status"])


@routes.on("PATCH", *below(EXPERIMENT, "/batch/runs"))
def update_many(azure, call: Call, experiment: str) -> Reply:
    changed = {}
    with azure.store.lock:
        for requested in call.json["runs"]:
            run = find_or_create(azure, experiment, requested["runId"])
            change(azure, run, requested)
            changed[run.id] = run.dto
    return reply({"runs": changed, "errors": {}})


@routes.on("GET", BASE + "/runs/{run_id}/details", *below(RUN, "/details"))
def details(azure, call: Call, run_id: str, experiment: str = "") -> Reply:
    run = azure.store.run(run_id)
    logs = [path for path in azure.artifacts(run) if re.match("user_logs/|system_logs/|logs/|azureml-logs/", path)]
    same = ("runId", "target", "status", "startTimeUtc", "endTimeUtc", "error", "tags", "properties", "runDefinition")
    return reply({key: run.dto[key] for key in same} | {
        "warnings": None, "inputDatasets": [], "outputDatasets": [], "jobSpecification": None, "services": {},
        "submittedBy": "loopback", "parameters": {}, "logFiles": {path: azure.artifact_uri(run, path) for path in logs},
    })  # fmt: skip


@routes.on("GET", *below(RUN, "/children"))
def children(azure, call: Call, experiment: str, run_id: str) -> Reply:
    return page([run.dto for run in azure.store.runs.values() if run.dto["parentRunId"] == run_id])


@routes.on("POST", *below(EXPERIMENT, "/runs:query"))
def query(azure, call: Call, experiment: str) -> Reply:
    wanted = azure.store.experiment(experiment)["experimentId"]
    chosen = [run for run in azure.store.runs.values() if run.dto["experimentId"] == wanted]
    chosen = [run for run in chosen if matches_filter(run, call.json.get("filter") or "")]
    chosen.sort(key=lambda run: -run.dto["runNumber"])
    return page([run.dto for run in chosen[: call.json.get("top") or None]])


def matches_filter(run: Run, text: str) -> bool:
    """Return whether a run matches an OData filter. Only the forms that the SDK writes are supported."""
    for clause in filter(None, (part.strip(" ()") for part in re.split(r"\sand\s", text, flags=re.IGNORECASE))):
        match = re.fullmatch(r"(?:(\w+)/)?([\w.-]+) (eq|ne) (null|'?.*?'?)", clause, re.IGNORECASE)
        if not match:
            raise ErrorReply(400, "UserError", f"the loopback Azure knows no filter like {clause!r}")
        group, name, operator, value = match.groups()
        stored: Any = run.dto
        if group:
            stored = stored[group.lower()]
        stored = stored.get(name[0].lower() + name[1:] if not group else name)
        wanted = None if value == "null" else value.strip("'")
        if (stored == wanted) is not (operator.lower() == "eq"):
            return False
    return True


@routes.on("POST", *below(RUN, "/events"))
def event(azure, call: Call, experiment: str, run_id: str) -> Reply:
    """Handle a status event. The status of a job is determined by its process instead."""
    run = find_or_create(azure, experiment, run_id)
    status = EVENTS.get(call.json.get("name", "").rpartition(".")[2].lower())
    error = ((call.json.get("data") or {}).get("ErrorResponse") or {}).get("error")
    if status == "Canceled":
        azure.cancel(run)
    elif status and not run.executed:
        azure.tracking.set_status(run, status, error)
    return Reply(200)


@routes.on("GET", *below(RUN, "/token"))
def token(azure, call: Call, experiment: str, run_id: str) -> Reply:
    issued = azure.tokens.issue("https://ml.azure.com")
    return reply({"token": issued, "expiryTimeUtc": now(azure.tokens.lifetime_seconds)})


@routes.on("GET", *below(RUN, "/metricsingest/wait"))
def metrics_are_in(azure, call: Call, experiment: str, run_id: str) -> Reply:
    return reply({})
