"""Snapshots: the files of a job's folder."""

import uuid

from .. import names
from ..messages import Call, Reply, reply
from ..routing import Routes

routes = Routes(names.API_HOST)
NONE = "00000000-0000-0000-0000-000000000000"


@routes.on("GET", "/content/v1.0{WS}/snapshots/latest/metadata")
def latest(azure, call: Call) -> Reply:
    """Return an empty snapshot, so that clients upload every file."""
    root = {
        "name": "", "hash": None, "type": "Directory", "timestamp": "0001-01-01T00:00:00+00:00", "sasUrl": None,
        "absoluteUrl": None, "sizeBytes": 0, "sizeSet": False, "children": {},
    }  # fmt: skip
    return reply({
        "snapshotType": "LocalFiles", "id": NONE, "diskPath": None, "fileRevisionList": {}, "parentSnapshotIds": [],
        "rootSnapshotId": NONE, "tags": None, "properties": None, "root": root,
    })  # fmt: skip


@routes.on("POST", "/content/v2.0{WS}/snapshots/getblob")
def addresses(azure, call: Call) -> Reply:
    folder = uuid.uuid4().hex
    nodes = []
    for file in call.json["FileNames"]:
        nodes.append({"fullName": file, "blobUri": azure.blobs.sas_uri(names.SNAPSHOT_CONTAINER, f"{folder}/{file}")})
    return reply({"fileNodes": nodes})


@routes.on("POST", "/content/v2.0{WS}/snapshots/{snapshot}")
def create(azure, call: Call, snapshot: str) -> Reply:
    azure.store.snapshots[snapshot] = call.json
    return reply({"id": snapshot})
