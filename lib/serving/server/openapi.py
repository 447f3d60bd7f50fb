"""The OpenAPI description of an endpoint, made from the model's signature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.scoring.intervals import Coverage, PredictionIntervals
from lib.scoring.json_body import MAX_REASONS, REASONS
from lib.scoring.model import Model
from lib.scoring.reasons.explainers import LOG_ODDS, LOGARITHM, NUMBER, PROBABILITY
from lib.scoring.reasons.finder import EXACT, SAMPLED
from lib.scoring.requests import Limits
from lib.serving.server import openapi_protocols

_MAX_LISTED_CLASSES = 20
ERROR_MEANINGS = {
    "400": "The body is not JSON in UTF-8, or does not have one of the known shapes.",
    "401": "The key is missing or wrong.",
    "413": "The request has too many bytes or rows.",
    "415": "The body is of another type than those listed, or compressed.",
    "422": "Some rows do not fit the model; the faults name row and column.",
    "429": "Too many requests are waiting. Try again in a moment.",
    "503": "No version of the model is ready. Try again in a moment.",
    "504": "The model took too long to answer.",
}


def describe(
    model: Model, limits: Limits, classes: list | None, about: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a model's endpoint.

    Parameters
    ----------
    model : Model
        The model. Its columns become the schema of a row.
    limits : Limits
        The maximum size of a request.
    classes : list or None
        The labels of a classifier; None for a regression.
    about : mapping of str to str, optional
        Facts about the model: ``target``, the column that it predicts, ``metric`` and ``score``.
    """
    about = about or {}
    names = [column.name for column in model.columns]
    rows = {"type": "array", "items": _reference("Row"), "minItems": 1, "maxItems": limits.rows}
    # JSON Schema cannot express that each list has as many values as there are columns.
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
    as_rows, as_table = _reference("Rows"), _reference("Table")
    request = {
        "oneOf": [
            _object_with("data", as_rows),
            _object_with("input_data", {"oneOf": [as_rows, as_table]}),
            _object_with("dataframe_split", as_table),
            _object_with("dataframe_records", as_rows),
        ]
    }
    score = {
        "operationId": "score",
        "summary": "Return a prediction for each row, in the order of the rows",
        "security": [{"key": []}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": request, "examples": examples(model)},
                "text/csv": {"schema": {"type": "string", "description": "A header with column names, then rows."}},
                "application/x-ndjson": {"schema": {"type": "string", "description": "A row as an object per line."}},
            },
        },
        "responses": {
            "200": {
                "description": "The predictions: JSON; with the header Accept: text/csv, CSV; for NDJSON, NDJSON",
                "content": {
                    "application/json": {"schema": _reference("Answer")},
                    "text/csv": {"schema": {"type": "string"}},
                    "application/x-ndjson": {"schema": {"type": "string"}},
                },
            },
            **{status: _response(description, _reference("Error")) for status, description in ERROR_MEANINGS.items()},
        },
    }
    json_object = {"type": "object"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{model.name or 'model'}: real-time endpoint",
            "version": str(model.version or "0"),
            "description": _describe_target(about, classes),
            "x-model": {"name": model.name, "version": model.version, **about},
        },
        "paths": {
            "/score": {"post": score},
            "/health": {
                "get": {
                    "operationId": "health",
                    "summary": "Check that the process runs",
                    "responses": {"200": _response("It runs", json_object)},
                }
            },
            "/ready": {
                "get": {
                    "operationId": "ready",
                    "summary": "Check that the model can answer",
                    "responses": {
                        "200": _response("It can", json_object),
                        "503": _response("It cannot", _reference("Error")),
                    },
                }
            },
            **openapi_protocols.paths(ERROR_MEANINGS, limits.rows),
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Row": _row_schema(model),
                "Rows": rows,
                "Table": table,
                "Answer": _answer_schema(classes, model.coverage, about),
                **openapi_protocols.schemas(),
                "Error": _error_schema(),
            },
        },
    }


def examples(model: Model) -> dict[str, Any]:
    """Return the model's example row in the two most common shapes; empty if it has none."""
    if model.example is None:
        return {}
    names, values = list(model.example), list(model.example.values())
    return {
        "records": {"value": {"data": [model.example]}},
        "table": {"value": {"input_data": {"columns": names, "data": [values]}}},
    }


def _row_schema(model: Model) -> dict[str, Any]:
    properties = {}
    for column in model.columns:
        statistics = model.baseline.get(column.name, {})
        properties[column.name] = {**column.json_schema, "x-kind": column.table_kind}
        if statistics.get("minimum") is not None:
            properties[column.name]["description"] = (
                f"From {statistics['minimum']} to {statistics['maximum']} in the training data."
            )
            # No minimum and maximum, since the model also accepts values outside.
            properties[column.name]["x-training-range"] = [statistics["minimum"], statistics["maximum"]]
        elif statistics.get("categories"):
            # Not an enum, since the model also accepts categories that are not in the training data.
            properties[column.name]["examples"] = list(statistics["categories"])[:20]
    return {
        "type": "object",
        "properties": properties,
        "required": [column.name for column in model.columns if not column.nullable],
        "additionalProperties": False,
    }


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object_with(key: str, schema: dict[str, Any]) -> dict[str, Any]:
    reasons = {"type": "integer", "minimum": 0, "maximum": MAX_REASONS, "description": "Number of reasons per row."}
    properties = {key: schema, REASONS: reasons}
    return {"type": "object", "required": [key], "properties": properties, "additionalProperties": False}


def _response(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _describe_target(about: Mapping[str, str], classes: list | None) -> str:
    """Return what the model predicts, in a sentence."""
    target = about.get("target", "")
    if classes is None:
        return f"Predicts the number {target}." if target else "Predicts a number."
    listed = ", ".join(map(str, classes[:_MAX_LISTED_CLASSES])) + (
        ", ..." if len(classes) > _MAX_LISTED_CLASSES else ""
    )
    return f"Predicts {target or 'a class'}: {listed}."


def _answer_schema(classes: list | None, coverage: Coverage | None, about: Mapping[str, str]) -> dict[str, Any]:
    has_probabilities = classes is not None
    prediction: dict[str, Any] = {"type": "number"} if classes is None else {"enum": classes}
    properties: dict[str, Any] = {
        "predictions": {"type": "array", "items": prediction, "title": about.get("target", "prediction")},
        "model": {
            "type": "object",
            "properties": {"name": {"type": ["string", "null"]}, "version": {"type": ["string", "null"]}},
        },
    }
    if has_probabilities:
        properties["probabilities"] = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
        properties["classes"] = {"type": "array", "description": "The class of each column of the probabilities."}
    required = list(properties)
    properties |= {
        "warnings": {"type": "array", "items": _warning_schema()},
        "warning_count": {"type": "integer", "description": "The number of all warnings; the list may be shorter."},
    }
    properties |= {
        "reasons": {"type": "array", "items": _reasons_schema(has_probabilities)},
        "reasons_scale": {"enum": [LOG_ODDS, PROBABILITY, LOGARITHM, NUMBER]},
        "reasons_method": {"enum": [EXACT, SAMPLED]},
    }
    if coverage is not None:
        bounds = {"type": "number"} if coverage.name == PredictionIntervals.name else {}
        properties[coverage.name] = {"type": "array", "items": {"type": ["array", "null"], "items": bounds}}
        properties["coverage"] = {"type": "number", "description": "Share of rows whose true value is covered."}
    return {"type": "object", "required": required, "properties": properties}


def _reasons_schema(has_classes: bool) -> dict[str, Any]:
    number = {"type": "number"}
    column = {"type": "object", "required": ["column", "effect"], "properties": {"effect": number}}
    properties: dict[str, Any] = {"average": number, "columns": {"type": "array", "items": column}}
    if has_classes:
        properties["class"] = {"description": "The class whose score is explained."}
    return {"type": "object", "required": list(properties), "properties": properties}


def _warning_schema() -> dict[str, Any]:
    texts = {name: {"type": "string"} for name in ("column", "code", "got", "expected")}
    properties = {"row": {"type": "integer"}, **texts, "range": {"type": "array", "minItems": 2, "maxItems": 2}}
    return {"type": "object", "required": ["row", *texts], "properties": properties}


def _error_schema() -> dict[str, Any]:
    fault = {
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
            "faults": {"type": "array", "items": {"type": "object", "properties": fault}},
        },
    }
    return {"type": "object", "required": ["error"], "properties": {"error": error}}
