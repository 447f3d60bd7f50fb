"""Run a script on a cluster, and read its outputs."""

import json
import sys
from pathlib import Path

from azureml.core import Environment, Experiment, ScriptRunConfig
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.conda_dependencies import CondaDependencies
from login import connect

SCRIPT = """
import mlflow, os, sys, pathlib
from azureml.core import Run
run = Run.get_context()
run.log("rows", 12); run.tag("colour", "blue"); run.flush()
mlflow.log_metric("score", 0.75); mlflow.set_tag("by", "mlflow"); mlflow.log_param("depth", 3)
pathlib.Path("outputs").mkdir(); pathlib.Path("outputs/model.txt").write_text(sys.argv[1])
mlflow.log_text("noted", "notes/note.txt")
print("hello from", os.environ["AZUREML_RUN_ID"])
"""

workspace = connect()
configuration = AmlCompute.provisioning_configuration(vm_size="STANDARD_NC6", min_nodes=0, max_nodes=2)
cluster = ComputeTarget.create(workspace, "gpu", configuration)
cluster.wait_for_completion(show_output=False)
environment = Environment("millrace")
environment.python.conda_dependencies = CondaDependencies()
environment.python.conda_dependencies.set_python_version(f"{sys.version_info.major}.{sys.version_info.minor}")
environment = environment.register(workspace)
Path("src").mkdir()
Path("src/train.py").write_text(SCRIPT)
config = ScriptRunConfig(
    "src", script="train.py", arguments=["content"], compute_target=cluster, environment=environment
)
run = Experiment(workspace, "flights").submit(config)
run.wait_for_completion(show_output=False)
run.download_file("outputs/model.txt", "model.txt")
run.get_all_logs("logs")
print(json.dumps({
    "status": run.get_status(), "metrics": run.get_metrics(), "tags": run.get_tags(), "files": run.get_file_names(),
    "model": Path("model.txt").read_text(), "log": Path("logs/user_logs/std_log.txt").read_text(),
    "state": cluster.get_status().provisioning_state,
}))  # fmt: skip
