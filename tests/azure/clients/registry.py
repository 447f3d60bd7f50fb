"""Log a run and register a model with MLflow, and read both with the SDK."""

import json
import tempfile
from pathlib import Path

import mlflow
import mlflow.sklearn
from azureml.core import Experiment, Model
from login import connect
from sklearn.linear_model import LogisticRegression

workspace = connect()
mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
mlflow.set_experiment("registry")
with mlflow.start_run() as started:
    mlflow.log_params({"depth": 3})
    for step in range(3):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.set_tag("stage", "train")
    mlflow.log_dict({"a": 1}, "report.json")
    folder = Path(tempfile.mkdtemp()) / "model"
    mlflow.sklearn.save_model(LogisticRegression().fit([[0], [1]], [0, 1]), folder)
    mlflow.log_artifacts(str(folder), "model")
client = mlflow.MlflowClient()
client.create_registered_model("registered")
for tags in ({"stage": "candidate"}, {"stage": "production"}):
    source = f"{started.info.artifact_uri}/model"
    version = client.create_model_version("registered", source, run_id=started.info.run_id, tags=tags)
Path("weights.txt").write_text("w")
third = Model.register(workspace, "weights.txt", "registered", tags={"stage": "v1"}, description="by version 1")
third.add_tags({"more": "yes"})
registered = {model.version: model.tags for model in Model.list(workspace, "registered")}
production = Model.list(workspace, "registered", tags=[["stage", "production"]])
with_mlflow = {int(version.version): version.tags for version in client.search_model_versions("name = 'registered'")}
files = sorted(path.name for path in Path(production[0].download("downloaded")).rglob("*") if path.is_file())
loaded = mlflow.sklearn.load_model(f"runs:/{started.info.run_id}/model").predict([[1]]).tolist()
run = Experiment(workspace, "registry").start_logging(snapshot_directory=None)
run.log("rows", 5)
run.tag("by", "sdk")
run.complete()
first = Experiment(workspace, "registry")
seen = client.get_run(run.id)
other = next(run for run in first.get_runs() if run.id == started.info.run_id)
try:
    client.search_logged_models([started.info.experiment_id])
    logged_models = "there"
except mlflow.MlflowException as error:
    logged_models = error.get_http_status_code()
print(json.dumps({
    "registered": registered, "with_mlflow": with_mlflow, "files": files,
    "production": [model.version for model in production],
    "loaded": loaded, "seen": [seen.data.metrics, seen.info.status, seen.data.tags["by"]],
    "other": [other.get_metrics()["loss"], other.get_status(), other.get_tags()["stage"]],
    "logged_models": logged_models,
}))  # fmt: skip
