"""Executed notebooks as pages: working links, folded plumbing, and the message of a failure at the top."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lib.chain.plan import Execution

_LINK = re.compile(r"\[[^\]]*\]\(((\d\d_[a-z_]+)\.ipynb)\)")
_PARAMETER_TAGS = {"parameters", "injected-parameters"}
_HIDE_INPUT_TAG = "remove-input"
_BANNER_TAG = "papermill-error-cell-tag"
_FAILED_CELL = "failed-cell"  # an HTML anchor
_RED = "#b00020"


def make_standalone(notebook: Path, executed: Path, executions: Iterable[Execution]) -> None:
    """Make an executed notebook readable on its own.

    Links between notebooks lead to the executed copies in the run folder, and the cells with parameters are hidden. A
    notebook that failed begins with the error message.

    Parameters
    ----------
    notebook : Path
        The source notebook. Its Markdown cells replace those of the copy, whose links may lead to another run.
    executed : Path
        The executed copy; if it does not exist, this function does nothing.
    executions : iterable of Execution
        All executions of the run.
    """
    if not executed.is_file():
        return
    page = json.loads(executed.read_text(encoding="utf-8"))
    source = json.loads(notebook.read_text(encoding="utf-8"))
    texts = {cell.get("id"): cell["source"] for cell in source["cells"] if cell["cell_type"] == "markdown"}
    links = _find_links(notebook.parent, executed.parent, executions)
    for cell in page["cells"]:
        if cell["cell_type"] == "markdown" and cell.get("id") in texts:
            text = "".join(texts[cell["id"]])
            cell["source"] = _LINK.sub(lambda match: links.get(match[1], match[0]), text)
        if _PARAMETER_TAGS & {*cell["metadata"].get("tags", [])}:
            _hide(cell)
    _show_failure_first(page["cells"])
    unfinished = executed.with_name(f"{executed.name}.part")
    unfinished.write_text(json.dumps(page, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(executed)


def _find_links(notebooks: Path, run_folder: Path, executions: Iterable[Execution]) -> Mapping[str, str]:
    """Return the Markdown link for each notebook's file name: to the executed copies, or else to the notebook."""
    links = {
        path.name: f"[{path.stem}]({Path(os.path.relpath(path, run_folder)).as_posix()})"
        for path in sorted(notebooks.glob("*.ipynb"))
    }
    copies: dict[str, list[str]] = {}
    for execution in executions:
        name = execution.file_name
        copies.setdefault(execution.notebook.path.name, []).append(f"[{name.removesuffix('.ipynb')}]({name})")
    return links | {name: ", ".join(links) for name, links in copies.items()}


def _hide(cell: dict[str, Any]) -> None:
    """Hide the source of a cell in Jupyter, and mark it for nbconvert."""
    cell["metadata"].setdefault("jupyter", {})["source_hidden"] = True
    if _HIDE_INPUT_TAG not in cell["metadata"]["tags"]:
        cell["metadata"]["tags"].append(_HIDE_INPUT_TAG)


def _show_failure_first(cells: list[dict[str, Any]]) -> None:
    """Show the message of a failure at the top, in place of papermill's banner, and mark the cell that failed."""
    failed = [cell for cell in cells if any(output["output_type"] == "error" for output in cell.get("outputs", []))]
    if not failed:
        return
    cells[:] = [cell for cell in cells if _BANNER_TAG not in cell["metadata"].get("tags", [])]
    error = next(output for output in failed[0]["outputs"] if output["output_type"] == "error")
    message = html.escape(f"{error['ename']}: {error['evalue']}").replace("\n", "<br>")
    cells.insert(
        cells.index(failed[0]),
        _make_banner(_FAILED_CELL, f'<a id="{_FAILED_CELL}"></a>The cell that failed:'),
    )
    cells.insert(0, _make_banner("failure", f'{message} (<a href="#{_FAILED_CELL}">cell</a>)'))


def _make_banner(cell_id: str, text: str) -> dict[str, Any]:
    """Return a Markdown cell with red text."""
    source = f'<p style="color: {_RED}; font-weight: bold">{text}</p>'
    return {"cell_type": "markdown", "id": cell_id, "metadata": {"tags": [_BANNER_TAG]}, "source": source}
