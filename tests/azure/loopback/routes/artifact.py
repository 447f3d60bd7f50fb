"""Artifacts: files of runs and uploads in the workspace's container."""

from typing import Any

from .. import names
from ..messages import Call, Reply, not_found, page, reply
from ..routing import Routes
from .history import RUN, below

routes = Routes(names.API_HOST)
BASE = "/artifact/v2.0{WS}/artifacts"
RUN_ORIGIN = "ExperimentRun"


def to_json(origin: str, container: str, path: str) -> dict[str, Any]:
    return {
        "artifactId": f"{origin}/{container}/{path}", "origin": origin, "container": container, "path": path,
        "etag": '"1"', "createdTime": None, "tags": {},
        "dataPath": {"dataStoreName": "workspaceartifactstore", "relativePath": f"{origin}/{container}/{path}"},
    }  # fmt: skip


def content(azure, origin: str, container: str, path: str) -> dict[str, Any]:
    uri = azure.blobs.sas_uri(names.ARTIFACT_CONTAINER, f"{origin}/{container}/{path}")
    return {"contentUri": uri, "origin": origin, "container": container, "path": path, "tags": {}}


def stored_paths(azure, origin: str, container: str, prefix: str = "") -> list[str]:
    paths = azure.store.artifacts.get((origin, container), {})
    return sorted(path for path in paths if path.startswith(prefix))


def existing_path(azure, origin: str, container: str, path: str) -> str:
    if path not in azure.store.artifacts.get((origin, container), {}):
        raise not_found(f"Artifact {origin}/{container}/{path} was not found.")
    return path


@routes.on("POST", BASE + "/batch/metadata/{origin}/{container}", BASE + "/{origin}/{container}/batch/metadata")
def create(azure, call: Call, origin: str, container: str) -> Reply:
    paths = [requested["path"] for requested in call.json["paths"]]
    with azure.store.lock:
        azure.store.artifacts.setdefault((origin, container), {}).update(dict.fromkeys(paths, {}))
    return reply({
        "artifacts": {path: to_json(origin, container, path) for path in paths},
        "artifactContentInformation": {path: content(azure, origin, container, path) for path in paths}, "errors": {},
    })  # fmt: skip


@routes.on("GET", BASE + "/contentinfo/{origin}/{container}/{path:path}")
def where(azure, call: Call, origin: str, container: str, path: str) -> Reply:
    return reply(content(azure, origin, container, existing_path(azure, origin, container, path)))


@routes.on("GET", BASE + "/{origin}/{container}/contentinfo")
def where_by_query(azure, call: Call, origin: str, container: str) -> Reply:
    return where(azure, call, origin, container, call.query.get("path", ""))


@routes.on("GET", BASE + "/prefix/contentinfo/{origin}/{container}/{prefix:path}")
def where_below(azure, call: Call, origin: str, container: str, prefix: str) -> Reply:
    return page([content(azure, origin, container, path) for path in stored_paths(azure, origin, container, prefix)])


@routes.on("GET", BASE + "/metadata/{origin}/{container}/{path:path}")
def metadata(azure, call: Call, origin: str, container: str, path: str) -> Reply:
    return reply(to_json(origin, container, existing_path(azure, origin, container, path)))


@routes.on("GET", BASE + "/{origin}/{container}", BASE + "/{origin}/{container}/{prefix:path}")
def listed(azure, call: Call, origin: str, container: str, prefix: str = "") -> Reply:
    return page([to_json(origin, container, path) for path in stored_paths(azure, origin, container, prefix)])


# The same operations on the artifacts of a run, as MLflow's plug-in calls them


@routes.on("POST", *below(RUN, "/artifacts/batch/metadata"))
def create_of_run(azure, call: Call, experiment: str, run_id: str) -> Reply:
    return create(azure, call, RUN_ORIGIN, azure.store.run(run_id).container)


@routes.on("GET", *below(RUN, "/artifacts"), *below(RUN, "/artifacts/path"))
def listed_of_run(azure, call: Call, experiment: str, run_id: str) -> Reply:
    return listed(azure, call, RUN_ORIGIN, azure.store.run(run_id).container, call.query.get("path", ""))


@routes.on("GET", *below(RUN, "/artifacts/contentinfo"))
def where_of_run(azure, call: Call, experiment: str, run_id: str) -> Reply:
    return where(azure, call, RUN_ORIGIN, azure.store.run(run_id).container, call.query.get("path", ""))


@routes.on("GET", *below(RUN, "/artifacts/prefix/contentinfo"))
def where_below_of_run(azure, call: Call, experiment: str, run_id: str) -> Reply:
    return where_below(azure, call, RUN_ORIGIN, azure.store.run(run_id).container, call.query.get("path", ""))
