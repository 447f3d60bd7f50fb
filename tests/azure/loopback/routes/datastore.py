"""Datastores: blob containers with their credentials."""

from typing import Any

from .. import names
from ..messages import Call, ErrorReply, Reply, not_found, page, reply
from ..routing import Routes

routes = Routes(names.API_HOST)
arm = Routes(names.ARM_HOST)
DEFAULT, ARTIFACTS = "workspaceblobstore", "workspaceartifactstore"
BASE = "/datastore/v1.0{WS}"


def default_datastore(key: str) -> dict[str, Any]:
    section = {"accountName": names.STORAGE_ACCOUNT, "containerName": names.BLOBSTORE_CONTAINER}
    return with_defaults({
        "name": DEFAULT, "dataStoreType": "AzureBlob",
        "azureStorageSection": section | {"credentialType": "AccountKey", "credential": key},
    })  # fmt: skip


def artifact_datastore(key: str) -> dict[str, Any]:
    """Return the datastore with the files of all runs."""
    section = {"accountName": names.STORAGE_ACCOUNT, "containerName": names.ARTIFACT_CONTAINER}
    return with_defaults({
        "name": ARTIFACTS, "dataStoreType": "AzureBlob",
        "azureStorageSection": section | {"credentialType": "AccountKey", "credential": key},
    })  # fmt: skip


def with_defaults(datastore: dict[str, Any]) -> dict[str, Any]:
    """Return a datastore in the service's format, including the address that clients omit."""
    section = datastore.get("azureStorageSection") or {}
    kind, credential = section.get("credentialType"), section.get("credential")
    section.update({
        "endpoint": section.get("endpoint") or "core.windows.net", "protocol": section.get("protocol") or "https",
        "accountKey": credential if kind == "AccountKey" else None, "isSas": kind == "Sas",
        "sasToken": credential if kind == "Sas" else None, "subscriptionId": names.SUBSCRIPTION,
        "resourceGroup": names.RESOURCE_GROUP,
    })  # fmt: skip
    return datastore | {"azureStorageSection": section, "hasBeenValidated": True, "tags": datastore.get("tags") or {}}


def datastore_of(azure, name: str) -> dict[str, Any]:
    if name not in azure.store.datastores:
        raise not_found(f"Could not find datastore: {name}")
    return azure.store.datastores[name]


@routes.on("POST", BASE + "/datastores")
def create(azure, call: Call) -> Reply:
    name = call.json["name"]
    if name in azure.store.datastores:
        # The client searches the message for these words.
        raise ErrorReply(400, "UserError", "Another datastore with the same name already exists")
    azure.store.datastores[name] = with_defaults(dict(call.json))
    return Reply(200)


@routes.on("PUT", BASE + "/datastores/{name}")
def update(azure, call: Call, name: str) -> Reply:
    azure.store.datastores[name] = with_defaults(dict(call.json))
    return Reply(200)


@routes.on("GET", BASE + "/datastores/{name}")
def get(azure, call: Call, name: str) -> Reply:
    return reply(datastore_of(azure, name))


@routes.on("DELETE", BASE + "/datastores/{name}")
def delete(azure, call: Call, name: str) -> Reply:
    azure.store.datastores.pop(name, None)
    return Reply(200)


@routes.on("GET", BASE + "/datastores")
def every(azure, call: Call) -> Reply:
    return page(list(azure.store.datastores.values()))


@routes.on("GET", BASE + "/default")
def default(azure, call: Call) -> Reply:
    return reply(datastore_of(azure, DEFAULT))


# Datastores for SDK version 2


def resource(datastore: dict[str, Any]) -> dict[str, Any]:
    section, name = datastore["azureStorageSection"], datastore["name"]
    return {
        "id": f"{names.WORKSPACE_PATH}/datastores/{name}", "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/datastores",
        "properties": {
            "datastoreType": datastore["dataStoreType"], "isDefault": name == DEFAULT, "description": None,
            "credentials": {"credentialsType": section.get("credentialType") or "None"},
            "accountName": section["accountName"], "containerName": section["containerName"],
            "endpoint": section["endpoint"], "protocol": section["protocol"], "tags": {}, "properties": {},
            "serviceDataAccessAuthIdentity": "None", "subscriptionId": names.SUBSCRIPTION,
            "resourceGroup": names.RESOURCE_GROUP,
        },
    }  # fmt: skip


@arm.on("GET", "{WS}/datastores")
def list_resources(azure, call: Call) -> Reply:
    chosen = azure.store.datastores.values()
    if call.query.get("isDefault", "").lower() == "true":
        chosen = [datastore_of(azure, DEFAULT)]
    return page([resource(datastore) for datastore in chosen])


@arm.on("GET", "{WS}/datastores/{name}")
def get_resource(azure, call: Call, name: str) -> Reply:
    return reply(resource(datastore_of(azure, name)))


@arm.on("PUT", "{WS}/datastores/{name}")
def put_resource(azure, call: Call, name: str) -> Reply:
    requested = call.json["properties"]
    section = {key: requested.get(key) for key in ("accountName", "containerName", "endpoint", "protocol")}
    kind = (requested.get("credentials") or {}).get("credentialsType") or "None"
    if kind != "None":
        raise ErrorReply(400, "UserError", f"the loopback Azure registers no datastore with credentials of {kind}")
    azure.store.datastores[name] = with_defaults({
        "name": name, "dataStoreType": requested["datastoreType"], "azureStorageSection": section,
    })  # fmt: skip
    return reply(resource(azure.store.datastores[name]), 201)


@arm.on("POST", "{WS}/datastores/{name}/listSecrets")
def secrets(azure, call: Call, name: str) -> Reply:
    section = datastore_of(azure, name)["azureStorageSection"]
    if section.get("credentialType") == "Sas":
        return reply({"secretsType": "Sas", "sasToken": section["credential"]})
    if not section.get("credential"):
        raise ErrorReply(400, "UserError", f"The datastore {name} has no secrets.")
    return reply({"secretsType": "AccountKey", "key": section["credential"]})
