"""AutoML: the run that its client configures, and the models that come of it."""

import json
import threading
import uuid
from typing import Any

from .. import names
from ..automl import execute
from ..messages import Call, Refused, Reply, reply
from ..routing import Routes
from .compute import cluster_of

routes = Routes(names.API_HOST)
BASE = "/jasmine/v1.0{WS}/experimentids/{experiment}"


@routes.on("POST", BASE + "/validation")
def validate(azure, call: Call, experiment: str) -> Reply:
    """Nothing to say against it."""
    settings_of(call.json)
    return Reply(204)


@routes.on("POST", BASE + "/run")
def create(azure, call: Call, experiment: str) -> Reply:
    asked = call.json
    run_id = f"AutoML_{uuid.uuid4()}"
    cluster_of(azure, asked["target"])
    run = azure.tracking.create_run(
        run_id, azure.store.experiment(experiment)["name"], runType="automl", target=asked["target"],
        primaryMetricName=asked["primaryMetric"],
        properties={
            "num_iterations": str(asked["numIterations"]), "training_type": "TrainFull",
            "acquisition_function": "EI", "acquisition_parameter": "0", "primary_metric": asked["primaryMetric"],
            "train_split": str(asked.get("trainSplit") or 0), "target": asked["target"],
            "num_cross_validation": str(asked.get("numCrossValidation") or ""), "EnableSubsampling": "False",
            "AMLSettingsJsonString": asked["amlSettingsJsonString"], "DataPrepJsonString": asked["dataPrepJsonString"],
            "runTemplate": "AutoML", "azureml.runsource": "automl", "ClientType": "SDK", **(asked["properties"] or {}),
        },
    )  # fmt: skip
    run.executed = True
    return reply(run_id)


def settings_of(asked: dict[str, Any]) -> dict[str, Any]:
    """What the training needs of what the client sent; the datasets are named by id."""
    settings = json.loads(asked["amlSettingsJsonString"])
    data = json.loads(asked["dataPrepJsonString"].replace('\\"', '"'))  # the client escapes its quotes once too often
    training = (data.get("training_data") or {}).get("datasetId")
    if not training:
        raise Refused(400, "UserError", "AutoML on a cluster needs a tabular dataset as training_data.")
    return {
        "task_type": settings["task_type"], "label_column_name": settings["label_column_name"],
        "primary_metric": asked["primaryMetric"], "iterations": int(asked["numIterations"] or 4),
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
