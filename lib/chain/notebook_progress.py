"""The progress of a notebook that is being executed, read from the copy that papermill saves after each cell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class NotebookProgress:
    """How far a notebook has been executed.

    Attributes
    ----------
    cell_number : int
        Number of the code cell that was started last, from 1; 0 before the first cell.
    cell_count : int
        Number of code cells.
    source_line : str
        First line of this cell.
    output_lines : tuple of str
        All lines of text that the notebook has printed so far.
    """

    cell_number: int
    cell_count: int
    source_line: str = ""
    output_lines: tuple[str, ...] = ()


def read_progress(executed: Path) -> NotebookProgress | None:
    """Return the progress of an executed notebook; None if papermill has not saved it yet."""
    try:
        notebook = json.loads(executed.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    started = [cell for cell in cells if cell["metadata"].get("papermill", {}).get("start_time")]
    source = "".join(started[-1]["source"]).strip() if started else ""
    lines = [line for cell in started for output in cell["outputs"] for line in output_lines(output)]
    return NotebookProgress(len(started), len(cells), source.partition("\n")[0], tuple(lines))


def output_lines(output: dict[str, Any]) -> list[str]:
    """Return the lines of text in an output of a cell: what it printed, or the type and message of its error."""
    if output["output_type"] == "stream":
        text = "".join(output["text"])
        # A progress bar overwrites its line with carriage returns; the last state is the one that was visible.
        return [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n") if line.strip()]
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}".splitlines()
    return []
