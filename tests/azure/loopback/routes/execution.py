"""Submission and cancellation of jobs."""

import threading
import time
import uuid

from .. import names
from ..jobs import execute
from ..messages import Call, Reply, reply
from ..routing import Routes
from .compute import cluster_of

routes = Routes(names.API_HOST)
BASE = "/execution/v1.0{WS}/experiments/{experiment}"


@routes.on("POST", BASE + "/snapshotrun")
def submit(azure, call: Call, experiment: str) -> Reply:
    definition = call.json["Configuration"]
    target = definition.get("target")
    cluster_of(azure, target)
    requested = call.query.get("runId", "None")
    run_id = requested if requested != "None" else f"{experiment}_{int(time.time())}_{uuid.uuid4().hex[:8]}"
    run = azure.tracking.create_run(
        run_id, experiment, status="Preparing", target=target, scriptName=definition.get("script"),
        runDefinition=definition, displayName=(call.json.get("DisplayName") or run_id),
        properties={"ContentSnapshotId": call.json["SnapshotId"], "azureml.computetarget": "amlcompute"},
    )  # fmt: skip
    run.executed = True
    base = BASE.replace("{WS}", names.WORKSPACE_PATH).replace("{experiment}", experiment)
    run.dto["cancelUri"] = f"https://{names.API_HOST}{base}/runId/{run_id}/cancel"
    threading.Thread(target=execute, args=(azure, run, call.json), name=run_id, daemon=True).start()
    return reply({"runId": run_id})


@routes.on("POST", BASE + "/runId/{run_id}/cancel")
def cancel(azure, call: Call, experiment: str, run_id: str) -> Reply:
    azure.cancel(azure.store.run(run_id))
    return Reply(200)
