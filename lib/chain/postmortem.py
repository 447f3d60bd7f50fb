"""What papermill cannot say: a notebook whose kernel died, or that left early, is written as if all went well.

papermill marks every cell "completed" then, and notes no exception. Here the executed notebook is made to tell
which cell ran, why it ended, and which cells never ran.
"""

from __future__ import annotations

import json
from pathlib import Path

_NEVER_RAN, _FAILED = "pending", "failed"


def write(executed: Path, name: str, cause: str) -> str:
    """Write the cause of the end into an executed notebook.

    Parameters
    ----------
    executed : Path
        The notebook that papermill wrote; where it wrote none, nothing is done.
    name : str
        Short name of the cause, as of an exception: ``"KernelDied"``.
    cause : str
        The cause in a sentence.

    Returns
    -------
    str
        The cell that ran, ``"Cell [4]: candidate = ..."``; empty where none did.
    """
    if not executed.is_file():
        return ""
    notebook = json.loads(executed.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    ran = [cell for cell in code if cell["metadata"].get("papermill", {}).get("start_time")]
    for cell in code[len(ran) :]:
        cell["metadata"].setdefault("papermill", {})["status"] = _NEVER_RAN
    if ran:
        last = ran[-1]
        last["metadata"]["papermill"].update(status=_FAILED, exception=True)
        if not any(output["output_type"] == "error" and output["ename"] == name for output in last["outputs"]):
            error = {"output_type": "error", "ename": name, "evalue": cause, "traceback": [f"{name}: {cause}"]}
            last["outputs"].append(error)
    notebook["metadata"].setdefault("papermill", {})["exception"] = True
    part = executed.with_name(executed.name + ".part")
    part.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(executed)
    return shown_cell(len(ran), "".join(ran[-1]["source"])) if ran else ""


def shown_cell(count: int, source: str) -> str:
    """A cell as a message shows it: its number and its first line."""
    lines = source.strip().splitlines() or [""]
    return f"Cell [{count}]: {lines[0]}{' ...' if len(lines) > 1 else ''}"
