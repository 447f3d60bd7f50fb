"""Environments for SDK version 1; `versions` serves them to SDK version 2."""

from typing import Any

from .. import names
from ..messages import Call, Reply, not_found, page, reply
from ..routing import Routes

routes = Routes(names.API_HOST)
BASE = "/environment/v1.0{WS}/environments"
CURATED = "AzureML-AutoML"


def curated() -> dict[str, dict[str, Any]]:
    """Return the environment of AutoML's jobs. The client reads only its name and Dockerfile."""
    docker = {
        "baseImage": None, "platform": {"os": "Linux", "architecture": "amd64"}, "enabled": False, "arguments": [],
        "baseDockerfile": "FROM mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04\n",
        "baseImageRegistry": {"address": None, "username": None, "password": None},
    }  # fmt: skip
    python = {
        "interpreterPath": "python", "userManagedDependencies": True, "baseCondaEnvironment": None,
        "condaDependencies": {"name": "project_environment", "channels": ["conda-forge"], "dependencies": []},
    }  # fmt: skip
    return {"1": with_defaults({"Docker": docker, "python": python, "Spark": {}}, CURATED, "1")}


def with_defaults(requested: dict[str, Any], name: str, version: str) -> dict[str, Any]:
    """Return an environment in the service's format, with keys in camel case."""
    known = {key[:1].lower() + key[1:]: value for key, value in requested.items()}
    return {
        "environmentVariables": {}, "python": None, "docker": None, "spark": None, "r": None,
        "inferencingStackVersion": None,
    } | known | {
        "name": name, "version": version,
        "assetId": f"azureml://locations/{names.LOCATION}/workspaces/{names.WORKSPACE_ID}"
                   f"/environments/{name}/versions/{version}",
    }  # fmt: skip


def environment_of(azure, name: str, version: str = "") -> dict[str, Any]:
    versions = azure.store.environments.get(name) or {}
    version = version or next(reversed(versions), "")
    if version not in versions:
        raise not_found(f"No environment exists for name: {name}, version: {version or None}")
    return versions[version]


@routes.on("PUT", BASE + "/{name}", BASE + "/{name}/versions/{version}")
def register(azure, call: Call, name: str, version: str = "") -> Reply:
    with azure.store.lock:
        versions = azure.store.environments.setdefault(name, {})
        newest = versions.get(next(reversed(versions), ""))
        if newest and not version and with_defaults(call.json, name, newest["version"]) == newest:
            return reply(newest)  # an identical environment is not a new version
        version = version or str(len(versions) + 1)
        versions[version] = with_defaults(call.json, name, version)
        return reply(versions[version])


@routes.on("GET", BASE + "/{name}", BASE + "/{name}/versions/{version}", BASE + "/{name}/labels/{label}")
def get(azure, call: Call, name: str, version: str = "", label: str = "") -> Reply:
    return reply(environment_of(azure, name, version))


@routes.on("GET", BASE)
def every(azure, call: Call) -> Reply:
    return page([environment_of(azure, name) for name in azure.store.environments])


@routes.on("GET", BASE + "/{name}/versions")
def versions_of(azure, call: Call, name: str) -> Reply:
    return page(list((azure.store.environments.get(name) or {}).values())[::-1])
