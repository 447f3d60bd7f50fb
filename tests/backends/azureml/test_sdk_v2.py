"""SDK version 2: versions of tables, jobs on clusters and on serverless compute, AutoML searches, and secrets."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from lib.backends.azureml.job import JobRequest, SearchRequest
from lib.backends.azureml.seams import ClusterDetails, EnvironmentReference, TableVersion
from lib.backends.azureml.v2 import automl, jobs, tables
from lib.backends.azureml.v2.workspace import Workspace
from lib.errors import DataError

IDENTITY = "/subscriptions/s/resourceGroups/r/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
CLUSTER = ClusterDetails("gpu", "Standard_NC4as_T4_v3", is_spot=False, max_nodes=2, has_identity=True)
SERVERLESS = ClusterDetails("serverless", "Standard_E4ds_v5", is_spot=True, max_nodes=2, has_identity=True)


@pytest.fixture
def sdk():
    return pytest.importorskip("azure.ai.ml", reason='needs make install GROUPS="azure"')


class DataAssets:
    """The data assets of a workspace, in which another run may be faster."""

    def __init__(self, versions, faster_runs=0):
        self.versions, self.faster_runs = list(versions), faster_runs

    def list(self, name):
        return [self.get(name, version) for version in self.versions]

    def get(self, name, version):
        return SimpleNamespace(name=name, version=version, tags={}, path="azureml://x", type="uri_file")

    def create_or_update(self, asset):
        if self.faster_runs:
            self.faster_runs -= 1
            self.versions.append(asset.version)
            raise RuntimeError("(UserError) A data version with this name and version already exists.")
        assert asset.version not in self.versions
        self.versions.append(asset.version)
        self.registered = asset


def workspace_with(data):
    return SimpleNamespace(client=SimpleNamespace(data=data))


def register(data):
    return tables.register(workspace_with(data), "millrace", "a/b.parquet", None, "flights", "", {"rows": "2"})


def test_the_newest_version_has_the_highest_number(sdk):
    newest = tables.get(workspace_with(DataAssets(["2", "10", "9", "draft"])), "flights")
    assert (newest.version, newest.address) == (10, "azureml:flights:10")


@pytest.mark.parametrize(("existing", "faster_runs", "expected"), [([], 0, "1"), (["1", "7"], 0, "8"), (["1"], 3, "5")])
def test_a_new_version_never_replaces_another(sdk, existing, faster_runs, expected):
    data = DataAssets(existing, faster_runs)
    assert register(data) == f"azureml:flights:{expected}"
    assert data.registered.path == "azureml://datastores/millrace/paths/a/b.parquet"


def test_a_registration_that_azure_rejects_for_another_reason_fails(sdk):
    data = DataAssets([])
    data.create_or_update = lambda asset: (_ for _ in ()).throw(RuntimeError("(Forbidden) no permission"))
    with pytest.raises(RuntimeError, match="no permission"):
        register(data)


def test_a_folder_or_mltable_is_not_read_as_a_table():
    table = TableVersion("flights", 3, {}, "azureml://x", kind="mltable")
    with pytest.raises(DataError, match="flights, version 3, is of the type mltable, but azure_sdk: v2 reads"):
        tables.read(None, table, None)


@pytest.mark.parametrize("prefix", ["", "subscriptions/s/resourcegroups/r/workspaces/w/"])
def test_addresses_are_shortened_to_the_datastore(prefix):
    address = f"azureml://{prefix}datastores/millrace/paths/a/datastores/b.parquet"
    assert tables.short_address(address) == "azureml://datastores/millrace/paths/a/datastores/b.parquet"


class Jobs:
    """The jobs of a workspace; the submitted one is kept."""

    def create_or_update(self, job):
        self.job = job
        return SimpleNamespace(name=job.name, studio_url="https://ml.azure.com/runs/x")


@pytest.fixture
def submitted(sdk, tmp_path):
    """Return a function that submits a job on a cluster, and returns the SDK's job."""

    def submit(cluster):
        client = SimpleNamespace(jobs=Jobs())
        request = JobRequest(
            folder=tmp_path,
            command=("python", "-m", "x"),
            experiment="flights",
            cluster=cluster,
            environment=EnvironmentReference("millrace", "abc"),
            timeout_seconds=90,
            inputs={"train_data": "azureml:flights-train:3"},
            tags={"stage": "train"},
            identity=IDENTITY,
        )
        job = jobs.submit(SimpleNamespace(client=client), request)
        assert job.id == client.jobs.job.name and job.id.startswith("flights_")
        return client.jobs.job

    return submit


def test_a_job_on_a_cluster_uses_the_clusters_identity(submitted):
    job = submitted(CLUSTER)
    assert (job.compute, job.identity, job.limits.timeout) == ("gpu", None, 90)
    assert job.tags == {"stage": "train", "millrace_job": "command"}


def test_a_serverless_job_has_a_machine_an_identity_and_a_tier(submitted):
    job = submitted(SERVERLESS)
    assert job.compute is None and job.resources["instance_type"] == "Standard_E4ds_v5"
    assert job.identity.resource_id == IDENTITY and job.queue_settings.job_tier == "Spot"


@pytest.mark.parametrize("cluster", [CLUSTER, SERVERLESS], ids=["cluster", "serverless"])
def test_a_search_reads_an_mltable_as_a_managed_identity(sdk, cluster):
    uploaded = {}
    store = SimpleNamespace(
        download=lambda uri: b"parquet",
        upload=lambda content, path: uploaded.update({path: content}),
        uri=lambda path: f"azureml://datastores/millrace/paths/{path}",
    )
    settings = {
        "task": "classification",
        "primary_metric": "AUC_weighted",
        "label_column_name": "late",
        "iterations": 3,
        "experiment_timeout_hours": 0.5,
        "max_concurrent_iterations": 2,
        "enable_voting_ensemble": True,
        "blocked_models": ["KNN"],
    }
    client = SimpleNamespace(jobs=Jobs(), data=DataAssets(["1"]))
    request = SearchRequest(settings, "azureml:flights:1", "flights", cluster, "flights/automl", IDENTITY)
    automl.submit(SimpleNamespace(client=client), request, store)
    search = client.jobs.job._to_rest_object().as_dict()["properties"]
    folder = search["taskDetails"]["trainingData"]["uri"].partition("/paths/")[2]
    assert uploaded[f"{folder}/MLTable"].startswith(b"paths:") and uploaded[f"{folder}/table.parquet"] == b"parquet"
    assert search["identity"]["identityType"] == "Managed"
    assert search["taskDetails"]["primaryMetric"] == "AUCWeighted"
    assert search["taskDetails"]["trainingSettings"]["blockedTrainingAlgorithms"] == ["KNN"]
    assert search["taskDetails"]["limitSettings"]["timeout"] == "PT30M"
    assert search.get("computeId") == (None if cluster is SERVERLESS else "gpu")


def test_only_jobs_are_found_among_mlflow_runs():
    runs = [
        SimpleNamespace(info=SimpleNamespace(run_id=run_id), data=SimpleNamespace(tags=tags))
        for run_id, tags in (("a", {"millrace_job": "command"}), ("b", {"stage": "train"}))
    ]
    assert [job.id for job in jobs.find_jobs(None, runs)] == ["a"]


def test_a_folder_of_a_job_is_downloaded_without_its_neighbours(tmp_path):
    names = ["model/MLmodel", "model/pages/a.py", "model/pages.py", "models/other"]
    blobs = {f"ExperimentRun/dcid.run_1/{name}": name.encode() for name in names}
    artifacts = SimpleNamespace(
        list_blob_names=lambda name_starts_with: [name for name in blobs if name.startswith(name_starts_with)],
        download_blob=lambda name: SimpleNamespace(readall=lambda: blobs[name]),
    )
    jobs.get(SimpleNamespace(artifacts=artifacts), "run_1").download_folder("model", tmp_path)
    files = {str(path.relative_to(tmp_path)) for path in Path(tmp_path).rglob("*") if path.is_file()}
    assert files == set(names[:3])


@pytest.mark.parametrize(("status", "expected"), [(200, "hunter2"), (404, None)])
def test_secrets_are_read_from_the_vault(monkeypatch, status, expected):
    workspace = Workspace.__new__(Workspace)
    workspace._native = SimpleNamespace(key_vault="/subscriptions/s/providers/Microsoft.KeyVault/vaults/kv-1")
    workspace._login = SimpleNamespace(
        credential=SimpleNamespace(get_token=lambda scope: SimpleNamespace(token=f"for {scope}"))
    )
    calls = []

    def get(address, headers, timeout):
        calls.append((address, headers["Authorization"]))
        return SimpleNamespace(status_code=status, json=lambda: {"value": "hunter2"}, raise_for_status=lambda: None)

    monkeypatch.setattr("requests.get", get)
    assert workspace.read_secret("sales") == expected
    expected_call = "https://kv-1.vault.azure.net/secrets/sales?api-version=7.4"
    assert calls == [(expected_call, "Bearer for https://vault.azure.net/.default")]
