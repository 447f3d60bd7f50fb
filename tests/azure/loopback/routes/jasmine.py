"""AutoML runs."""

import json
import threading
import uuid
from typing import Any

from .. import names
from ..automl import execute
from ..messages import Call, ErrorReply, Reply, reply
from ..routing import Routes
from .compute import cluster_of

routes = Routes(names.API_HOST)
BASE = "/jasmine/v1.0{WS}/experimentids/{experiment}"


@routes.on("POST", BASE + "/validation")
def validate(azure, call: Call, experiment: str) -> Reply:
    """Accept every valid configuration."""
    settings_of(call.json)
    return Reply(204)


@routes.on("POST", BASE + "/run")
def create(azure, call: Call, experiment: str) -> Reply:
    requested = call.json
    run_id = f"AutoML_{uuid.uuid4()}"
    cluster_of(azure, requested["target"])
    run = azure.tracking.create_run(
        run_id, azure.store.experiment(experiment)["name"], runType="automl", target=requested["target"],
        primaryMetricName=requested["primaryMetric"],
        properties={
            "num_iterations": str(requested["numIterations"]), "training_type": "TrainFull",
            "acquisition_function": "EI", "acquisition_parameter": "0", "primary_metric": requested["primaryMetric"],
            "train_split": str(requested.get("trainSplit") or 0), "target": requested["target"],
            "num_cross_validation": str(requested.get("numCrossValidation") or ""), "EnableSubsampling": "False",
            "AMLSettingsJsonString": requested["amlSettingsJsonString"],
            "DataPrepJsonString": requested["dataPrepJsonString"], "runTemplate": "AutoML",
            "azureml.runsource": "automl", "ClientType": "SDK", **(requested["properties"] or {}),
        },
    )  # fmt: skip
    run.executed = True
    return reply(run_id)


def settings_of(requested: dict[str, Any]) -> dict[str, Any]:
    """Extract the settings for training from a client's request. Datasets are given by id."""
    settings = json.loads(requested["amlSettingsJsonString"])
    data = json.loads(requested["dataPrepJsonString"].replace('\\"', '"'))  # the client escapes the quotes twice
    training = (data.get("training_data") or {}).get("datasetId")
    if not training:
        raise ErrorReply(400, "UserError", "AutoML on a cluster needs a tabular dataset as training_data.")
    return {
        "task_type": settings["task_type"], "label_column_name": settings["label_column_name"],
        "primary_metric": requested["primaryMetric"], "iterations": int(requested["numIterations"] or 4),
        "allowed": settings.get("whitelist_models"),
        "blocked": settings.get("blacklist_algos") or [], "save_mlflow": bool(settings.get("save_mlflow")),
        "training_data": training, "validation_data": (data.get("validation_data") or {}).get("datasetId"),
    }  # fmt: skip


@routes.on("POST", BASE + "/runs/{run_id}/submitSnapshotRun")
def start(azure, call: Call, experiment: str, run_id: str) -> Reply:
    run = azure.store.run(run_id)
    properties = run.dto["properties"]
    settings = settings_of({
        "amlSettingsJsonString": properties["AMLSettingsJsonString"], "primaryMetric": properties["primary_metric"],
        "dataPrepJsonString": properties["DataPrepJsonString"], "numIterations": properties["num_iterations"],
    })  # fmt: skip
    definition = {"environment": (call.json.get("configuration") or {}).get("environment") or {}}
    threading.Thread(target=execute, args=(azure, run, definition, settings), name=run_id, daemon=True).start()
    return reply({"runId": run_id})


@routes.on("POST", BASE + "/cancelrun/{run_id}")
def cancel(azure, call: Call, experiment: str, run_id: str) -> Reply:
    azure.cancel(azure.store.run(run_id))
    return Reply(200)


@routes.on("POST", BASE + "/runs/{run_id}/changerunstatus/{status}")
def change_status(azure, call: Call, experiment: str, run_id: str, status: str) -> Reply:
    azure.tracking.set_status(azure.store.run(run_id), status.capitalize())
    return Reply(200)
