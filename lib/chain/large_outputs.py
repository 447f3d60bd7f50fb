"""Large outputs of cells, moved from the executed notebook into files beside it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.errors import format_count

MAX_OUTPUT_BYTES = 5_000_000
MAX_ERROR_CHARACTERS = 100_000
_SHOWN_CHARACTERS = 4_000
_SUFFIXES = {
    "text/plain": ".txt",
    "text/html": ".html",
    "text/markdown": ".md",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/svg+xml": ".svg",
    "application/pdf": ".pdf",
    "application/json": ".json",
}


def folder_of(executed: Path) -> Path:
    """Return the folder of the large outputs of an executed notebook: ``03_train.outputs``."""
    return executed.with_name(f"{executed.stem}.outputs")


def move(cell: dict[str, Any], number: int, executed: Path) -> None:
    """Replace each large output of a cell by its beginning and a link to a file with the whole output.

    Parameters
    ----------
    cell : dict
        The code cell, changed in place.
    number : int
        Number of the cell, for the names of the files.
    executed : Path
        The executed notebook.
    """
    for position, output in enumerate(cell["outputs"], start=1):
        name = f"cell-{number}-output-{position}"
        if output["output_type"] == "error":
            _move_error(output, name, executed)
        elif output["output_type"] == "stream" and len(text := "".join(output["text"])) > MAX_OUTPUT_BYTES:
            link = _write(text.encode("utf-8", "replace"), name, ".txt", executed)
            cell["outputs"][position - 1] = {
                "output_type": "display_data",
                "metadata": {},
                "data": _describe(text, f"{output['name']}, {_format_size(len(text))}", link),
            }
        elif output["output_type"] in ("display_data", "execute_result"):
            _move_data(output, name, executed)


def cut(text: str, max_characters: int = _SHOWN_CHARACTERS) -> str:
    """Return a text, shortened in the middle if it is too long.

    >>> cut("abcdefghij", 4)
    'ab ... (6 characters left out) ... ij'
    """
    if len(text) <= max_characters:
        return text
    half = max_characters // 2
    left_out = format_count(len(text) - 2 * half, "character")
    return f"{text[:half]} ... ({left_out} left out) ... {text[-half:]}"


def _move_error(output: dict[str, Any], name: str, executed: Path) -> None:
    """Shorten the message and the traceback of an error; a file contains all of both."""
    traceback = "\n".join(output["traceback"])
    if len(output["evalue"]) <= MAX_ERROR_CHARACTERS and len(traceback) <= MAX_ERROR_CHARACTERS:
        return
    text = f"{output['ename']}: {output['evalue']}\n\n{traceback}\n"
    link = _write(text.encode("utf-8", "replace"), name, ".txt", executed)
    output["evalue"] = cut(output["evalue"])
    output["traceback"] = [cut(traceback), f"The whole message and traceback are in {link}."]


def _move_data(output: dict[str, Any], name: str, executed: Path) -> None:
    """Replace the data of a display by links, and keep those representations of the data that are small."""
    data = output["data"]
    large = {kind: _as_text(value) for kind, value in data.items() if len(_as_text(value)) > MAX_OUTPUT_BYTES}
    if not large:
        return
    links = []
    for kind, text in large.items():
        content, suffix = _as_file(kind, text)
        links.append(_write(content, name, suffix, executed))
    kept = {kind: value for kind, value in data.items() if kind not in large}
    plain = _as_text(data.get("text/plain", ""))
    size = _format_size(sum(len(text) for text in large.values()))
    output["data"] = _describe(plain, f"{', '.join(large)}, {size}", *links)
    if "text/plain" in kept:
        output["data"]["text/plain"] = f"{plain}\n{output['data']['text/plain']}"


def _describe(text: str, content: str, *links: str) -> dict[str, str]:
    """Return the beginning of an output, with links to the whole, as Markdown and as plain text."""
    beginning = text[:_SHOWN_CHARACTERS]
    linked = ", ".join(f"[{link}]({link})" for link in links)
    markdown = f"Large output ({content}): {linked}"
    if beginning:
        fence = "`" * 8
        markdown += f"\n\nThe output begins with:\n\n{fence}text\n{beginning}\n{fence}"
    plain = f"Large output ({content}), stored in {', '.join(links)}"
    return {"text/markdown": markdown, "text/plain": f"{beginning}\n{plain}" if beginning else plain}


def _write(content: bytes, name: str, suffix: str, executed: Path) -> str:
    """Write a file, and return its path relative to the notebook's folder.

    The name contains a hash, so that another attempt of the notebook does not overwrite the file.
    """
    folder = folder_of(executed)
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}-{hashlib.sha256(content).hexdigest()[:8]}{suffix}"
    file.write_bytes(content)
    return f"{folder.name}/{file.name}"


def _as_file(kind: str, text: str) -> tuple[bytes, str]:
    """Return the content and the suffix of a file for data of a MIME type."""
    suffix = _SUFFIXES.get(kind, ".json" if kind.endswith("json") else ".txt")
    if kind.startswith("image/") and not kind.endswith("+xml") or kind == "application/pdf":
        try:
            return base64.b64decode(text, validate=False), suffix
        except binascii.Error:  # not encoded as Jupyter's message format says: keep the text
            return text.encode(), ".txt"
    return text.encode("utf-8", "replace"), suffix


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return json.dumps(value) if isinstance(value, Mapping | list) else str(value)


def _format_size(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
