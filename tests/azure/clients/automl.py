"""Run AutoML on a cluster: child runs with metrics, download and registration of the best model, cancellation."""

import json
import logging
import time

import numpy as np
import pandas as pd
from azureml.core import Dataset, Experiment, Model
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.data.datapath import DataPath
from azureml.train.automl import AutoMLConfig
from login import connect

workspace = connect()
store = workspace.get_default_datastore()
draw = np.random.default_rng(0)
frame = pd.DataFrame({"x": draw.normal(size=400), "kind": draw.choice(["a", "b"], 400)})
frame["late"] = ((frame.x + (frame.kind == "a") + draw.normal(size=400) / 3) > 0.5).astype(int)
frame.to_parquet("train.parquet")
store.upload_files(["train.parquet"], target_path="automl", overwrite=True, show_progress=False)
table = Dataset.Tabular.from_parquet_files(DataPath(store, "automl/train.parquet")).register(workspace, "automl-train")
cluster = ComputeTarget.create(
    workspace, "gpu", AmlCompute.provisioning_configuration(vm_size="STANDARD_NC6", max_nodes=2)
)
cluster.wait_for_completion(show_output=False)


def config(iterations):
    return AutoMLConfig(
        task="classification", primary_metric="AUC_weighted", training_data=table, label_column_name="late",
        compute_target=cluster, iterations=iterations, n_cross_validations=2, verbosity=logging.ERROR,
        force_curated_environment=True, save_mlflow=True, enable_early_stopping=False,
    )  # fmt: skip


experiment = Experiment(workspace, "automl")
run = experiment.submit(config(3))
run.wait_for_completion(show_output=False)
children = {child.id: child.get_metrics() for child in run.get_children()}
best = run.get_best_child()
best.download_file("outputs/model.pkl", "model.pkl")
registered = best.register_model("automl-model", model_path="outputs/mlflow-model", tags={"stage": "candidate"})
cancelled = experiment.submit(config(3))
cancelled.cancel()
while cancelled.get_status() not in ("Canceled", "Failed", "Completed"):
    time.sleep(1)
try:
    pd.read_pickle("model.pkl")
    unpickled = "unpickled"
except ModuleNotFoundError as error:
    unpickled = error.name
print(json.dumps({
    "children": len(children), "auc": sorted(metrics["AUC_weighted"] for metrics in children.values()),
    "best": best.get_metrics()["AUC_weighted"], "unpickled": unpickled, "version": registered.version,
    "status": run.get_status(), "cancelled": cancelled.get_status(),
    "file": Model(workspace, "automl-model").download("."),
}))  # fmt: skip
