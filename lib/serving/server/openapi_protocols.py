"""The part of the OpenAPI document that describes the other protocols, health, metadata and metrics."""

from __future__ import annotations

from typing import Any

from lib.serving.server.protocols.mlflow_scoring import FORMATS
from lib.serving.server.protocols.tensors import DATATYPES

_TEXT = {"type": "string"}
_SHAPE = {"type": "array", "items": {"type": "integer"}}


def paths(statuses: dict[str, str], max_rows: int) -> dict[str, Any]:
    """Return the paths.

    Parameters
    ----------
    statuses : dict of str to str
        The meanings of the statuses of refused scoring requests.
    max_rows : int
        The maximum number of rows of a request.
    """
    name, version = _path_parameter("name"), _path_parameter("version")
    statuses = {status: meaning for status, meaning in statuses.items() if status != "422"}
    result = {"/invocations": {"post": _invocations(statuses, max_rows)}}
    for suffix, path, parameters in (
        ("", "/v2/models/{name}", [name]),
        ("_of_version", "/v2/models/{name}/versions/{version}", [name, version]),
    ):
        result[f"{path}/infer"] = {"post": _infer(f"infer{suffix}", statuses, parameters)}
        result[path] = _get(f"model{suffix}", "Return the model's versions and tensors", "Model", parameters)
        result[f"{path}/ready"] = _get(f"model_ready{suffix}", "Check that the model can answer", "Ready", parameters)
    return result | {
        "/v2/": _get("server", "Return name, version and extensions of the server", "Server"),
        "/v2/health/live": _get("server_live", "Check that the server runs", "Live"),
        "/v2/health/ready": _get("server_ready", "Check that the server can answer", "Ready"),
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "summary": "Return the metrics for Prometheus; other machines need the key",
                "responses": {
                    "200": _response("The metrics", _TEXT, "text/plain"),
                    "401": _response("The key is missing or wrong.", _reference("Error")),
                },
            }
        },
        "/ping": {
            "get": {
                "operationId": "ping",
                "summary": "Check that the model can answer, as MLflow does",
                "responses": {"200": {"description": "It can"}, "404": {"description": "It cannot"}},
            }
        },
        "/version": {
            "get": {
                "operationId": "mlflow_version",
                "summary": "Return the version of MLflow that saved the model",
                "responses": {"200": {"description": "The version"}},
            }
        },
    }


def schemas() -> dict[str, Any]:
    """Return the schemas to which the paths refer."""
    data = {"type": "array", "items": {"type": ["number", "string", "boolean", "null", "array"]}}
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "properties": {"name": _TEXT, "shape": _SHAPE, "datatype": {"enum": list(DATATYPES)}, "data": data},
    }
    description = {
        "type": "object",
        "required": ["name", "datatype", "shape"],
        "properties": {"name": _TEXT, "datatype": {"enum": list(DATATYPES)}, "shape": _SHAPE},
    }
    tensors, descriptions = {"type": "array", "items": tensor}, {"type": "array", "items": description}
    parameters = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
    return {
        "InferRequest": _object(
            ["inputs"],
            id=_TEXT,
            parameters={"type": "object"},
            inputs={**tensors, "minItems": 1},
            outputs={"type": "array", "items": _object(["name"], name=_TEXT)},
        ),
        "InferAnswer": _object(
            ["model_name", "outputs"],
            model_name=_TEXT,
            model_version=_TEXT,
            id=_TEXT,
            parameters=parameters,
            outputs=tensors,
        ),
        "Model": _object(
            ["name", "platform"],
            name=_TEXT,
            versions={"type": "array", "items": _TEXT},
            platform=_TEXT,
            inputs=descriptions,
            outputs=descriptions,
        ),
        "Server": _object(
            ["name", "version", "extensions"],
            name=_TEXT,
            version=_TEXT,
            extensions={"type": "array", "items": _TEXT},
        ),
        "Live": _object(["live"], live={"type": "boolean"}),
        "Ready": _object(["ready"], ready={"type": "boolean"}),
        "InferError": _object(["error"], error=_TEXT),
        "MlflowError": _object(["error_code", "message"], error_code=_TEXT, message=_TEXT),
    }


def _invocations(statuses: dict[str, str], max_rows: int) -> dict[str, Any]:
    rows: dict[str, Any] = {"type": "array", "minItems": 1, "maxItems": max_rows}
    shapes = {
        "dataframe_split": _reference("Table"),
        "dataframe_records": _reference("Rows"),
        "instances": rows,
        "inputs": {"type": ["array", "object"]},
    }
    request = {
        "oneOf": [
            {
                "type": "object",
                "required": [key],
                "properties": {key: shapes[key], "params": {"type": "object"}},
                "additionalProperties": False,
            }
            for key in FORMATS
        ]
    }
    content = {"application/json": {"schema": request}, "text/csv": {"schema": _TEXT}}
    return {
        "operationId": "invocations",
        "summary": "Return a prediction for each row, as mlflow models serve does",
        "security": [{"key": []}],
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": _response("The predictions", _reference("Answer")),
            **{status: _response(meaning, _reference("MlflowError")) for status, meaning in statuses.items()},
        },
    }


def _infer(operation: str, statuses: dict[str, str], parameters: list[dict[str, Any]]) -> dict[str, Any]:
    statuses = {**statuses, "404": "There is no such model or version."}
    del statuses["415"]
    return {
        "operationId": operation,
        "summary": "Return the tensors predictions and probabilities (Open Inference Protocol v2)",
        "security": [{"key": []}],
        "parameters": parameters,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _reference("InferRequest")}},
        },
        "responses": {
            "200": _response("The predictions", _reference("InferAnswer")),
            **{status: _response(meaning, _reference("InferError")) for status, meaning in statuses.items()},
        },
    }


def _get(operation: str, summary: str, schema: str, parameters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    responses = {"200": _response("As asked for", _reference(schema))}
    if parameters:
        responses["404"] = _response("There is no such model or version.", _reference("InferError"))
    responses["503"] = _response("No version of the model is ready.", {"type": "object"})
    content = {"operationId": operation, "summary": summary, "responses": responses}
    return {"get": content | ({"parameters": parameters} if parameters else {})}


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _response(description: str, schema: dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}
