"""What a stage hands on: plain JSON, finite numbers, glued once and last.

scrapbook takes much that cannot be trusted on the way back: NaN comes back as the text ``'nan'`` and a
number of NumPy's raises from deep inside. So everything is checked before the first scrap is written, and
a notebook that fails half-way has handed on nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lib.deferred import defer_grammar
from lib.errors import OutputError

defer_grammar()  # before scrapbook is imported, which imports jsonschema


def glue(outputs: Mapping[str, Any]) -> None:
    """Write outputs into the executed notebook, as scraps.

    Parameters
    ----------
    outputs : mapping
        By the name of the parameter that reads it.

    Raises
    ------
    OutputError
        Where one is not plain, finite JSON; then none is written.
    """
    if found := faults(outputs):
        raise OutputError("A stage hands on plain JSON only: " + "; ".join(found) + ".")
    import scrapbook

    for name, value in outputs.items():
        # Its encoder "json" takes a text for JSON that is encoded already.
        scrapbook.glue(name, value, encoder="text" if isinstance(value, str) else "json")


def read(notebook: str) -> dict[str, Any]:
    """Outputs of an executed notebook, by name.

    Parameters
    ----------
    notebook : str
        Path of the executed notebook.
    """
    import scrapbook

    return {name: scrap.data for name, scrap in scrapbook.read_notebook(str(notebook)).scraps.items()}


def faults(outputs: Mapping[str, Any]) -> list[str]:
    """What is not plain, finite JSON among outputs: a clause each."""
    found = [fault for name, value in outputs.items() for fault in _faults(name, value)]
    # Inside of a list or mapping it is plain JSON; by itself scrapbook refuses it.
    return found + [
        f"{name} is None; leave it out or hand on an empty text" for name, value in outputs.items() if value is None
    ]


def _faults(place: str, value: Any) -> list[str]:
    if isinstance(value, float):
        return [] if math.isfinite(value) else [f"{place} is {value}, which is no finite number"]
    if value is None or type(value) in (str, int, bool):
        return []
    if isinstance(value, list):
        return [fault for index, one in enumerate(value) for fault in _faults(f"{place}[{index}]", one)]
    if isinstance(value, dict):
        wrong = [f"{place} has the key {key!r}, which is no text" for key in value if not isinstance(key, str)]
        return wrong + [fault for key, one in value.items() for fault in _faults(f"{place}.{key}", one)]
    return [f"{place} is of type {type(value).__name__}; make it a str, int, float, bool, list or dict"]
