"""The fields of the form at ``/``: a control for each column of the model, with its range and choices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lib.schema.table_schema import TEXT
from lib.scoring.columns import Column
from lib.scoring.model import Model

MAX_CHOICES = 200
_PICKABLE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?)?")
MAX_DROP_DOWN = 12  # more categories are proposed while one types
MAX_SHOWN_CATEGORIES = 4
MAX_CATEGORY_LENGTH = 30


def describe(model: Model) -> list[dict[str, Any]]:
    """Return the fields for the script of the form, in the order of the model's columns.

    Returns
    -------
    list of dict
        ``name``, ``kind``, ``type`` (of its value in JSON), ``nullable``, ``value`` (in the example row), ``hint``,
        ``choices``, ``allowsOther`` (whether values besides the choices are valid), ``control`` (``select``,
        ``slider``, ``date``, ``datetime``, ``textarea`` or ``text``), ``minimum`` and ``maximum`` (in training; null
        if unknown), ``hasWholeNumbers``.
    """
    example = model.example or {}
    return [
        _describe_field(column, model.baseline.get(column.name, {}), example.get(column.name))
        for column in model.columns
    ]


def _describe_field(column: Column, statistics: Mapping[str, Any], value: Any) -> dict[str, Any]:
    allowed = column.kind.json_schema.get("enum")
    choices = list(allowed or statistics.get("categories") or {})[:MAX_CHOICES] if _is_text(column) else []
    return {
        "name": column.name,
        "kind": column.table_kind,
        "type": column.kind.json_schema["type"],
        "nullable": column.nullable,
        "value": value,
        "hint": describe_training_values(statistics) or column.kind.description.partition(" such")[0],
        "choices": choices,
        "allowsOther": bool(choices) and allowed is None,
        "control": _choose_control(column, statistics, choices, value),
        "minimum": statistics.get("minimum"),
        "maximum": statistics.get("maximum"),
        "hasWholeNumbers": all(
            isinstance(number, int) or float(number).is_integer()
            for number in (statistics.get("minimum"), statistics.get("maximum"), value)
            if isinstance(number, int | float)
        ),
    }


def _is_text(column: Column) -> bool:
    return column.kind.json_schema["type"] == "string" and column.kind.name != "datetime"


def _choose_control(column: Column, statistics: Mapping[str, Any], choices: list, value: Any) -> str:
    json_type = column.kind.json_schema["type"]
    if json_type == "boolean" or 0 < len(choices) <= MAX_DROP_DOWN:
        return "select"
    if column.kind.name == "datetime":
        known = [text for text in (value, statistics.get("minimum"), statistics.get("maximum")) if text is not None]
        if not all(isinstance(text, str) and _PICKABLE.fullmatch(text) for text in known):
            return "text"  # a picker knows neither time zones nor fractions of a second
        return "datetime" if any(map(_has_time, known)) else "date"
    if json_type in ("number", "integer") and statistics.get("minimum") is not None:
        return "slider"
    return "textarea" if _is_text(column) and column.table_kind == TEXT and not choices else "text"


def _has_time(text: str) -> bool:
    """Return whether a datetime in ISO 8601 has a time of day other than midnight."""
    return len(text) > len("2026-11-30") and not text.endswith("T00:00:00")


def describe_training_values(statistics: Mapping[str, Any]) -> str:
    """Return the range or the categories of a column in the training data, in a few words."""
    minimum, maximum = statistics.get("minimum"), statistics.get("maximum")
    if minimum is not None and maximum is not None:
        return f"{_format_value(minimum)} to {_format_value(maximum)} in training"
    categories = list(statistics.get("categories") or {})
    if not categories:
        return ""
    shown = ", ".join(_shorten(category) for category in categories[:MAX_SHOWN_CATEGORIES])
    count = statistics.get("distinct", len(categories))
    return f"{shown}, … ({count} in training)" if count > MAX_SHOWN_CATEGORIES else f"{shown} in training"


def _shorten(category: str) -> str:
    return category if len(category) <= MAX_CATEGORY_LENGTH else category[:MAX_CATEGORY_LENGTH] + "…"


def _format_value(value: Any) -> str:
    """Return a number with few digits, or a date without needless zeros.

    >>> _format_value(3.14159265), _format_value("2024-01-31T00:00:00"), _format_value("2024-01-31T08:30:00")
    ('3.14159', '2024-01-31', '2024-01-31 08:30')
    """
    if isinstance(value, str):
        return value.replace("T00:00:00", "").replace("T", " ").removesuffix(":00")
    return f"{value:.6g}" if isinstance(value, float) else str(value)
