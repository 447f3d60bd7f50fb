"""MLflow's REST API: the MLflow server without the operations that Azure does not support."""

import json
from urllib.parse import urlencode

from .. import names
from ..messages import Call, Reply
from ..routing import Routes

routes = Routes(names.API_HOST)

# Azure answers these with an empty 404: Azure/azure-sdk-for-python#44896.
UNSUPPORTED = ("logged-models", "registered-models/alias", "runs/outputs", "traces", "prompts", "webhooks", "scorers")


@routes.on(
    "GET POST PATCH DELETE",
    "/mlflow/v2.0{WS}/api/2.0/mlflow/{operation:path}", "/mlflow/v1.0{WS}/api/2.0/mlflow/{operation:path}",
)  # fmt: skip
def forward(azure, call: Call, operation: str) -> Reply:
    if operation.startswith(UNSUPPORTED):
        return Reply(404)
    tracking = azure.tracking
    query = tracking.to_mlflow_ids(dict(call.query))
    content = tracking.to_mlflow_ids(call.json)
    target = f"/api/2.0/mlflow/{operation}" + (f"?{urlencode(query, doseq=True)}" if query else "")
    status, answer = tracking.forward(call.method, target, json.dumps(content).encode() if call.body else b"")
    if status == 200:
        note_tags(azure, operation, call)
        answer = json.dumps(tracking.to_azure_ids(json.loads(answer))).encode()
    return Reply(status, answer, {"Content-Type": "application/json"})


def note_tags(azure, operation: str, call: Call) -> None:
    """Copy the tags that MLflow clients set to the run history."""
    run = azure.store.runs.get(call.json.get("run_id", "")) if call.body else None
    if run and operation == "runs/set-tag":
        run.dto["tags"][call.json["key"]] = call.json["value"]
    elif run and operation == "runs/log-batch":
        run.dto["tags"].update({tag["key"]: tag["value"] for tag in call.json.get("tags", [])})
