"""The MLflow server, and the runs that the run history and MLflow share.

Azure's clients choose the ids of runs and experiments, but the MLflow server generates its own. The ids are translated
in requests and replies.
"""

import http.client
import json
import threading
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from . import names
from .messages import now
from .processes import MlflowServer
from .store import Run, Store, milliseconds, new_run

STATUS = {
    "RUNNING": "Running",
    "SCHEDULED": "Queued",
    "FINISHED": "Completed",
    "FAILED": "Failed",
    "KILLED": "Canceled",
}
MLFLOW_STATUS = {status: name for name, status in STATUS.items()}


class MlflowError(Exception):
    """An error reply of the MLflow server."""

    def __init__(self, status: int, content: bytes):
        super().__init__(f"mlflow server: {status} {content[:500]!r}")
        self.status, self.content = status, content


class Tracking:
    """Runs and experiments in the store and on the MLflow server."""

    def __init__(self, store: Store, folder: Path):
        self.store, self.server, self.lock = store, MlflowServer(folder), threading.RLock()
        self.mlflow_experiments: dict[str, str] = {}  # from Azure's ids to the server's

    def request(self, method: str, path: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call MLflow's REST API with the server's ids. `path` is, for example, ``"runs/create"``."""
        query = "?" + urlencode(content or {}, doseq=True) if method == "GET" else ""
        body = b"" if method == "GET" else json.dumps(content or {}).encode()
        status, answer = self.forward(method, f"/api/2.0/mlflow/{path}{query}", body)
        if status != 200:
            raise MlflowError(status, answer)
        return json.loads(answer)

    def forward(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        connection.request(method, target, body or None, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, content

    def experiment(self, name: str) -> dict[str, Any]:
        """Return an experiment, which is created if it does not exist."""
        with self.lock:
            if name not in self.store.experiments:
                self.add_experiment(name, self.request("POST", "experiments/create", {"name": name})["experiment_id"])
            return self.store.experiments[name]

    def add_experiment(self, name: str, mlflow_id: str) -> None:
        identifier = str(uuid.uuid4())
        self.mlflow_experiments[identifier] = mlflow_id
        self.store.experiments[name] = {
            "experimentId": identifier, "name": name, "description": None, "createdUtc": now(), "tags": {},
            "archivedTime": None, "properties": {}, "latestCreatedRunCreatedUtc": None,
        }  # fmt: skip

    def create_run(self, run_id: str, experiment_name: str, **details: Any) -> Run:
        """Create a run for a client of the run history or for a service."""
        with self.lock:
            experiment = self.experiment(experiment_name)
            run = Run(new_run(run_id, experiment, len(self.store.runs) + 1, **details), experiment_name)
            made = self.request("POST", "runs/create", {
                "experiment_id": self.mlflow_experiments[experiment["experimentId"]],
                "run_name": run.dto["displayName"], "start_time": milliseconds(),
                "tags": [{"key": key, "value": str(value)} for key, value in run.dto["tags"].items()],
            })  # fmt: skip
            run.mlflow_id = made["run"]["info"]["run_id"]
            self.store.runs[run_id] = run
            return run

    def set_status(self, run: Run, status: str, error: dict[str, Any] | None = None) -> None:
        """Change the status of a run."""
        run.dto["status"] = status
        run.status_read.clear()
        if status == "Running":
            run.dto["startTimeUtc"] = now()
        if error:
            run.dto["error"] = {"error": error, "correlation": None, "environment": names.LOCATION, "time": now()}
        update: dict[str, Any] = {"run_id": run.mlflow_id, "status": MLFLOW_STATUS.get(status, "RUNNING")}
        if run.ended:
            run.dto["endTimeUtc"] = now()
            update["end_time"] = milliseconds()
        self.request("POST", "runs/update", update)

    def set_tags(self, run: Run, tags: dict[str, str]) -> None:
        run.dto["tags"].update(tags)
        pairs = [{"key": key, "value": str(value)} for key, value in tags.items()]
        self.request("POST", "runs/log-batch", {"run_id": run.mlflow_id, "tags": pairs})

    def log_metrics(self, run: Run, metrics: list[dict[str, Any]]) -> None:
        self.request("POST", "runs/log-batch", {"run_id": run.mlflow_id, "metrics": metrics})

    def metrics(self, run: Run) -> dict[str, float]:
        """Return the last value of each metric."""
        data = self.request("GET", "runs/get", {"run_id": run.mlflow_id})["run"]["data"]
        return {metric["key"]: metric["value"] for metric in data.get("metrics", [])}

    def history(self, run: Run, name: str) -> list[dict[str, Any]]:
        query = {"run_id": run.mlflow_id, "metric_key": name, "max_results": 25000}
        return self.request("GET", "metrics/get-history", query).get("metrics", [])

    def to_mlflow_ids(self, content: Any) -> Any:
        """Replace Azure's ids by the server's in a request."""
        if isinstance(content, list):
            return [self.to_mlflow_ids(item) for item in content]
        if not isinstance(content, dict):
            return content
        changed = {}
        for key, value in content.items():
            if key in ("run_id", "run_uuid") and value in self.store.runs:
                value = self.store.runs[value].mlflow_id
            elif key == "experiment_id":
                value = self.mlflow_experiments.get(value, value)
            elif key == "experiment_ids":
                items = value if isinstance(value, list) else [value]
                value = [self.mlflow_experiments.get(item, item) for item in items]
            else:
                value = self.to_mlflow_ids(value)
            changed[key] = value
        return changed

    def to_azure_ids(self, content: Any) -> Any:
        """Replace the server's ids by Azure's in a reply, and add new runs and experiments to the store."""
        if isinstance(content, list):
            return [self.to_azure_ids(item) for item in content]
        if not isinstance(content, dict):
            return content
        with self.lock:
            if "artifact_location" in content:
                return self.experiment_to_azure(content)
            if "artifact_uri" in content:
                return self.run_to_azure(content)
        changed = {key: self.to_azure_ids(value) for key, value in content.items()}
        for key in ("run_id", "run_uuid"):
            if key in changed:
                changed[key] = self.azure_run_id(changed[key])
        if "experiment_id" in changed:
            changed["experiment_id"] = self.azure_experiment_id(changed["experiment_id"])
        return changed

    def experiment_to_azure(self, content: dict[str, Any]) -> dict[str, Any]:
        mlflow_id = content["experiment_id"]
        if mlflow_id not in self.mlflow_experiments.values():
            self.add_experiment(content["name"], mlflow_id)
        return content | {"experiment_id": self.azure_experiment_id(mlflow_id), "artifact_location": ""}

    def run_to_azure(self, info: dict[str, Any]) -> dict[str, Any]:
        experiment_id = self.azure_experiment_id(info["experiment_id"])
        run_id = self.azure_run_id(info["run_id"])
        if run_id not in self.store.runs:
            experiment = self.store.experiment(experiment_id)
            dto = new_run(run_id, experiment, len(self.store.runs) + 1, displayName=info.get("run_name") or run_id)
            self.store.runs[run_id] = Run(dto, experiment["name"], run_id)
        run = self.store.runs[run_id]
        if not run.executed:
            run.dto["status"] = STATUS[info["status"]]
        root = f"azureml://{names.API_HOST}/mlflow/v2.0{names.WORKSPACE_PATH}"
        return info | {
            "run_id": run_id, "run_uuid": run_id, "experiment_id": experiment_id,
            "artifact_uri": f"{root}/experiments/{experiment_id}/runs/{run_id}/artifacts",
        }  # fmt: skip

    def azure_run_id(self, mlflow_id: str) -> str:
        return next((run.id for run in self.store.runs.values() if run.mlflow_id == mlflow_id), mlflow_id)

    def azure_experiment_id(self, mlflow_id: str) -> str:
        matches = (azure for azure, mlflow in self.mlflow_experiments.items() if mlflow == mlflow_id)
        identifier = next(matches, None)
        if identifier is None:  # created by a client that has not read it yet
            name = self.request("GET", "experiments/get", {"experiment_id": mlflow_id})["experiment"]["name"]
            self.add_experiment(name, mlflow_id)
            return self.azure_experiment_id(mlflow_id)
        return identifier

    def stop(self) -> None:
        self.server.stop()
