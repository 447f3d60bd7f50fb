"""What an executed notebook displays: title and verdict, then tables and figures, and the parameters last."""

from __future__ import annotations

import datetime
import html
import json
from collections.abc import Mapping
from typing import Any

from lib import charts
from lib.parameters import SPECS, Parameters, load

CHANGED = "changed"


class StageResult:
    """Base class of a stage's result. Jupyter displays its title, verdict, main table and notes.

    Attributes
    ----------
    title : str
        Stage, training function, use case, run and date.
    verdict : str
        The result in one sentence.
    notes : tuple of str
        Sentences to display below the main table.
    """

    title: str
    verdict: str
    notes: tuple[str, ...] = ()

    def main_table(self) -> charts.Table:
        """Return the table to display below the verdict."""
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{self.title}\n{self.verdict}"

    def _ipython_display_(self) -> None:
        from IPython.display import display

        page = f"<h2>{html.escape(self.title)}</h2><p><strong>{html.escape(self.verdict)}</strong></p>"
        display({"text/html": page, "text/plain": str(self)}, raw=True)
        display(self.main_table())
        for note in self.notes:
            _display_text(note)


class Figures:
    """Charts with captions, displayed one below the other.

    Parameters
    ----------
    *captioned_charts : tuple of (Chart, Table or str, str)
        Each chart or table with its caption. A string in place of a chart explains its absence.
    """

    def __init__(self, *captioned_charts: tuple[charts.Chart | charts.Table | str, str]):
        self.captioned_charts = captioned_charts

    def _ipython_display_(self) -> None:
        from IPython.display import display

        for chart, caption in self.captioned_charts:
            if isinstance(chart, str):
                caption = f"{chart} {caption}".strip()
            else:
                display(chart)
            _display_text(caption)


def _display_text(text: str) -> None:
    """Display a paragraph in Jupyter."""
    from IPython.display import display

    display({"text/html": f"<p>{html.escape(text)}</p>", "text/plain": text}, raw=True)


def make_title(action: str, parameters: Parameters) -> str:
    """Return a title with the use case, run and time, e.g. ``"Train linear: flights, run 20261122-101500, ..."``."""
    run_name = parameters.get("run_name")
    run = f"run {run_name}" if run_name else "run by hand"
    now = datetime.datetime.now().astimezone()
    return f"{action}: {parameters.name}, {run}, {now:%Y-%m-%d %H:%M %Z}"


def make_parameter_table(parameters: Parameters) -> charts.Table:
    """Return a table of a stage's parameters; those that differ from their default come first and are marked."""
    defaults: Mapping[str, Any] = load(files=[]).values
    rows = []
    for name, value in parameters.items():
        if name not in SPECS:
            rows.append((name, _format_value(value), "", "input"))
        elif value != defaults[name]:
            rows.append((name, _format_value(value), _format_value(defaults[name]), CHANGED))
        else:
            rows.append((name, _format_value(value), "", ""))
    rows.sort(key=lambda row: row[3] != CHANGED)
    table = charts.Table(rows, columns=["parameter", "value", "default", "state"]).set_index("parameter")
    table.attrs[charts.MARKED] = [row[0] for row in rows if row[3] == CHANGED]
    return table


def _format_value(value: Any) -> str:
    """Return a parameter's value as text: a list of strings without brackets, None as empty, the others as JSON."""
    if isinstance(value, list) and all(isinstance(element, str) for element in value):
        return ", ".join(value)
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)
