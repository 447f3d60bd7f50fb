"""Behind a deployment: azmlinfsrv, on 127.0.0.1, with the deployment's own code, model and variables."""

import os
import re
import time
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from .jobs import python_version_of
from .messages import not_found
from .processes import Process, free_port, is_responding
from .routes.environment import environment_of
from .store import Deployment, Endpoint

NO_CODE = Path(__file__).with_name("image_packages") / "no_code_scoring.py"
READY_SECONDS = 300
GUIDE = "Please see troubleshooting guide, available here: https://aka.ms/oe-tsg#error-"


class DeploymentFailed(Exception):
    """A failed deployment, with the error that its operation reports."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.error = {"code": code, "message": f"{message} {GUIDE}{code.lower()}", "details": []}


def start_deployment(azure, endpoint: Endpoint, name: str, deployment: Deployment) -> None:
    """Start the container of a new or changed deployment. The previous container serves until it is ready."""
    started: Process | None = None
    try:
        if azure.faults.take("deployment.quota"):
            size = deployment.body["properties"].get("instanceType")
            raise DeploymentFailed("OutOfQuota", f"Not enough quota available for {size}. Current usage/limit: 0/0.")
        folder = azure.folder / "deployments" / f"{name}-{time.monotonic_ns()}"
        folder.mkdir(parents=True)
        command, environment, place = container(azure, deployment.body["properties"], folder)
        port = free_port()
        environment["PATH"] = f"{azure.python.parent}{os.pathsep}{os.environ['PATH']}"
        log = folder / "container.log"
        if azure.faults.active("deployment.never_ready"):
            log_failed_probes(azure, endpoint, name, deployment)
            return
        failing = azure.faults.take("deployment.failed")
        out_of_memory = azure.faults.take("deployment.out_of_memory")
        bind = ["--bind", f"127.0.0.1:{port}", "--workers", "1", "--timeout", "300", "--no-control-socket"]
        started = Process([*command, *bind, "azureml_inference_server_http.server.entry:app"], log, place, environment)
        wait_until_ready(started, deployment, port, failing, out_of_memory)
        old, deployment.process, deployment.port = deployment.process, started, port
        deployment.state = "Succeeded"
        if old:
            old.stop()
        if endpoint.deployments.get(name) is not deployment:  # deleted meanwhile
            started.stop()
    except DeploymentFailed as failure:
        deployment.error, deployment.state = failure.error, "Failed"
        if started:
            started.stop()
    except Exception:
        azure.record_failure(traceback.format_exc())
        deployment.error, deployment.state = {"code": "LoopbackError", "message": traceback.format_exc()}, "Failed"


def container(azure, properties: dict[str, Any], folder: Path) -> tuple[list[str], dict[str, str], Path]:
    """Mount the model and the code, and return the command, environment and folder of the container."""
    if azure.faults.take("deployment.image_build_failed"):
        raise DeploymentFailed(
            "ImageBuildFailure", "For more details, check the image build log: ResolvePackageNotFound."
        )
    model = mount_model(azure, properties.get("model"), folder)
    code = properties.get("codeConfiguration") or {}
    if code.get("codeId"):
        place = mount_code(azure, code["codeId"], folder / "code")
        entry = code["scoringScript"]
        if not (place / entry).is_file():
            raise DeploymentFailed("BadArgument", f"The scoring script {entry} is not in the code.")
        check_image(azure, properties.get("environmentId") or "")
    else:
        place, entry = folder, str(NO_CODE)
        if not any(model.rglob("MLmodel")):
            raise DeploymentFailed(
                "BadArgument", "The model is no MLflow model: a scoring script and an environment are needed."
            )
    home = folder / "home"
    home.mkdir()
    # A container can reach only the services of the workspace, like a job.
    environment = azure.network_environment(home) | {
        "AZUREML_MODEL_DIR": str(model), "AZUREML_ENTRY_SCRIPT": entry, "AML_APP_ROOT": str(place),
        "PYTHONDONTWRITEBYTECODE": "1",
    } | (properties.get("environmentVariables") or {})  # fmt: skip
    return [str(azure.python), "-m", "gunicorn"], environment, place


def mount_model(azure, model: Any, folder: Path) -> Path:
    identifier = model if isinstance(model, str) else (model or {}).get("assetId") or ""
    match = re.search(r"/models/([^/]+)/versions/([^/]+)$", identifier)
    if not match:
        raise DeploymentFailed("BadArgument", f"no model is called {identifier!r}.")
    try:
        return azure.registry.mount(azure.registry.get(match[1], match[2]), folder / "azureml-models")
    except FileNotFoundError as error:
        raise DeploymentFailed("BadArgument", f"The model {match[1]}:{match[2]} cannot be mounted: {error}.") from None


def mount_code(azure, identifier: str, folder: Path) -> Path:
    match = re.search(r"/codes/([^/]+)/versions/([^/]+)$", identifier)
    code = azure.store.codes.get(match[1], {}).get(match[2]) if match else None
    if code is None:
        raise not_found(f"Code {identifier} not found.")
    place, _, prefix = unquote(urlsplit(code["properties"]["codeUri"]).path)[1:].partition("/")
    azure.blobs.download(place, prefix, folder)
    below = folder / prefix.strip("/").rpartition("/")[2]
    return below if below.is_dir() else folder


def check_image(azure, identifier: str) -> None:
    """Report the problems of an image that can be detected without building it."""
    match = re.search(r"/environments/([^/]+)/versions/([^/]+)$", identifier)
    if not match:
        raise DeploymentFailed("BadArgument", f"no environment is called {identifier!r}.")
    environment = environment_of(azure, match[1], match[2])
    conda = (environment.get("python") or {}).get("condaDependencies")
    if not conda:
        return  # the image is complete
    wanted = python_version_of(environment)
    if wanted and wanted != azure.python_version:
        raise DeploymentFailed(
            "ImageBuildFailure", f"python={wanted} requested for, this loopback has {azure.python_version}."
        )
    if "azureml-inference-server-http" not in yaml.safe_dump(conda):
        raise DeploymentFailed(
            "ResourceNotReady", "User container has crashed or terminated: a required package "
            "azureml-inference-server-http is missing. Please follow https://aka.ms/azmlinfsrv.",
        )  # fmt: skip


def wait_until_ready(process: Process, deployment: Deployment, port: int, failing: bool, out_of_memory: bool) -> None:
    deadline = time.monotonic() + READY_SECONDS
    crashed = "User container has crashed or terminated."
    while time.monotonic() < deadline:
        deployment.log = process.read_log()
        if out_of_memory and deployment.log:
            process.stop()
            deployment.log = process.read_log() + "\nKilled\n"
            raise DeploymentFailed(
                "ResourceNotReady", f"{crashed} OOMKilled, exit code 137: the container ran out of memory."
            )
        if process.popen.poll() is not None or "Exception in worker process" in deployment.log or failing:
            process.stop()
            deployment.log = process.read_log() + ("\ninjected: the container exited\n" if failing else "")
            raise DeploymentFailed("ResourceNotReady", crashed)
        if is_responding(port):
            return
        time.sleep(0.2)
    raise DeploymentFailed("ResourceNotReady", f"{crashed} It was not ready after {READY_SECONDS} s.")


def log_failed_probes(azure, endpoint: Endpoint, name: str, deployment: Deployment) -> None:
    """Log failed probes until the deployment is deleted or the fault is cleared."""
    while azure.faults.active("deployment.never_ready") and endpoint.deployments.get(name) is deployment:
        deployment.log += "Readiness probe failed: HTTP probe failed with statuscode: 502\n"
        time.sleep(0.5)
    deployment.error, deployment.state = {"code": "OperationCanceled", "message": "given up"}, "Failed"
