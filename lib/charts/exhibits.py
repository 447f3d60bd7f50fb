"""Exhibits: titled tables and charts as plain JSON, from which the report of a run is made.

A stage gives a table or chart a title, a caption and a section of the report with `label`. Whatever a stage's result
holds appears in the report; without a label, the title is made from the name.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lib.charts.chart import Chart
from lib.charts.table import MARKED, NAN_TEXT, Table
from lib.outputs import SECTIONS

_TITLE, _CAPTION, _SECTION = "title", "caption", "section"
_MAX_ROWS = 200
_MAX_CELL_CHARACTERS = 2_000


def label(content: Table | Chart, title: str, caption: str = "", section: str = "") -> None:
    """Give a table or chart a title, a caption and a section of the report.

    Parameters
    ----------
    content : Table or Chart
    title : str
        A few words, such as "Gains of the best candidate".
    caption : str
        What the reader sees, in one or two sentences.
    section : str
        A key of `lib.outputs.SECTIONS`; empty for the section of the stage.

    Raises
    ------
    ValueError
        If there is no such section.
    """
    if section and section not in SECTIONS:
        raise ValueError(f"The report has no section {section!r}; expected one of {', '.join(SECTIONS)}.")
    content.attrs |= {_TITLE: title, _CAPTION: caption, _SECTION: section}


def to_exhibit(content: Table | Chart, name: str, caption: str = "") -> dict[str, Any]:
    """Return a table or chart as plain JSON.

    Parameters
    ----------
    content : Table or Chart
    name : str
        Name within its stage.
    caption : str
        Used if the content has no caption of its own.

    Returns
    -------
    dict
        ``kind`` (table or chart), ``name``, ``title``, ``caption`` and ``section``. A chart has ``png``, the image in
        base64. A table has ``columns``, ``rows`` of numbers, texts, booleans and nulls, ``marked`` (names of the rows
        or columns in bold), ``nan_text`` (the text for null), ``has_row_names`` (whether the first column names the
        rows) and ``row_count``; of a long table, the first 200 rows are kept.

    Examples
    --------
    >>> exhibit = to_exhibit(Table({"rows": [3]}, index=["train"]), "side_sizes")
    >>> exhibit["title"], exhibit["columns"], exhibit["rows"]
    ('Side sizes', ['', 'rows'], [['train', 3]])
    """
    attributes: Mapping[Any, Any] = content.attrs
    exhibit = {
        "name": name,
        "title": attributes.get(_TITLE) or name.replace("_", " ").capitalize(),
        "caption": attributes.get(_CAPTION) or caption,
        "section": attributes.get(_SECTION, ""),
    }
    if isinstance(content, Chart):
        return {"kind": "chart", **exhibit, "png": base64.b64encode(content.png).decode("ascii")}
    return {"kind": "table", **exhibit, **_describe_table(content)}


def _describe_table(table: Table) -> dict[str, Any]:
    shown = table.head(_MAX_ROWS)
    has_row_names = not (isinstance(table.index, pd.RangeIndex) and table.index.name is None)
    columns = [str(name) for name in table.columns]
    rows = [[to_json_value(value) for value in row] for row in shown.astype(object).to_numpy().tolist()]
    if has_row_names:
        columns = [str(table.index.name or table.columns.name or ""), *columns]
        rows = [[str(name), *row] for name, row in zip(shown.index, rows, strict=True)]
    return {
        "columns": columns,
        "rows": rows,
        "marked": [str(name) for name in table.attrs.get(MARKED, [])],
        "nan_text": str(table.attrs.get(NAN_TEXT, "")),
        "has_row_names": has_row_names,
        "row_count": len(table),
    }


def to_json_value(value: Any) -> Any:
    """Return a value as a finite number, a text, a boolean or None; a missing value is None.

    >>> to_json_value(float("nan")), to_json_value(float("inf")), to_json_value(0.5)
    (None, '∞', 0.5)
    """
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        value = value.item()  # a NumPy scalar
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("∞" if value > 0 else "-∞")
    if isinstance(value, bool | int | float):
        return value
    text = str(value)
    return text if len(text) <= _MAX_CELL_CHARACTERS else f"{text[:_MAX_CELL_CHARACTERS]}..."
