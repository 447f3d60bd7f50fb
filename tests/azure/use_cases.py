"""Use cases on the loopback Azure, run by the whole chain or by single operations of the backend."""

import io
import json
from pathlib import Path

import pandas as pd

from lib.paths import ROOT
from tests.azure.loopback import names
from tests.azure.loopback.routes.datastore import with_defaults

TIMEOUT_SECONDS = 1400
IDENTITY = f"{names.PROVIDERS}/Microsoft.ManagedIdentity/userAssignedIdentities/id-millrace"
PROFILE = {
    "subscription_id": names.SUBSCRIPTION, "resource_group": names.RESOURCE_GROUP, "workspace_name": names.WORKSPACE,
    "managed_identity": IDENTITY,
}  # fmt: skip


class Chain:
    """A use case whose chain runs in processes that can reach only the loopback Azure.

    Parameters
    ----------
    azure : Session
    use_case : str
        Name of a parameter file.
    sdk : str
        The parameter azure_sdk.
    **overrides
        Parameters.
    """

    def __init__(self, azure, use_case, sdk="v2", **overrides):
        self.azure, self.use_case = azure, use_case
        self.runs = azure.folder / "runs"
        # All tests share one workspace, so each uses names of its own.
        self.name = f"{use_case}-{azure.first_call}"
        self.parameters = {
            "name": self.name, "runs_folder": str(self.runs), "workspace": str(azure.folder / "workspace"),
            "gpu_cluster": f"gpu-{azure.first_call}", "azure_sdk": sdk, "training_functions": ["linear", "extra_trees"],
            **overrides,
        }  # fmt: skip

    def start(self, *words, profile=True, **overrides):
        """Start run_all.py with a command and this use case's parameters."""
        files = [self.use_case, "azureml"] if profile else [self.use_case]
        values = self.parameters | (PROFILE if profile else {}) | overrides
        return self.azure.start(
            ROOT / "run_all.py", *words, "--params", *(ROOT / "parameters" / f"{file}.yaml" for file in files),
            *(part for name, value in values.items() for part in ("-p", f"{name}={json.dumps(value)}")), cwd=ROOT,
        )  # fmt: skip

    def run(self, *words, code=0, **overrides):
        """Run run_all.py to its end, check the exit code, and return the output."""
        process = self.start(*words, **overrides)
        output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        assert process.returncode == code, f"{output[-6000:]}\n{self.azure.problems()}"
        return output

    def resume(self):
        """Resume the newest run to its end."""
        process = self.azure.start(ROOT / "run_all.py", "--resume", self.newest_run, cwd=ROOT)
        output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        assert process.returncode == 0, f"{output[-6000:]}\n{self.azure.problems()}"

    @property
    def newest_run(self):
        """The folder of the newest run."""
        return max(filter(Path.is_dir, self.runs.iterdir()), key=lambda folder: folder.stat().st_mtime_ns)

    @property
    def outputs(self):
        """The outputs of all stages of the newest run."""
        outputs = {}
        for stage in json.loads((self.newest_run / "run.json").read_text())["stages"]:
            outputs |= stage.get("outputs") or {}
        return outputs

    def read_table(self, output):
        """Read the table at the URI that an output contains, local or on Azure."""
        uri = self.outputs[output]
        if uri.startswith("file://"):
            return pd.read_parquet(uri)
        return pd.read_parquet(io.BytesIO(self.azure.read_blob(uri)))

    @property
    def version_tags(self):
        """The tags of each model version, oldest first."""
        return [version.tags for version in reversed(self.azure.cloud.registry.search(self.name))]

    @property
    def job_statuses(self):
        """The final statuses of the jobs on the use case's cluster."""
        cluster = self.parameters["gpu_cluster"]
        runs = self.azure.store.runs.values()
        return [run.dto["status"] for run in runs if run.executed and run.dto["target"] == cluster]

    @property
    def live_versions(self):
        """The model version of each deployment with traffic."""
        return self.azure.live_versions(self.name)

    def query_endpoint(self):
        """Send the sample request of the deploy stage to the endpoint, and return the response."""
        sample = next((self.azure.folder / "workspace").rglob("sample_request.json")).read_bytes()
        return self.azure.post(self.name, self.outputs["endpoint_url"], sample).json()


class Reply(dict):
    """The JSON that an operation of the backend printed. A missing key raises an error that shows the whole reply."""

    def __missing__(self, name):
        raise AssertionError(f"no {name} in {json.dumps(self, indent=1)}")


def register_datastore_with_key(azure, name):
    """Register a datastore as a user might do by hand: with the key of the storage account."""
    section = {"accountName": names.STORAGE_ACCOUNT, "containerName": names.BLOBSTORE_CONTAINER}
    credential = {"credentialType": "AccountKey", "credential": azure.cloud.blobs.key}
    azure.store.datastores[name] = with_defaults(
        {"name": name, "dataStoreType": "AzureBlob", "azureStorageSection": section | credential}
    )


def call_backend(azure, operation, *assignments, sdk="v2", **environment):
    """Run one operation of `clients.backend` in a process of its own, and return its reply."""
    workspace = [f"{name}={PROFILE[name]}" for name in ("subscription_id", "resource_group", "workspace_name")]
    return Reply(
        azure.client("backend", operation, f"azure_sdk={sdk}", *workspace, *assignments, environment=environment)
    )
