"""The redaction of files: text, JSON and notebooks. Binary files, such as images and models, cannot be searched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lib.secrets import known_values, redaction
from lib.secrets.kernel_guard import is_binary

_MAX_BYTES = 200_000_000
# Files without secrets: path, time, size and number of known values. A run is searched after each stage.
_clean_files: set[tuple[str, int, int, int]] = set()
_BINARY_SUFFIXES = (".parquet", ".png", ".jpg", ".pkl", ".db", ".gz", ".zip", ".pdf", ".lock")


def redact_file(file: Path) -> list[str]:
    """Redact a text file in place, and return a description of each secret; binary files stay as they are."""
    if (state := _get_state(file)) in _clean_files:
        return []
    if not (secrets := _redact_text_file(file)):
        _clean_files.add(state)
    return secrets


def _get_state(file: Path) -> tuple[str, int, int, int]:
    status = file.stat()
    return str(file), status.st_mtime_ns, status.st_size, known_values.count()


def _redact_text_file(file: Path) -> list[str]:
    if file.suffix in _BINARY_SUFFIXES or file.stat().st_size > _MAX_BYTES:
        return []
    content = file.read_bytes()
    if b"\0" in content[:8192]:
        return []
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return []
    redacted, secrets = redaction.redact(text)
    if redacted != text:
        _replace(file, redacted)
    return secrets


def redact_notebook(notebook: Path, include_marks: bool = False) -> dict[int, list[str]]:
    """Redact an executed notebook in place, and return the secrets by the number of the code cell, from 1.

    Parameters
    ----------
    notebook : Path
    include_marks : bool
        Whether to return the secrets that were redacted in outputs before, too.

    Returns
    -------
    dict of int to list of str
        Secrets in Markdown cells and metadata have the number 0.
    """
    page = json.loads(notebook.read_text(encoding="utf-8"))
    found: dict[int, list[str]] = {}
    number, is_changed = 0, False
    for cell in page["cells"]:
        number += cell["cell_type"] == "code"
        before = dict(cell)
        outputs, output_secrets = redact_outputs(cell.pop("outputs", []), include_marks)
        redacted, secrets = redaction.redact_value(cell)
        cell.update(redacted)
        if "outputs" in before:
            cell["outputs"] = outputs
        is_changed = is_changed or cell != before
        if secrets + output_secrets:
            found.setdefault(number if cell["cell_type"] == "code" else 0, []).extend(secrets + output_secrets)
    page["metadata"], secrets = redaction.redact_value(page["metadata"])
    if secrets:
        found.setdefault(0, []).extend(secrets)
    if is_changed or secrets:
        _replace(notebook, json.dumps(page, indent=1, ensure_ascii=False) + "\n")
    return found


def redact_outputs(outputs: list[Any], include_marks: bool = True) -> tuple[list[Any], list[str]]:
    """Return the outputs of a cell without secrets, and a description of each secret; images stay as they are.

    With `include_marks`, secrets that the kernel has redacted are described, too.
    """
    redacted_outputs, found = [], []
    for output in outputs:
        data = output.get("data", {})
        images = {kind: value for kind, value in data.items() if is_binary(kind)}
        searched = {**output, "data": {kind: value for kind, value in data.items() if kind not in images}}
        searched = searched if data else {**output}
        if include_marks:
            found += redaction.find_marks(json.dumps(searched, ensure_ascii=False))
        redacted, secrets = redaction.redact_value(searched)
        if data:
            redacted["data"] |= images
        redacted_outputs.append(redacted)
        found += secrets
    return redacted_outputs, found


def _replace(file: Path, text: str) -> None:
    unfinished = file.with_name(f"{file.name}.part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(file)
