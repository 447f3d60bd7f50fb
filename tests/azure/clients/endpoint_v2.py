"""Deploy a model with scoring code using SDK version 2: blue, green, mirroring, logs and deletion."""

import json
import os
import sys
from pathlib import Path

import requests
from azure.ai.ml import MLClient
from azure.ai.ml.entities import (
    CodeConfiguration,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
)  # fmt: skip
from azure.identity import DefaultAzureCredential

SCORE = """
import json, os, pathlib
def init():
    global text
    text = next(pathlib.Path(os.environ["AZUREML_MODEL_DIR"]).rglob("weights.txt")).read_text()
def run(raw):
    if json.loads(raw).get("fail"):
        raise ValueError("asked to fail")
    return {"text": text, "colour": os.environ["COLOUR"]}
"""

client = MLClient(
    DefaultAzureCredential(), os.environ["LOOPBACK_SUBSCRIPTION"], os.environ["LOOPBACK_RESOURCE_GROUP"],
    os.environ["LOOPBACK_WORKSPACE"],
)  # fmt: skip
Path("model").mkdir()
Path("model/weights.txt").write_text("w1")
Path("code").mkdir()
Path("code/score.py").write_text(SCORE)
version = f"{sys.version_info.major}.{sys.version_info.minor}"
Path("conda.yml").write_text(
    f"dependencies:\n- python={version}\n- pip\n- pip:\n  - azureml-inference-server-http\n"
)  # fmt: skip
model = client.models.create_or_update(Model(name="toy", path="model", tags={"stage": "candidate"}))
environment = Environment(
    name="serving", image="mcr.microsoft.com/azureml/minimal-ubuntu22.04-py311-cpu-inference", conda_file="conda.yml"
)
client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="toy-endpoint", auth_mode="key")).result()
for colour in ("blue", "green"):
    client.online_deployments.begin_create_or_update(ManagedOnlineDeployment(
        name=colour, endpoint_name="toy-endpoint", model=model, environment=environment,
        code_configuration=CodeConfiguration(code="code", scoring_script="score.py"), instance_type="Standard_DS2_v2",
        instance_count=1, environment_variables={"COLOUR": colour},
    )).result()  # fmt: skip
endpoint = client.online_endpoints.get("toy-endpoint")
endpoint.traffic, endpoint.mirror_traffic = {"blue": 100, "green": 0}, {"green": 50}
client.online_endpoints.begin_create_or_update(endpoint).result()
key = client.online_endpoints.get_keys("toy-endpoint").primary_key


def ask(deployment=None, **content):
    # Not invoke(): after it is given a deployment once, it uses that deployment for all later calls of the process.
    headers = {"Authorization": f"Bearer {key}"} | ({"azureml-model-deployment": deployment} if deployment else {})
    return requests.post(endpoint.scoring_uri, json=content, headers=headers, timeout=120)


live = [ask().json()["colour"] for _ in range(4)]
named = ask("green").json()
endpoint = client.online_endpoints.get("toy-endpoint")
endpoint.traffic, endpoint.mirror_traffic = {"blue": 50, "green": 50}, {}
client.online_endpoints.begin_create_or_update(endpoint).result()
both = sorted(ask().json()["colour"] for _ in range(4))
failure = ask(fail=True)
logs = client.online_deployments.get_logs("green", "toy-endpoint", lines=200)
endpoint.traffic = {"blue": 100}
client.online_endpoints.begin_create_or_update(endpoint).result()
client.online_deployments.begin_delete("green", "toy-endpoint").result()
left = [deployment.name for deployment in client.online_deployments.list("toy-endpoint")]
client.online_endpoints.begin_delete("toy-endpoint").result()
print(json.dumps({
    "live": live, "named": named, "both": both, "left": left,
    "failure": [failure.status_code, failure.headers["ms-azureml-model-error-statuscode"]],
    "green_asked": logs.count("POST /score"), "endpoints": [found.name for found in client.online_endpoints.list()],
    "model": [model.version, client.models.get("toy", version="1").tags],
}))  # fmt: skip
