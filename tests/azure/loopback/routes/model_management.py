"""Models and their assets for SDK version 1."""

import datetime
import uuid
from typing import Any

from .. import names
from ..messages import Call, ErrorReply, Reply, not_found, now, page, reply
from ..registry import ModelVersion
from ..routing import Routes

routes = Routes(names.API_HOST)
BASE = "/modelmanagement/v1.0{WS}"


@routes.on("POST", BASE + "/assets")
def create_asset(azure, call: Call) -> Reply:
    identifier = uuid.uuid4().hex
    azure.store.assets[identifier] = call.json | {"id": identifier, "createdTime": now()}
    return reply(azure.store.assets[identifier])


@routes.on("GET", BASE + "/assets/{identifier}")
def get_asset(azure, call: Call, identifier: str) -> Reply:
    if identifier not in azure.store.assets:
        raise not_found(f"Asset {identifier} was not found.")
    return reply(azure.store.assets[identifier])


@routes.on("GET", BASE + "/assets")
def assets(azure, call: Call) -> Reply:
    run_id = call.query.get("runId")
    return page([asset for asset in azure.store.assets.values() if run_id in (None, asset.get("runid"))])


def asset_of(azure, model: ModelVersion) -> str:
    """Return the URL of a version's asset, which is created on first use if MLflow or SDK version 2 registered it."""
    if model.source.startswith("aml://asset/"):
        return model.source
    if "asset" not in model.details:
        identifier = uuid.uuid4().hex
        container, prefix = azure.registry.blob_locations(model.source)[0]
        if (
            container != names.ARTIFACT_CONTAINER
        ):  # files of a datastore are copied, so that the artifact service can serve them
            prefix = copy_to_artifacts(azure, container, prefix)
        artifacts = [{"prefix": prefix}]
        azure.store.assets[identifier] = {"id": identifier, "name": model.name, "artifacts": artifacts}
        azure.registry.details.setdefault((model.name, model.version), model.details)["asset"] = identifier
        record_artifacts(azure, prefix)
    return f"aml://asset/{azure.registry.details[model.name, model.version]['asset']}"


def copy_to_artifacts(azure, container: str, prefix: str) -> str:
    above = prefix.strip("/").rpartition("/")[0]
    target = f"LocalUpload/{uuid.uuid4().hex}"
    for name in azure.blobs.list(container, prefix):
        path = name[len(above) :].lstrip("/")
        azure.blobs.put(names.ARTIFACT_CONTAINER, f"{target}/{path}", azure.blobs.get(container, name))
    return f"{target}/{prefix.strip('/').rpartition('/')[2]}"


def record_artifacts(azure, prefix: str) -> None:
    for name in azure.blobs.list(names.ARTIFACT_CONTAINER, prefix):
        origin, container, path = name.split("/", 2)
        azure.store.artifacts.setdefault((origin, container), {})[path] = {}


def to_json(azure, model: ModelVersion) -> dict[str, Any]:
    """Return a model with every key that the client reads, even if it is always empty."""
    created = datetime.datetime.fromtimestamp(model.created_ms / 1000, datetime.UTC).isoformat()
    kept = ("framework", "frameworkVersion", "mimeType", "experimentName", "parentModelId", "sampleInputData",
            "sampleOutputData", "resourceRequirements")  # fmt: skip
    details = {key: model.details.get(key) for key in kept}
    return details | {
        "id": f"{model.name}:{model.version}", "name": model.name, "version": model.number, "stage": None,
        "framework": details["framework"] or "Custom", "url": asset_of(azure, model), "kvTags": model.tags,
        "description": model.description or None, "runId": model.run_id or None, "createdTime": created,
        "modifiedTime": created, "properties": model.details.get("properties") or {}, "derivedModelIds": [],
        "datasets": model.details.get("datasets") or [], "unpack": bool(model.details.get("unpack")),
        "createdBy": {"userObjectId": names.CLIENT, "userName": "loopback"},
    }  # fmt: skip


def model_of(azure, identifier: str) -> ModelVersion:
    name, _, version = identifier.partition(":")
    return azure.registry.get(name, version)


@routes.on("POST", BASE + "/models")
def register(azure, call: Call) -> Reply:
    requested = dict(call.json)
    tags = requested.pop("kvTags", None) or {}
    model = azure.registry.create(
        requested.pop("name"), requested.pop("url"), requested.pop("runId", ""), tags, **requested
    )
    return reply(to_json(azure, model))


@routes.on("GET", BASE + "/models/{identifier}")
def get(azure, call: Call, identifier: str) -> Reply:
    return reply(to_json(azure, model_of(azure, identifier)))


@routes.on("PATCH", BASE + "/models/{identifier}")
def patch(azure, call: Call, identifier: str) -> Reply:
    """Apply a JSON patch (RFC 6902) to the tags, the properties or the description."""
    model = model_of(azure, identifier)
    for change in call.json:
        path, value = change["path"].strip("/"), change.get("value")
        if path == "kvTags":
            azure.registry.set_tags(model, value)
        elif path == "description":
            azure.registry.describe(model, value)
        elif path == "properties":
            azure.registry.details.setdefault((model.name, model.version), {})["properties"] = value
        else:
            raise ErrorReply(400, "UserError", f"the loopback Azure cannot patch {change['path']} of a model")
    return get(azure, call, identifier)


@routes.on("DELETE", BASE + "/models/{identifier}")
def delete(azure, call: Call, identifier: str) -> Reply:
    azure.registry.delete(model_of(azure, identifier))
    return Reply(200)


@routes.on("GET", BASE + "/models")
def listed(azure, call: Call) -> Reply:
    query = call.query
    models = azure.registry.search(query.get("name", ""))
    for pair in filter(None, query.get("tags", "").split(",")):
        key, has_value, value = pair.partition("=")
        models = [model for model in models if key in model.tags and (not has_value or model.tags[key] == value)]
    for pair in filter(None, query.get("properties", "").split(",")):
        key, has_value, value = pair.partition("=")
        stored = [model.details.get("properties") or {} for model in models]
        models = [m for m, p in zip(models, stored, strict=True) if key in p and (not has_value or p[key] == value)]
    if query.get("runId"):
        models = [model for model in models if model.run_id == query["runId"]]
    if query.get("framework"):
        models = [model for model in models if model.details.get("framework") == query["framework"]]
    if query.get("latestVersionOnly", "").lower() == "true":
        newest: dict[str, ModelVersion] = {}
        for model in models:
            newest.setdefault(model.name, model)
        models = list(newest.values())
    return page([to_json(azure, model) for model in models[: int(query.get("count") or 255)]])
