"""The web pages of an endpoint: a form to try the model, and the documentation of its API.

The pages load nothing from other servers. Text of the model is escaped, or embedded as JSON that browsers do not run.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lib.scoring.columns import Column
from lib.scoring.model import Model

FOLDER = Path(__file__).parent / "static"
STYLE = (FOLDER / "style.css").read_text(encoding="utf-8")
SCRIPT = (FOLDER / "form.js").read_text(encoding="utf-8")
MAX_CHOICES = 200
REASONS = 3
MAX_SHOWN_CATEGORIES = 4
MAX_CATEGORY_LENGTH = 30


def _source_hash(text: str) -> str:
    """Return the hash of a script or style as a content security policy states it."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


# Browsers run this script and style only, and connect to this server only.
POLICY = (
    f"default-src 'none'; script-src {_source_hash(SCRIPT)}; style-src {_source_hash(STYLE)}; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def form(model: Model) -> str:
    """Return the page at ``/``, on which a row can be entered and scored.

    Parameters
    ----------
    model : Model
        The model. Its columns become the fields, its baseline their hints and choices, its example row their values.
    """
    example = model.example or {}
    fields = [_field(column, model.baseline.get(column.name, {}), example.get(column.name)) for column in model.columns]
    # "</script>" in a value would end the element that holds the data.
    data = json.dumps({"fields": fields, "reasons": _count_reasons(model)}).replace("<", "\\u003c")
    return _page("form.html", model, data=data, script=SCRIPT)


def _count_reasons(model: Model) -> int:
    """Return the number of reasons to ask for; 0 for a model whose code is of an earlier release and has none."""
    return 0 if model.explanation is None else REASONS


def documentation(model: Model, document: dict[str, Any], base_url: str) -> str:
    """Return the page at ``/docs``, which documents routes, columns, examples and errors.

    Parameters
    ----------
    model : Model
        The model that is served.
    document : dict
        The OpenAPI document of the model's endpoint.
    base_url : str
        URL by which the client reached this server, with a slash at the end.
    """
    score = document["paths"]["/score"]["post"]
    examples = score["requestBody"]["content"]["application/json"]["examples"]
    body = json.dumps(examples["records"]["value"], ensure_ascii=False) if examples else '{"data": [{...}]}'
    columns = [
        (
            column.name,
            column.table_kind,
            column.expected,
            _describe_training_values(model.baseline.get(column.name, {})),
            "optional" if column.nullable else "required",
        )
        for column in model.columns
    ]
    routes = [
        (method.upper(), path, operation["summary"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    routes += [
        ("GET", "/openapi.json", "Return this page for programs (OpenAPI 3.1)"),
        ("GET", "/", "Show a form to try the model"),
    ]
    bodies = [json.dumps(example["value"], ensure_ascii=False) for example in examples.values()]
    return _page(
        "docs.html",
        model,
        curl=html.escape(_curl_command(f"{base_url}score", body)),
        routes=_table_rows(routes),
        columns=_table_rows(columns),
        shapes=html.escape("\n\n".join(bodies)),
        statuses=_table_rows((status, response["description"]) for status, response in score["responses"].items()),
    )


def _curl_command(url: str, body: str) -> str:
    lines = [
        f"curl {shlex.quote(url)}",
        "-H 'Authorization: Bearer '\"$KEY\"",
        "-H 'Content-Type: application/json'",
        f"-d {shlex.quote(body)}",
    ]
    return " \\\n  ".join(lines)


def _page(template: str, model: Model, **parts: str) -> str:
    """Return a template with its ``{{placeholders}}`` filled in."""
    page = (FOLDER / template).read_text(encoding="utf-8")
    parts |= {
        "style": STYLE,
        "name": html.escape(model.name or "model"),
        "version": html.escape(str(model.version or "-")),
    }
    # In a single pass, so that placeholders inside a value stay as they are.
    return re.sub(r"\{\{(\w+)\}\}", lambda placeholder: parts[placeholder[1]], page)


def _field(column: Column, statistics: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """Describe the field of a column for the script of the form."""
    json_type = column.kind.json_schema["type"]
    is_date = column.kind.name == "datetime"
    choices = column.kind.json_schema.get("enum") or list(statistics.get("categories") or {})
    has_choices = json_type == "string" and not is_date
    return {
        "name": column.name,
        "kind": column.table_kind,
        "type": "date" if is_date else json_type,
        "nullable": column.nullable,
        "value": value,
        "hint": _describe_training_values(statistics) or column.kind.description.partition(" such")[0],
        "choices": choices[:MAX_CHOICES] if has_choices else [],
    }


def _describe_training_values(statistics: Mapping[str, Any]) -> str:
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


def _table_rows(rows: Iterable[Iterable[object]]) -> str:
    return "\n".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
