"""Registered datasets with versions."""

import json
import uuid
from typing import Any

from .. import names
from ..messages import Call, ErrorReply, Reply, not_found, now, page, reply
from ..routing import Routes

routes = Routes(names.API_HOST)
BASE = "/dataset/v1.0{WS}"
UNREGISTERED = "unregistered-"


def save(azure, definition: dict[str, Any]) -> dict[str, Any]:
    """Store a definition, registered or not."""
    saved = {"properties": {}, "telemetryInfo": {}} | definition
    saved["id"] = saved.get("id") or str(uuid.uuid4())
    azure.store.saved_datasets[saved["id"]] = saved
    return saved


def version_of(dataset: dict[str, Any], version: str = "") -> dict[str, Any]:
    """Return a dataset in the service's format with one version, by default the newest."""
    versions = dataset["versions"]
    number = int(version) if version.isdigit() else len(versions)
    if not 1 <= number <= len(versions):
        raise not_found(f"No dataset {dataset['name']} with version {version} found in the workspace.")
    return {name: value for name, value in dataset.items() if name != "versions"} | {"latest": versions[number - 1]}


def dataset_named(azure, name: str) -> dict[str, Any]:
    if name not in azure.store.datasets:
        raise not_found(f"No dataset with name {name} found in the workspace.")
    return azure.store.datasets[name]


def dataset_with(azure, dataset_id: str) -> dict[str, Any]:
    for dataset in azure.store.datasets.values():
        if dataset["datasetId"] == dataset_id:
            return dataset
    raise not_found(f"No dataset with id {dataset_id} found in the workspace.")


@routes.on("POST", BASE + "/saveddatasets")
def create_saved(azure, call: Call) -> Reply:
    return reply(save(azure, call.json))


@routes.on("GET", BASE + "/saveddatasets/{identifier}")
def get_saved(azure, call: Call, identifier: str) -> Reply:
    if identifier not in azure.store.saved_datasets:
        raise not_found(f"No saved dataset {identifier}.")
    return reply(azure.store.saved_datasets[identifier])


@routes.on("POST", BASE + "/datasets")
def register(azure, call: Call) -> Reply:
    requested, name = call.json, call.json["name"]
    with azure.store.lock:
        dataset = azure.store.datasets.get(name)
        if dataset and "true" not in (call.query.get("ifExistsOk"), call.query.get("updateDefinitionIfExists")):
            raise ErrorReply(409, "UserError", f'There is already a dataset registered under name "{name}".')
        if dataset is None:
            dataset = azure.store.datasets[name] = {
                "datasetId": str(uuid.uuid4()), "name": name, "datasetState": {"state": "active"}, "etag": '"1"',
                "createdTime": now(), "description": requested.get("description") or "",
                "tags": requested.get("tags") or {},
                "isVisible": True, "datasetType": requested.get("datasetType"), "versions": [],
            }  # fmt: skip
        version = dict(requested.get("latest") or {})
        if not version.get("savedDatasetId"):
            definition = {"datasetType": requested.get("datasetType"), "dataflowJson": version.get("dataflow")}
            version["savedDatasetId"] = save(azure, definition)["id"]
        same = dataset["versions"] and dataset["versions"][-1].get("dataflow") == version.get("dataflow")
        if not (same and version.get("dataflow")):
            version |= {
                "datasetId": dataset["datasetId"], "versionId": str(len(dataset["versions"]) + 1),
                "datasetDefinitionState": {"state": "active"}, "createdTime": now(), "modifiedTime": now(),
                "properties": version.get("properties") or {},
            }  # fmt: skip
            dataset["versions"].append(version)
        dataset["modifiedTime"] = now()
        return reply(version_of(dataset))


@routes.on("GET", BASE + "/datasets/query/name={name}")
def by_name(azure, call: Call, name: str) -> Reply:
    return reply(version_of(dataset_named(azure, name), call.query.get("versionId", "")))


@routes.on("GET", BASE + "/datasets/query/savedDatasetId={identifier}")
def by_saved(azure, call: Call, identifier: str) -> Reply:
    versions = []
    for dataset in azure.store.datasets.values():
        for version in dataset["versions"]:
            if version["savedDatasetId"] == identifier:
                versions.append(version_of(dataset, version["versionId"]))
    return page(versions)


@routes.on("GET", BASE + "/datasets/{identifier}")
def by_id(azure, call: Call, identifier: str) -> Reply:
    return reply(version_of(dataset_with(azure, identifier), call.query.get("versionId", "")))


@routes.on("GET", BASE + "/datasets/{identifier}/definitions")
def definitions(azure, call: Call, identifier: str) -> Reply:
    return page(dataset_with(azure, identifier)["versions"][::-1])


@routes.on("GET", BASE + "/datasets/{identifier}/definitions/{version}")
def definition(azure, call: Call, identifier: str, version: str) -> Reply:
    return reply(version_of(dataset_with(azure, identifier), version)["latest"])


@routes.on("GET", BASE + "/datasets")
def every(azure, call: Call) -> Reply:
    return page([version_of(dataset) for dataset in azure.store.datasets.values()])


@routes.on("GET", "/data/v1.0{WS}/dataversion/{name}/versions/{version}")
def data_version(azure, call: Call, name: str, version: str) -> Reply:
    """Return a definition as MLTable, which the SDK reads."""
    if name.startswith(UNREGISTERED):
        identifier = name.removeprefix(UNREGISTERED)
    else:
        identifier = version_of(dataset_named(azure, name), version)["latest"]["savedDatasetId"]
    saved = azure.store.saved_datasets.get(identifier)
    if saved is None:
        raise not_found(f"No saved dataset {identifier}.")
    data = {"assetId": name, "dataContainerName": name, "dataType": "MLTable", "dataUri": None, "versionId": version}
    return reply({
        "dataVersion": data | {"properties": {}}, "entityMetadata": {"etag": "1", "createdTime": now()},
        "legacyDatasetId": None, "isV2": False, "legacyDatasetType": saved["datasetType"],
        "legacyDataflowType": "RSLex", "legacySavedDatasetId": identifier,
        "legacyDataflow": json.loads(saved["dataflowJson"])["meta"]["RsDataflow"],
    })  # fmt: skip
