"""The pages a person meets: a form to try the model, and the API in words. Self-contained, no network.

All that is the model's goes into the pages escaped, as text or as JSON that no browser runs.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

from lib.scoring.columns import Column
from lib.scoring.model import Model

FOLDER = Path(__file__).parent / "static"
STYLE = (FOLDER / "style.css").read_text(encoding="utf-8")
SCRIPT = (FOLDER / "form.js").read_text(encoding="utf-8")
MOST_CHOICES = 200
SHOWN_CATEGORIES = 4


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


# The browser runs this one script, applies this one style and talks to this server, and nothing else.
POLICY = (
    f"default-src 'none'; script-src {_hash(SCRIPT)}; style-src {_hash(STYLE)}; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def form(model: Model) -> str:
    """The page at ``/``: a field for each column, a button, the answer.

    Parameters
    ----------
    model : Model
        Its signature gives the fields, its baseline their ranges and choices, its example their contents.
    """
    example = model.example or {}
    fields = [_field(column, model.baseline.get(column.name, {}), example.get(column.name)) for column in model.columns]
    # "<" could end the script element the data stands in.
    data = json.dumps({"fields": fields}).replace("<", "\\u003c")
    return _page("form.html", model, data=data, script=SCRIPT)


def documentation(model: Model, document: dict[str, Any], base_url: str) -> str:
    """The page at ``/docs``: routes, columns, examples, refusals.

    Parameters
    ----------
    model : Model
        What is served.
    document : dict
        Its OpenAPI document.
    base_url : str
        Under which the client reached this server.
    """
    score = document["paths"]["/score"]["post"]
    examples = score["requestBody"]["content"]["application/json"]["examples"]
    body = json.dumps(examples["records"]["value"], ensure_ascii=False) if examples else '{"data": [{...}]}'
    quoted = body.replace("'", "'\\''")
    curl = " \\\n  ".join(
        [
            f"curl {base_url}score",
            "-H 'Authorization: Bearer '\"$KEY\"",
            "-H 'Content-Type: application/json'",
            f"-d '{quoted}'",
        ]
    )
    columns = [
        (
            column.name,
            column.expected,
            _seen(model.baseline.get(column.name, {})),
            "may be left out" if column.nullable else "needed",
        )
        for column in model.columns
    ]
    routes = [
        (method.upper(), path, operation["summary"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    routes += [
        ("GET", "/openapi.json", "This page for programs (OpenAPI 3.1)"),
        ("GET", "/", "A form to try the model"),
    ]
    return _page(
        "docs.html",
        model,
        curl=html.escape(curl),
        routes=_rows(routes),
        columns=_rows(columns),
        shapes=html.escape("\n\n".join(json.dumps(one["value"], ensure_ascii=False) for one in examples.values())),
        statuses=_rows((status, answer["description"]) for status, answer in score["responses"].items()),
    )


def _page(template: str, model: Model, **parts: str) -> str:
    page = (FOLDER / template).read_text(encoding="utf-8")
    parts |= {
        "style": STYLE,
        "name": html.escape(model.name or "model"),
        "version": html.escape(str(model.version or "-")),
    }
    # In one pass, so that a mark inside a value is never filled in.
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], page)


def _field(column: Column, statistics: dict, value: Any) -> dict[str, Any]:
    kind = column.kind.schema["type"]
    moment = "pattern" in column.kind.schema
    return {
        "name": column.name,
        "type": "date" if moment else kind,
        "nullable": column.nullable,
        "value": value,
        "hint": _seen(statistics) or column.kind.words.partition(" such")[0],
        "choices": list(statistics.get("categories") or {})[:MOST_CHOICES] if kind == "string" and not moment else [],
    }


def _seen(statistics: dict) -> str:
    """What training met in a column, in a few words."""
    low, high = statistics.get("minimum"), statistics.get("maximum")
    if low is not None and high is not None:
        return f"{_short(low)} to {_short(high)} in training"
    categories = list(statistics.get("categories") or {})
    if not categories:
        return ""
    shown = ", ".join(one if len(one) <= 30 else one[:30] + "…" for one in categories[:SHOWN_CATEGORIES])
    count = statistics.get("distinct", len(categories))
    return f"{shown}, … ({count} in training)" if count > SHOWN_CATEGORIES else f"{shown} in training"


def _short(value: Any) -> str:
    if isinstance(value, str):  # a date; midnight and full minutes need no more
        return value.replace("T00:00:00", "").replace("T", " ").removesuffix(":00")
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _rows(rows: Any) -> str:
    return "\n".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
