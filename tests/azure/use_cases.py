"""What the tests of the product share: use cases on this Azure, by the whole chain or by one part of the backend."""

import io
import json

import pandas as pd

from lib.paths import ROOT
from tests.azure.loopback import names

SECONDS = 1400
IDENTITY = f"{names.PROVIDERS}/Microsoft.ManagedIdentity/userAssignedIdentities/id-millrace"
PROFILE = {
    "subscription_id": names.SUBSCRIPTION, "resource_group": names.RESOURCE_GROUP, "workspace_name": names.WORKSPACE,
    "managed_identity": IDENTITY,
}  # fmt: skip


class Chain:
    """A use case, run in processes that see the loopback Azure and nothing else."""

    def __init__(self, azure, use_case, **overrides):
        self.azure, self.use_case = azure, use_case
        self.runs = azure.folder / "runs"
        # One workspace for all tests: what a test makes bears a name of its own.
        self.name = f"{use_case}-{azure.mark}"
        self.given = {
            "name": self.name, "runs_folder": str(self.runs), "workspace": str(azure.folder / "workspace"),
            "gpu_cluster": f"gpu-{azure.mark}", "training_functions": ["linear", "extra_trees"], **overrides,
        }  # fmt: skip

    def start(self, *words, profile=True, **overrides):
        files = [self.use_case, "azureml"] if profile else [self.use_case]
        values = self.given | (PROFILE if profile else {}) | overrides
        return self.azure.start(
            ROOT / "run_all.py", *words, "--params", *(ROOT / "parameters" / f"{file}.yaml" for file in files),
            *(part for name, value in values.items() for part in ("-p", f"{name}={json.dumps(value)}")), cwd=ROOT,
        )  # fmt: skip

    def run(self, *words, code=0, **overrides):
        """What it prints, when it ends as expected."""
        process = self.start(*words, **overrides)
        output, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == code, f"{output[-6000:]}\n{self.azure.complaints()}"
        return output

    def resume(self):
        process = self.azure.start(ROOT / "run_all.py", "--resume", self.newest, cwd=ROOT)
        output, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, f"{output[-6000:]}\n{self.azure.complaints()}"

    @property
    def newest(self):
        return max(self.runs.iterdir(), key=lambda folder: folder.stat().st_mtime_ns)

    @property
    def outputs(self):
        """What the stages of the newest run handed on, by name."""
        found = {}
        for stage in json.loads((self.newest / "run.json").read_text())["stages"]:
            found |= stage.get("outputs") or {}
        return found

    def table(self, name):
        """A Parquet table that a stage of the newest run handed on, wherever it is."""
        uri = self.outputs[name]
        if uri.startswith("file://"):
            return pd.read_parquet(uri)
        return pd.read_parquet(io.BytesIO(self.azure.blob_of(uri)))

    @property
    def versions(self):
        """Tags of the versions of its model, the oldest first."""
        return [version.tags for version in reversed(self.azure.cloud.registry.search(self.name))]

    @property
    def jobs(self):
        """How the jobs on its cluster ended."""
        held = self.azure.store.runs.values()
        return [run.dto["status"] for run in held if run.executed and run.dto["target"] == self.given["gpu_cluster"]]

    @property
    def live(self):
        """Model version behind each deployment with traffic."""
        return self.azure.live(self.name)

    def ask(self):
        """Answer of the endpoint to the sample that the deployment wrote."""
        sample = next((self.azure.folder / "workspace").rglob("sample_request.json")).read_bytes()
        return self.azure.post(self.name, self.outputs["endpoint_url"], sample).json()


class Found(dict):
    """What the backend answered, or told; shows itself where it is the other of the two."""

    def __missing__(self, name):
        raise AssertionError(f"no {name} in {json.dumps(self, indent=1)}")


def asked(azure, what, *assignments, **environment):
    """One part of the backend, asked by a process of its own."""
    given = [f"{name}={PROFILE[name]}" for name in ("subscription_id", "resource_group", "workspace_name")]
    return Found(azure.client("backend", what, *given, *assignments, environment=environment))
