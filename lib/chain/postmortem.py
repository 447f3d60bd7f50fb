"""Failures that papermill does not see, written into the executed notebook.

If a kernel dies, or a cell ends it with ``sys.exit``, papermill marks every cell as completed and records no exception.
This module corrects the notebook: it marks the cell that ran last as failed, and the cells that never ran as pending.
"""

from __future__ import annotations

import json
from pathlib import Path

_NEVER_RAN, _FAILED = "pending", "failed"


def write(executed: Path, name: str, cause: str) -> str:
    """Write the cause of a failure into an executed notebook.

    Parameters
    ----------
    executed : Path
        The notebook that papermill wrote; if it does not exist, this function does nothing.
    name : str
        Short name of the cause, like that of an exception: ``"KernelDied"``.
    cause : str
        The cause, as a sentence that starts in lower case and has no full stop.

    Returns
    -------
    str
        The last cell that ran, as ``"Cell [4]: candidate = ..."``; empty if none ran.
    """
    if not executed.is_file():
        return ""
    notebook = json.loads(executed.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    started = [cell for cell in cells if cell["metadata"].get("papermill", {}).get("start_time")]
    for cell in cells[len(started) :]:
        cell["metadata"].setdefault("papermill", {})["status"] = _NEVER_RAN
    if started:
        last = started[-1]
        last["metadata"]["papermill"].update(status=_FAILED, exception=True)
        if not any(output["output_type"] == "error" and output["ename"] == name for output in last["outputs"]):
            error = {"output_type": "error", "ename": name, "evalue": cause, "traceback": [f"{name}: {cause}"]}
            last["outputs"].append(error)
    notebook["metadata"].setdefault("papermill", {})["exception"] = True
    unfinished = executed.with_name(executed.name + ".part")
    unfinished.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(executed)
    return format_cell(len(started), "".join(started[-1]["source"])) if started else ""


def format_cell(number: int, source: str) -> str:
    r"""Return a cell as messages show it: its number and its first line.

    >>> format_cell(4, "candidate = pipeline.train()\ncandidate.scores")
    'Cell [4]: candidate = pipeline.train() ...'
    """
    lines = source.strip().splitlines() or [""]
    return f"Cell [{number}]: {lines[0]}{' ...' if len(lines) > 1 else ''}"
