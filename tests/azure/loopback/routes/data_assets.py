"""Data assets of SDK version 2: versioned addresses of files in a datastore."""

import re
from typing import Any

from .. import names
from ..messages import Call, ErrorReply, Reply, not_found, page, reply
from ..routing import Routes
from .datastore import datastore_of
from .versions import container, resource

routes = Routes(names.ARM_HOST)
VERSION = "{WS}/data/{name}/versions/{version}"


@routes.on("PUT", VERSION)
def put(azure, call: Call, name: str, version: str) -> Reply:
    requested = dict(call.json["properties"])
    requested["dataUri"] = full_address(azure, requested["dataUri"])
    with azure.store.lock:
        versions = azure.store.data.setdefault(name, {})
        if version in versions:
            changed = {key for key in ("dataUri", "dataType") if versions[version][key] != requested[key]}
            if changed:  # only tags and description of a version can be changed
                raise ErrorReply(409, "UserError", f"{name}:{version} exists already; {sorted(changed)} cannot change.")
        status = 200 if version in versions else 201
        versions[version] = requested
    return reply(resource("data", name, version, requested), status)


def full_address(azure, address: str) -> str:
    """Return the address of a file with its workspace, as Azure stores it."""
    match = re.search(r"datastores/([^/]+)/paths/(.+)$", address)
    if not match:
        raise ErrorReply(400, "UserError", f"the loopback Azure knows no data at {address!r}")
    datastore_of(azure, match[1])
    scope = f"subscriptions/{names.SUBSCRIPTION}/resourcegroups/{names.RESOURCE_GROUP}/workspaces/{names.WORKSPACE}"
    return f"azureml://{scope}/datastores/{match[1]}/paths/{match[2]}"


def versions_of(azure, name: str) -> dict[str, dict[str, Any]]:
    if name not in azure.store.data:
        raise not_found(f"Could not find asset with ID: {name}")
    return azure.store.data[name]


@routes.on("GET", VERSION)
def get(azure, call: Call, name: str, version: str) -> Reply:
    versions = versions_of(azure, name)
    if version not in versions:
        raise not_found(f"Could not find asset with ID: {name}:{version}")
    return reply(resource("data", name, version, versions[version]))


@routes.on("GET", "{WS}/data/{name}/versions")
def every(azure, call: Call, name: str) -> Reply:
    return page([resource("data", name, version, stored) for version, stored in versions_of(azure, name).items()][::-1])


@routes.on("GET", "{WS}/data/{name}")
def get_container(azure, call: Call, name: str) -> Reply:
    return container("data", name, list(versions_of(azure, name)))
