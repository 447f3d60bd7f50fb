"""Long-running operations and their polling."""

from typing import Any

from .. import names
from ..messages import Call, Reply, not_found, now, reply
from ..routing import Routes
from ..store import Operation

routes = Routes(names.ARM_HOST)
PLACE = "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
# Seconds between polls; the default of azure-ai-ml is 30 s.
RETRY = {"Retry-After": "1"}


def accepted(operation: Operation, kind: str, api_version: str, status: int = 202, content: Any = None) -> Reply:
    """Return the reply that starts an operation and contains its polling URL."""
    place = PLACE.format(subscription=names.SUBSCRIPTION, location=names.LOCATION)
    address = f"https://{names.ARM_HOST}{place}/{kind}/{operation.id}?api-version={api_version}"
    headers = {"Azure-AsyncOperation": address, "x-ms-async-operation-timeout": "PT1H30M"} | RETRY
    if status == 202:
        headers["Location"] = address.replace("Status", "Results")
        return Reply(202, headers=headers)
    return reply(content, status, **headers)


@routes.on("GET", PLACE + "/workspaceOperationsStatus/{identifier}", PLACE + "/mfeOperationsStatus/{identifier}")
def poll(azure, call: Call, subscription: str, location: str, identifier: str) -> Reply:
    operation = operation_of(azure, identifier)
    status, error = operation.status()
    content = {"id": call.path, "name": identifier, "status": status, "startTime": operation.started, "properties": {}}
    if status != "InProgress":
        content["endTime"] = now()
    if error:
        content["error"] = error
    return reply(content, **RETRY)


@routes.on("GET", PLACE + "/workspaceOperationsResults/{identifier}", PLACE + "/mfeOperationsResults/{identifier}")
def result(azure, call: Call, subscription: str, location: str, identifier: str) -> Reply:
    running = operation_of(azure, identifier).status()[0] == "InProgress"
    return Reply(202, headers=RETRY | {"Location": f"https://{call.host}{call.target}"}) if running else Reply(204)


def operation_of(azure, identifier: str) -> Operation:
    if identifier not in azure.store.operations:
        raise not_found(f"No operation {identifier}.")
    return azure.store.operations[identifier]
