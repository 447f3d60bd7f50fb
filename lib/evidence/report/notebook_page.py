"""An executed notebook as a page without scripts, which any browser shows."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lib.evidence.report.html_page import render

_TERMINAL_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_NOTEBOOK_LINK = re.compile(r'(href="[^":/]+)\.ipynb"')
_HEADING = re.compile(r"<(/?)h([1-5])\b")
_IMAGES = ("image/png", "image/jpeg", "image/gif")
_MAX_TEXT_CHARACTERS = 200_000


def render_notebook(notebook: Path, has_report: bool = True) -> str:
    """Return an executed notebook as a page.

    Markdown and HTML are those of the notebook; the page's security policy keeps scripts from running.

    Parameters
    ----------
    notebook : Path
        The executed notebook.
    has_report : bool
        Whether the page links to the report of its run, in the same folder.
    """
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    shown = [_describe_cell(cell, number) for number, cell in enumerate(cells, start=1)]
    return render("notebook.html", title=notebook.stem, cells=shown, has_report=has_report)


def _describe_cell(cell: Mapping[str, Any], number: int) -> dict[str, Any]:
    source = "".join(cell["source"])
    if cell["cell_type"] != "code":
        page = _NOTEBOOK_LINK.sub(r'\1.html"', _markdown()(source))
        # The page has a title of its own, so headings begin one level lower.
        page = _HEADING.sub(lambda match: f"<{match[1]}h{int(match[2]) + 1}", page)
        return {"number": number, "markdown": page}
    return {"number": number, "markdown": None, "source": source, "outputs": list(_describe_outputs(cell))}


def _describe_outputs(cell: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the best representation of each output of a code cell."""
    for output in cell.get("outputs", []):
        if output["output_type"] == "stream":
            yield _as_text("text", output["text"])
        elif output["output_type"] == "error":
            yield _as_text("error", output.get("traceback") or f"{output['ename']}: {output['evalue']}")
        else:
            yield from _describe_data(output["data"])


def _describe_data(data: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    image = next((kind for kind in _IMAGES if kind in data), None)
    if image:
        yield {"kind": "image", "type": image, "text": "".join(data[image]).strip()}
    elif html := "".join(data.get("text/html", "")):
        yield {"kind": "html", "text": html}
    elif markdown := "".join(data.get("text/markdown", "")):
        yield {"kind": "html", "text": _markdown()(markdown)}
    elif text := "".join(data.get("text/plain", "")):
        yield _as_text("text", text)


def _as_text(kind: str, text: str | list[str]) -> dict[str, str]:
    lines = text if isinstance(text, str) else ("\n" if kind == "error" else "").join(text)
    return {"kind": kind, "text": _TERMINAL_COLORS.sub("", lines)[:_MAX_TEXT_CHARACTERS]}


@functools.cache
def _markdown() -> Any:
    import mistune

    return mistune.create_markdown(escape=False, plugins=["table", "strikethrough"])
