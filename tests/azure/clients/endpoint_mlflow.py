"""Deploy an MLflow model without code using MLflow's deployment client, query it, and delete it."""

import json
import tempfile
from pathlib import Path

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
from login import connect
from mlflow.deployments import get_deploy_client
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

workspace = connect()
mlflow.set_tracking_uri(workspace.get_mlflow_tracking_uri())
mlflow.set_experiment("no-code")
rows = pd.DataFrame({"a": np.arange(10.0), "b": np.ones(10)})
model = LinearRegression().fit(rows, rows.a * 2)
with mlflow.start_run() as started:
    folder = Path(tempfile.mkdtemp()) / "model"
    mlflow.sklearn.save_model(model, folder, signature=infer_signature(rows, model.predict(rows)))
    mlflow.log_artifacts(str(folder), "model")
client = mlflow.MlflowClient()
client.create_registered_model("no-code")
client.create_model_version("no-code", f"{started.info.artifact_uri}/model", run_id=started.info.run_id)


def written(name, content):
    Path(name).write_text(json.dumps(content))
    return name


deployments = get_deploy_client(mlflow.get_tracking_uri())
deployments.create_endpoint("no-code", {"endpoint-config-file": written("endpoint.json", {"auth_mode": "key"})})
config = {"deploy-config-file": written("deployment.json", {"instance_type": "Standard_DS3_v2", "instance_count": 1})}
deployments.create_deployment("blue", endpoint="no-code", model_uri="models:/no-code/1", config=config)
deployments.update_endpoint("no-code", {"endpoint-config-file": written("traffic.json", {"traffic": {"blue": 100}})})
predicted = deployments.predict(endpoint="no-code", df=rows.head(3))
names = [found["name"] for found in deployments.list_deployments(endpoint="no-code")]
deployments.delete_deployment("blue", endpoint="no-code")
deployments.delete_endpoint("no-code")
print(json.dumps({
    "predicted": np.round(np.asarray(predicted, dtype=float).ravel(), 6).tolist(), "names": names,
    "endpoints": [found["name"] for found in deployments.list_endpoints()],
}))  # fmt: skip
