"""Metrics for clients of the run history, stored by MLflow."""

import datetime
import uuid
from typing import Any

from .. import names
from ..messages import Call, Reply, not_found, now, page, reply
from ..routing import Routes
from ..store import Run, milliseconds

routes = Routes(names.API_HOST)
BASE = "/metric/v2.0{WS}/runs/{run_id}"
SCALAR = "azureml.v1.scalar"


@routes.on("POST", BASE + "/batch")
def log(azure, call: Call, run_id: str) -> Reply:
    run = azure.store.run(run_id)
    numbers = []
    for metric in call.json["values"]:
        name, values = metric["name"], metric.get("value") or []
        if (metric.get("properties") or {}).get("uxMetricType") != SCALAR:
            table = run.tables.setdefault(name, metric | {"value": []})
            table["value"] += values
            continue
        for value in values:
            numbers.append({
                "key": name, "value": float(value["data"][name]), "timestamp": milliseconds(),
                "step": value.get("step") or 0,
            })  # fmt: skip
    if numbers:
        azure.tracking.log_metrics(run, numbers)
    return reply({"errors": []})


@routes.on("POST", BASE + "/list")
def listed(azure, call: Call, run_id: str) -> Reply:
    run = azure.store.run(run_id)
    scalars = [{"metricKey": {"name": name}, "columns": {name: "Double"}} for name in azure.tracking.metrics(run)]
    tables = [{"metricKey": {"name": name}, "columns": table["columns"]} for name, table in run.tables.items()]
    return page(scalars + tables)


@routes.on("POST", BASE + "/full")
def full(azure, call: Call, run_id: str) -> Reply:
    run, name = azure.store.run(run_id), call.json["metricName"]
    if name in run.tables:
        return reply(run.tables[name] | {"continuationToken": None})
    return reply(scalar(azure, run, name))


def scalar(azure, run: Run, name: str) -> dict[str, Any]:
    values = []
    for metric in azure.tracking.history(run, name):
        moment = datetime.datetime.fromtimestamp(metric["timestamp"] / 1000, datetime.UTC)
        values.append({
            "metricId": str(uuid.uuid4()), "createdUtc": moment.isoformat(), "step": metric.get("step", 0),
            "data": {name: metric["value"]},
        })  # fmt: skip
    if not values:
        raise not_found(f"No metric {name} of run {run.id} at {now()}.")
    return {
        "dataContainerId": run.container, "name": name, "columns": {name: "Double"}, "value": values,
        "properties": {"uxMetricType": SCALAR}, "continuationToken": None,
    }  # fmt: skip
