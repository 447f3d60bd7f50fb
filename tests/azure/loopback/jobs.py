"""Jobs: an uploaded snapshot, executed in a folder and a process of its own with Azure's environment variables."""

import os
import re
import traceback
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from . import names
from .processes import Process
from .store import Run

POLL_SECONDS = 0.5
STATUS_READ_SECONDS = 60
LOG, IMAGE_LOG = "user_logs/std_log.txt", "azureml-logs/20_image_build_log.txt"


class JobFailed(Exception):
    """A failed job, with the error that its run reports."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.error = {"code": code, "message": message, "details": [], "innerError": None}


def execute(azure, run: Run, requested: dict[str, Any]) -> None:
    """Execute a submitted run to its end."""
    definition = requested["Configuration"]
    cluster = azure.store.cluster(definition["target"])
    try:
        prepare_image(azure, run, definition)
        attempts = 0
        preempted = True
        while preempted and not run.cancelled.is_set():
            azure.tracking.set_status(run, "Queued")
            if attempts:
                run.status_read.wait(STATUS_READ_SECONDS)  # a new machine takes longer than a client's poll
            if not take_node(azure, cluster, run):
                break
            attempts += 1
            try:
                folder = azure.folder / "jobs" / f"{run.id}-{attempts}"
                unpack(azure, requested, folder)
                azure.tracking.set_status(run, "Running")
                preempted = run_process(azure, run, definition, folder)
            finally:
                cluster.release_node(run)
        azure.tracking.set_status(run, "Canceled" if run.cancelled.is_set() else "Completed")
    except JobFailed as failure:
        azure.tracking.set_status(run, "Failed", failure.error)
    except Exception:
        azure.record_failure(traceback.format_exc())
        azure.tracking.set_status(run, "Failed", {"code": "LoopbackError", "message": traceback.format_exc()})


def prepare_image(azure, run: Run, definition: dict[str, Any]) -> None:
    """Check that the environment's Python is available, instead of building its image."""
    wanted = python_version_of(definition.get("environment") or {})
    if wanted and wanted != azure.python_version:
        missing = f"python={wanted}: this loopback has {azure.python_version}"
    elif azure.faults.take("job.image_build_failed"):
        missing = "no-such-package==1.0"
    else:
        return
    azure.put_artifact(run, IMAGE_LOG, f"ResolvePackageNotFound:\n  - {missing}\n".encode())
    raise JobFailed("UserError", f"Image build failed. For more details, check log file {IMAGE_LOG}.")


def python_version_of(environment: dict[str, Any]) -> str:
    """Return the Python version of a conda specification; empty if it names none or conda is not used."""
    python = environment.get("python") or {}
    if python.get("userManagedDependencies"):
        return ""
    for dependency in (python.get("condaDependencies") or {}).get("dependencies", []):
        if match := re.match(r"python\s*=+\s*(\d+\.\d+)", dependency if isinstance(dependency, str) else ""):
            return match[1]
    return ""


def take_node(azure, cluster, run: Run) -> bool:
    while azure.faults.active("job.quota"):
        message = "Operation results in exceeding quota limits of Core. Maximum allowed: 0, Current in use: 0."
        cluster.allocation_errors = [{"error": {"code": "ClusterCoreQuotaReached", "message": message}}]
        if run.cancelled.wait(POLL_SECONDS):
            return False
    cluster.allocation_errors = []
    return cluster.take_node(run)


def unpack(azure, requested: dict[str, Any], folder: Path) -> None:
    """Download the code of a job: a snapshot of SDK version 1, or a registered code of version 2."""
    if "CodeId" in requested:
        download_code(azure, requested["CodeId"], folder)
        return
    snapshot = requested["SnapshotId"]
    for path, address in snapshot_files(azure, snapshot).items():
        container, _, name = unquote(urlsplit(address).path)[1:].partition("/")
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(azure.blobs.get(container, name))


def download_code(azure, identifier: str, folder: Path) -> None:
    match = re.search(r"/codes/([^/]+)/versions/([^/]+)$", identifier)
    code = azure.store.codes.get(match[1], {}).get(match[2]) if match else None
    if code is None:
        raise JobFailed("UserError", f"Code {identifier} not found.")
    container, _, prefix = unquote(urlsplit(code["properties"]["codeUri"]).path)[1:].partition("/")
    for name in azure.blobs.list(container, prefix):
        file = folder / name.removeprefix(prefix).lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(azure.blobs.get(container, name))


def snapshot_files(azure, snapshot: str) -> dict[str, str]:
    """Return the URLs of a snapshot's files. Clients upload only files that are new since the parent snapshot."""
    sent = azure.store.snapshots[snapshot]
    parent = sent.get("ParentSnapshotId")
    files = snapshot_files(azure, parent) if parent in azure.store.snapshots else {}
    files |= {node["FullName"]: node["BlobUri"] for node in sent["FileRevisionList"]["FileNodes"]}
    return {path: address for path, address in files.items() if contains_file(sent["DirTreeNode"], path)}


def contains_file(node: dict[str, Any], path: str) -> bool:
    first, _, rest = path.partition("/")
    child = (node.get("children") or {}).get(first)
    return child is not None and (not rest or contains_file(child, rest))


def run_process(azure, run: Run, definition: dict[str, Any], folder: Path) -> bool:
    """Run the script to its end; return True if its node was preempted first."""
    log = folder.with_suffix(".log")
    run.process = Process(command(azure, definition), log, folder, environment(azure, run, definition, folder))
    preempted = azure.faults.take("job.preempted")
    out_of_memory = azure.faults.take("job.out_of_memory")
    sent = -1
    while run.process.popen.poll() is None:
        run.cancelled.wait(POLL_SECONDS)
        size = log.stat().st_size
        if size != sent:
            azure.put_artifact(run, LOG, log.read_bytes())
            sent = size
        if run.cancelled.is_set() or ((preempted or out_of_memory) and size):
            run.process.stop()
    azure.put_artifact(run, LOG, log.read_bytes())
    if preempted or run.cancelled.is_set():
        return preempted
    for file in sorted((folder / "outputs").rglob("*")):
        if file.is_file():
            azure.put_artifact(run, str(file.relative_to(folder)), file.read_bytes())
    code = run.process.popen.returncode
    if out_of_memory:
        raise JobFailed("UserError", "AzureMLCompute job failed.\nJobContainerOutOfMemory: the job's container was "
                        "killed because it ran out of memory. Exit code 137.")  # fmt: skip
    if code:
        last = log.read_text(errors="replace")[-2000:]
        raise JobFailed("UserError", f"AzureMLCompute job failed.\nJobExecutionFailed: exit code {code}.\n{last}")
    return False


def command(azure, definition: dict[str, Any]) -> list[str]:
    arguments = [str(argument) for argument in definition.get("arguments") or []]
    if definition.get("script"):
        return [str(azure.python), definition["script"], *arguments]
    requested = definition["command"]
    return ["bash", "-c", requested if isinstance(requested, str) else " ".join(requested)]


def environment(azure, run: Run, definition: dict[str, Any], folder: Path) -> dict[str, str]:
    token = azure.tokens.issue("https://ml.azure.com")
    until = str(int(azure.tokens.valid_until[token]))
    home = azure.folder / "homes" / run.id
    home.mkdir(parents=True, exist_ok=True)
    experiment = azure.store.experiments[run.experiment]
    set_by_azure = {
        "AZUREML_RUN_ID": run.id, "AZUREML_ARM_SUBSCRIPTION": names.SUBSCRIPTION,
        "AZUREML_ARM_RESOURCEGROUP": names.RESOURCE_GROUP, "AZUREML_ARM_WORKSPACE_NAME": names.WORKSPACE,
        "AZUREML_ARM_PROJECT_NAME": run.experiment, "AZUREML_EXPERIMENT_ID": experiment["experimentId"],
        "AZUREML_WORKSPACE_ID": names.WORKSPACE_ID, "AZUREML_RUN_TOKEN": token, "AZUREML_RUN_TOKEN_EXPIRY": until,
        "AZUREML_SERVICE_ENDPOINT": f"https://{names.API_HOST}",
        "AZUREML_RUN_HISTORY_SERVICE_ENDPOINT": f"https://{names.API_HOST}",
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"https://{names.API_HOST}/discovery",
        "MLFLOW_TRACKING_URI": names.MLFLOW_URI, "MLFLOW_TRACKING_TOKEN": token, "MLFLOW_RUN_ID": run.id,
        "MLFLOW_EXPERIMENT_ID": experiment["experimentId"], "MLFLOW_EXPERIMENT_NAME": run.experiment,
    }  # fmt: skip
    identity = azure.store.cluster(run.dto["target"]).body.get("identity")
    if identity:  # the identity endpoint is on the node itself, so it is reached without the proxy
        secret = uuid.uuid4().hex
        azure.identity_secrets.add(secret)
        set_by_azure |= {
            "MSI_ENDPOINT": f"{azure.url}{names.IDENTITY_PATH}", "MSI_SECRET": secret,
            "DEFAULT_IDENTITY_CLIENT_ID": str(uuid.uuid5(uuid.NAMESPACE_DNS, run.dto["target"])),
        }  # fmt: skip
    requested = (definition.get("environment") or {}).get("environmentVariables") or {}
    base = azure.network_environment(home)
    path = f"{azure.python.parent}{os.pathsep}{os.environ['PATH']}"
    return base | set_by_azure | requested | (definition.get("environmentVariables") or {}) | {"PATH": path}
