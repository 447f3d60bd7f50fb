"""The service described for programs, made from the model's signature."""

from __future__ import annotations

from typing import Any

from lib.scoring.model import Model
from lib.scoring.requests import Limits

REFUSALS = {
    "400": "The body is not JSON in UTF-8, or not one of the shapes.",
    "401": "No valid key.",
    "413": "Too many bytes or rows.",
    "415": "Not application/json.",
    "422": "Rows that do not fit the model; the faults name row and column.",
    "429": "Too many requests wait already.",
    "503": "No version of the model is ready.",
    "504": "The model took too long.",
}


def describe(model: Model, limits: Limits, has_probabilities: bool) -> dict[str, Any]:
    """OpenAPI 3.1 document of a model's service.

    Parameters
    ----------
    model : Model
        Its columns become the schema of a row, its example the example.
    limits : Limits
        Become ``maxItems``.
    has_probabilities : bool
        Whether answers have them.
    """
    row = _row(model)
    names = [column.name for column in model.columns]
    rows = {"type": "array", "items": _schema("Row"), "minItems": 1, "maxItems": limits.rows}
    # Whether each list has as many values as there are columns is more than JSON schema can say.
    table = {
        "type": "object",
        "required": ["columns", "data"],
        "additionalProperties": False,
        "properties": {
            "columns": {"type": "array", "items": {"enum": names}, "uniqueItems": True},
            "index": {"type": "array"},
            "data": {"type": "array", "items": {"type": "array"}, "minItems": 1, "maxItems": limits.rows},
        },
    }
    as_rows, as_table = _schema("Rows"), _schema("Table")
    request = {
        "oneOf": [
            _only("data", as_rows),
            _only("input_data", {"oneOf": [as_rows, as_table]}),
            _only("dataframe_split", as_table),
            _only("dataframe_records", as_rows),
        ]
    }
    score = {
        "operationId": "score",
        "summary": "Predictions for rows, in their order",
        "security": [{"key": []}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": request, "examples": examples(model)}},
        },
        "responses": {
            "200": _answer("The predictions", _schema("Answer")),
            **{status: _answer(words, _schema("RequestError")) for status, words in REFUSALS.items()},
        },
    }
    plain = {"type": "object"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{model.name or 'model'}: real-time endpoint",
            "version": str(model.version or "0"),
            "x-model": {"name": model.name, "version": model.version},
        },
        "paths": {
            "/score": {"post": score},
            "/health": {
                "get": {
                    "operationId": "health",
                    "summary": "The process lives",
                    "responses": {"200": _answer("It does", plain)},
                }
            },
            "/ready": {
                "get": {
                    "operationId": "ready",
                    "summary": "The model can answer",
                    "responses": {"200": _answer("It can", plain)},
                }
            },
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Row": row,
                "Rows": rows,
                "Table": table,
                "Answer": _prediction(has_probabilities),
                "RequestError": _refusal(),
            },
        },
    }


def examples(model: Model) -> dict[str, Any]:
    """The model's own example row, in the two shapes most used."""
    if model.example is None:
        return {}
    names, values = list(model.example), list(model.example.values())
    return {
        "records": {"value": {"data": [model.example]}},
        "table": {"value": {"input_data": {"columns": names, "data": [values]}}},
    }


def _row(model: Model) -> dict[str, Any]:
    properties = {}
    for column in model.columns:
        statistics = model.baseline.get(column.name, {})
        properties[column.name] = {**column.schema}
        if statistics.get("minimum") is not None:
            properties[column.name]["description"] = (
                f"In training from {statistics['minimum']} to {statistics['maximum']}."
            )
        elif statistics.get("categories"):
            # Not an enum: a category unseen in training is answered, too.
            properties[column.name]["examples"] = list(statistics["categories"])[:20]
    return {
        "type": "object",
        "properties": properties,
        "required": [column.name for column in model.columns if not column.nullable],
        "additionalProperties": False,
    }


def _schema(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _only(key: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [key], "properties": {key: schema}, "additionalProperties": False}


def _answer(words: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _prediction(has_probabilities: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "predictions": {"type": "array"},
        "model": {
            "type": "object",
            "properties": {"name": {"type": ["string", "null"]}, "version": {"type": ["string", "null"]}},
        },
    }
    if has_probabilities:
        properties["probabilities"] = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
        properties["classes"] = {"type": "array", "description": "The columns of the probabilities."}
    return {"type": "object", "required": list(properties), "properties": properties}


def _refusal() -> dict[str, Any]:
    place = {
        "row": {"type": "integer"},
        "column": {"type": "string"},
        "got": {"type": "string"},
        "expected": {"type": "string"},
    }
    error = {
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": {"type": "string"},
            "message": {"type": "string"},
            "faults": {"type": "array", "items": {"type": "object", "properties": place}},
        },
    }
    return {"type": "object", "required": ["error"], "properties": {"error": error}}
