"""Models, code and environments for SDK version 2: versioned assets in ARM."""

import uuid
from typing import Any

import yaml

from .. import names
from ..messages import Call, ErrorReply, Reply, not_found, now, page, reply
from ..registry import ModelVersion
from ..routing import Routes
from .environment import with_defaults

routes = Routes(names.ARM_HOST)


def resource(kind: str, name: str, version: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{names.WORKSPACE_PATH}/{kind}/{name}/versions/{version}", "name": version,
        "type": f"Microsoft.MachineLearningServices/workspaces/{kind}/versions",
        "properties": {"tags": {}, "properties": {}, "isArchived": False, "isAnonymous": False} | properties
        | {"provisioningState": "Succeeded"},
        "systemData": {"createdAt": now(), "createdBy": "loopback", "createdByType": "Application",
                       "lastModifiedAt": now()},
    }  # fmt: skip


def container(kind: str, name: str, versions: list[str]) -> Reply:
    if not versions:
        raise not_found(f"{kind} container {name} not found.")
    numbers = [int(version) for version in versions if version.isdigit()]
    return reply({
        "id": f"{names.WORKSPACE_PATH}/{kind}/{name}", "name": name,
        "type": f"Microsoft.MachineLearningServices/workspaces/{kind}",
        "properties": {"latestVersion": versions[-1], "nextVersion": str(max(numbers, default=0) + 1), "tags": {},
                       "properties": {}, "isArchived": False},
    })  # fmt: skip


# Models


def model_resource(model: ModelVersion) -> dict[str, Any]:
    properties = {
        "modelType": "mlflow_model" if model.source.startswith(("runs:", "azureml://")) else "custom_model",
        "flavors": {}, "stage": None,
    } | model.details.get("v2", {}) | {"tags": model.tags, "description": model.description}  # fmt: skip
    properties["modelUri"] = model.source
    if model.run_id:
        properties["jobName"] = model.run_id
    return resource("models", model.name, model.version, properties)


@routes.on("PUT", "{WS}/models/{name}/versions/{version}")
def put_model(azure, call: Call, name: str, version: str) -> Reply:
    requested = call.json["properties"]
    stored = {model.version: model for model in azure.registry.search(name)}
    if version in stored:
        azure.registry.set_tags(stored[version], requested.get("tags") or {})
        azure.registry.describe(stored[version], requested.get("description") or "")
        return reply(model_resource(azure.registry.get(name, version)))
    expected = str(max(map(int, stored), default=0) + 1)
    if version != expected:
        raise ErrorReply(
            400, "UserError", f"the loopback Azure's registry counts: version {expected} of {name} comes next"
        )
    v2 = {key: value for key, value in requested.items() if key not in ("tags", "description")}
    run_id = requested.get("jobName") or ""
    tags, description = requested.get("tags") or {}, requested.get("description") or ""
    model = azure.registry.create(name, requested["modelUri"], run_id, tags, description=description, v2=v2)
    return reply(model_resource(model), 201)


@routes.on("GET", "{WS}/models/{name}/versions/{version}")
def get_model(azure, call: Call, name: str, version: str) -> Reply:
    return reply(model_resource(azure.registry.get(name, version)))


@routes.on("GET", "{WS}/models/{name}/versions")
def model_versions(azure, call: Call, name: str) -> Reply:
    return page([model_resource(model) for model in azure.registry.search(name)])


@routes.on("GET", "{WS}/models/{name}")
def model_container(azure, call: Call, name: str) -> Reply:
    return container("models", name, [model.version for model in azure.registry.search(name)][::-1])


# Code


@routes.on("POST", "{WS}/codes/{name}/versions/{version}/startPendingUpload")
def start_upload(azure, call: Call, name: str, version: str) -> Reply:
    place = f"code-{name[:40]}-{version}".lower()
    account = f"{names.PROVIDERS}/Microsoft.Storage/storageAccounts/{names.STORAGE_ACCOUNT}"
    return reply({
        "pendingUploadId": str(uuid.uuid4()), "pendingUploadType": "TemporaryBlobReference",
        "blobReferenceForConsumption": {
            "blobUri": f"https://{names.BLOB_HOST}/{place}", "storageAccountArmId": account, "isSingleFile": False,
            "credential": {"credentialType": "SAS", "sasUri": azure.blobs.container_sas_uri(place)},
        },
    })  # fmt: skip


@routes.on("PUT", "{WS}/codes/{name}/versions/{version}")
def put_code(azure, call: Call, name: str, version: str) -> Reply:
    azure.store.codes.setdefault(name, {})[version] = resource("codes", name, version, call.json["properties"])
    return reply(azure.store.codes[name][version], 201)


@routes.on("GET", "{WS}/codes/{name}/versions/{version}")
def get_code(azure, call: Call, name: str, version: str) -> Reply:
    if version not in azure.store.codes.get(name, {}):
        raise not_found(f"Code {name}:{version} not found.")
    return reply(azure.store.codes[name][version])


@routes.on("GET", "{WS}/codes/{name}/versions")
def code_versions(azure, call: Call, name: str) -> Reply:
    return page(list(azure.store.codes.get(name, {}).values()))


# Environments


def environment_resource(name: str, stored: dict[str, Any]) -> dict[str, Any]:
    v2 = stored.get("v2")
    if v2 is None:
        docker, python = stored.get("docker") or {}, stored.get("python") or {}
        v2 = {
            "image": docker.get("baseImage"),
            "condaFile": as_yaml(python.get("condaDependencies")),
            "osType": "Linux",
        }
    return resource("environments", name, stored["version"], v2 | {"environmentType": "UserCreated", "osType": "Linux"})


def as_yaml(content: Any) -> str | None:

    return yaml.safe_dump(content) if content else None


@routes.on("PUT", "{WS}/environments/{name}/versions/{version}")
def put_environment(azure, call: Call, name: str, version: str) -> Reply:

    requested = call.json["properties"]
    conda = yaml.safe_load(requested["condaFile"]) if requested.get("condaFile") else None
    python = {"condaDependencies": conda, "userManagedDependencies": conda is None, "interpreterPath": "python"}
    docker = {"baseImage": requested.get("image"), "baseDockerfile": None, "enabled": True}
    stored = with_defaults({"python": python, "docker": docker, "v2": requested}, name, version)
    azure.store.environments.setdefault(name, {})[version] = stored
    return reply(environment_resource(name, stored), 201)


@routes.on("GET", "{WS}/environments/{name}/versions/{version}")
def get_environment(azure, call: Call, name: str, version: str) -> Reply:
    versions = azure.store.environments.get(name, {})
    if version not in versions:
        raise not_found(f"Environment {name}:{version} not found.")
    return reply(environment_resource(name, versions[version]))


@routes.on("GET", "{WS}/environments/{name}/versions")
def environment_versions(azure, call: Call, name: str) -> Reply:
    versions = azure.store.environments.get(name, {})
    return page([environment_resource(name, stored) for stored in versions.values()][::-1])


@routes.on("GET", "{WS}/environments/{name}")
def environment_container(azure, call: Call, name: str) -> Reply:
    return container("environments", name, list(azure.store.environments.get(name, {})))
