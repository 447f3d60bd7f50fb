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

from lib.invocation import endpoint_arguments
from lib.scoring.model import Model
from lib.serving.server import form_fields

FOLDER = Path(__file__).parent / "static"
STYLE = (FOLDER / "style.css").read_text(encoding="utf-8")
SCRIPT = "".join(
    (FOLDER / name).read_text(encoding="utf-8") for name in ("fields.js", "answer.js", "tools.js", "form.js")
)
REASONS = 3
MAX_EXAMPLES = 3


def _source_hash(text: str) -> str:
    """Return the hash of a script or style as a content security policy states it."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


# Browsers run this script and style only, and connect to this server only.
POLICY = (
    f"default-src 'none'; script-src {_source_hash(SCRIPT)}; style-src {_source_hash(STYLE)}; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def form(model: Model, about: Mapping[str, str], max_rows: int) -> str:
    """Return the page at ``/``, on which a row can be entered and scored.

    Parameters
    ----------
    model : Model
        The model. Its columns become the fields, its baseline their hints and choices, its example row their values.
    about : mapping of str to str
        Facts about the model: ``target``, the column that it predicts, ``metric`` and ``score``.
    max_rows : int
        The maximum number of rows of a request.
    """
    content = {
        "model": {"target": about.get("target", "")},
        "fields": form_fields.describe(model),
        "examples": model.examples[:MAX_EXAMPLES],
        "reasons": _count_reasons(model),
    }
    # "</script>" in a value would end the element that holds the data.
    data = json.dumps(content).replace("<", "\\u003c")
    return _page(
        "form.html",
        model,
        data=data,
        script=SCRIPT,
        about=html.escape(describe_model(model, about)),
        key_command=html.escape(_key_command(model.name or "")),
        max_rows=f"{max_rows:,}",
    )


def _key_command(name: str) -> str:
    """Return the command that prints the key, without the path of Python, which the page need not tell."""
    program, arguments = endpoint_arguments("key", name)
    return shlex.join([program, *arguments])


def describe_model(model: Model, about: Mapping[str, str]) -> str:
    """Return what a model predicts, its score on test rows, and its date, in a sentence or two.

    >>> describe_model(Model(None, (), saved_on="2026-11-30"), {"target": "late", "metric": "roc_auc", "score": "0.91"})
    'Predicts late. Its roc_auc on test rows is 0.91; it was trained on 2026-11-30.'
    """
    sentences = [f"Predicts {about['target']}."] if about.get("target") else []
    score = f"its {about['metric']} on test rows is {about['score']}" if about.get("score") else ""
    date = f"it was trained on {model.saved_on}" if model.saved_on else ""
    facts = "; ".join(filter(None, (score, date)))
    return " ".join([*sentences, *([facts[0].upper() + facts[1:] + "."] if facts else [])])


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
            form_fields.describe_training_values(model.baseline.get(column.name, {})),
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


def _table_rows(rows: Iterable[Iterable[object]]) -> str:
    return "\n".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
