"""Outputs of a stage: plain JSON, checked in full and then written into the executed notebook as scraps.

scrapbook alone is not safe: it reads NaN back as the text ``'nan'`` and fails on NumPy's numbers. Therefore
all outputs are checked before the first scrap is written, and a failed notebook leaves no outputs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.deferred import defer_rfc3987
from lib.errors import OutputError

defer_rfc3987()  # before scrapbook is imported, which imports jsonschema


# Sections of the report, in order. An exhibit is in the section of its stage unless its label says otherwise.
SECTIONS = {
    "data": "Data and contract",
    "models": "Candidates, champion and no-skill model",
    "decisions": "Threshold and costs",
    "calibration": "Calibration",
    "groups": "Groups",
    "importance": "Importance of the columns",
    "gates": "Gates and waivers",
    "endpoint": "Endpoint",
    "environment": "Environment",
    "other": "Further results",
}
EVIDENCE_TYPE = "application/vnd.millrace.evidence+json"
MAX_EVIDENCE_BYTES = 4_000_000  # larger outputs are moved out of the notebook


def glue(outputs: Mapping[str, Any]) -> None:
    """Write outputs into the executed notebook, as scraps.

    Parameters
    ----------
    outputs : mapping of str to JSON value
        Values by name. A later stage reads a value as the parameter of the same name.

    Raises
    ------
    OutputError
        If any value is not plain, finite JSON; nothing is written then.
    """
    if problems := faults(outputs):
        raise OutputError(f"The outputs of a stage must be plain JSON: {'; '.join(problems)}.")
    for name, value in outputs.items():
        _display_scrap(name, value)


def _display_scrap(name: str, value: Any) -> None:
    """Display an output as a scrap, as ``scrapbook.glue`` does, together with an empty text.

    Without the text, nbconvert warns about each scrap when it exports the notebook: it cannot show data of this type.
    """
    from IPython.display import display
    from scrapbook.encoders import registry
    from scrapbook.schemas import GLUE_PAYLOAD_FMT
    from scrapbook.scraps import Scrap, scrap_to_payload

    # scrapbook's "json" encoder takes a string for JSON that is already encoded.
    encoder = "text" if isinstance(value, str) else "json"
    payload = scrap_to_payload(registry.encode(Scrap(name, value, encoder)))
    data = {GLUE_PAYLOAD_FMT.format(encoder=encoder): payload, "text/html": "", "text/plain": ""}
    display(data, metadata={"scrapbook": {"name": name, "data": True, "display": False}}, raw=True)


def publish_evidence(evidence: Mapping[str, Any]) -> None:
    """Write the result of a stage into the executed notebook, where `read_evidence` finds it.

    Parameters
    ----------
    evidence : mapping
        Plain JSON, see ``StageResult.describe``. If it is too large for a notebook, its largest charts are left out.
    """
    from IPython.display import display

    data = {EVIDENCE_TYPE: _leave_out_charts(evidence, MAX_EVIDENCE_BYTES), "text/html": "", "text/plain": ""}
    display(data, raw=True)


def _leave_out_charts(evidence: Mapping[str, Any], max_bytes: int) -> dict[str, Any]:
    """Return evidence with the images of its largest charts left out until the rest fits into `max_bytes`."""
    exhibits = [dict(exhibit) for exhibit in evidence["exhibits"]]
    size = len(json.dumps({**evidence, "exhibits": exhibits}))
    for exhibit in sorted(exhibits, key=lambda each: len(each.get("png", "")), reverse=True):
        if size <= max_bytes:
            break
        size -= len(exhibit.get("png", ""))
        exhibit["png"] = ""
    return {**evidence, "exhibits": exhibits}


def read_evidence(notebook: Path) -> dict[str, Any]:
    """Return the result that a stage published into its executed notebook; empty if the stage did not get that far.

    Parameters
    ----------
    notebook : Path
        The executed notebook.
    """
    if not notebook.is_file():
        return {}
    for cell in reversed(json.loads(notebook.read_text(encoding="utf-8"))["cells"]):
        for output in cell.get("outputs", []):
            if EVIDENCE_TYPE in output.get("data", {}):
                return output["data"][EVIDENCE_TYPE]
    return {}


def read(notebook: str) -> dict[str, Any]:
    """Return the outputs of an executed notebook, by name.

    Parameters
    ----------
    notebook : str
        Path of the executed notebook.
    """
    import nbformat
    import scrapbook

    node = nbformat.read(notebook, as_version=4)  # scrapbook takes a ? in a path for the beginning of a URL's query
    return {name: scrap.data for name, scrap in scrapbook.read_notebook(node).scraps.items()}


def faults(outputs: Mapping[str, Any]) -> list[str]:
    """Return one clause for each value that is not plain, finite JSON.

    Parameters
    ----------
    outputs : mapping of str to object
        Values by name.

    Examples
    --------
    >>> faults({"rows": 3, "scores": [0.5, float("nan")]})
    ['scores[1] is nan; expected a finite number']
    """
    problems = [problem for name, value in outputs.items() for problem in _value_faults(name, value)]
    # scrapbook accepts None inside a list or mapping, but not as an output of its own.
    problems += [
        f"{name} is None; leave the output out or use an empty string"
        for name, value in outputs.items()
        if value is None
    ]
    return problems


def _value_faults(path: str, value: Any) -> list[str]:
    """Return a clause for each fault of a value and of the values inside it.

    `path` locates the value within the outputs, e.g. ``scores[1]``; each clause starts with it.
    """
    if isinstance(value, float):
        return [] if math.isfinite(value) else [f"{path} is {value}; expected a finite number"]
    if value is None or type(value) in (str, int, bool):
        return []
    if isinstance(value, list):
        return [problem for index, item in enumerate(value) for problem in _value_faults(f"{path}[{index}]", item)]
    if isinstance(value, dict):
        problems = [f"{path} has the key {key!r}; expected a string" for key in value if not isinstance(key, str)]
        for key, item in value.items():
            problems += _value_faults(f"{path}.{key}", item)
        return problems
    return [f"{path} is of type {type(value).__name__}; expected str, int, float, bool, list or dict"]
