"""What an executed notebook shows: title and verdict first, then tables and figures, the parameters last."""

from __future__ import annotations

import datetime
import html
import json
from collections.abc import Mapping
from typing import Any

from lib import charts
from lib.parameters import SPECS, Parameters, load

CHANGED = "changed"


class Answer:
    """Base of a stage's result; Jupyter displays its title, its verdict and its main table.

    Attributes
    ----------
    title : str
        What ran: stage, training function, use case, run and date.
    verdict : str
        The result in one sentence.
    """

    title: str
    verdict: str

    def main_table(self) -> charts.Table:
        """The table below the verdict."""
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{self.title}\n{self.verdict}"

    def _ipython_display_(self) -> None:
        from IPython.display import display

        page = f"<h2>{html.escape(self.title)}</h2><p><strong>{html.escape(self.verdict)}</strong></p>"
        display({"text/html": page, "text/plain": str(self)}, raw=True)
        display(self.main_table())


class Figures:
    """Charts in a column, each with a caption that fits the task.

    Parameters
    ----------
    captions : mapping
        The caption of each chart; a string in place of a chart says why there is none.
    """

    def __init__(self, *captioned: tuple[charts.Chart | str, str]):
        self.captioned = captioned

    def _ipython_display_(self) -> None:
        from IPython.display import display

        for chart, caption in self.captioned:
            if isinstance(chart, str):
                caption = f"{chart} {caption}".strip()
            else:
                display(chart)
            display({"text/html": f"<p>{html.escape(caption)}</p>", "text/plain": caption}, raw=True)


def title(what: str, parameters: Parameters) -> str:
    """Return the title of a stage's answer, e.g. ``"Train linear: flights, run 20261122-101500-flights, ..."``."""
    run = parameters.get("run_name")
    now = datetime.datetime.now().astimezone()
    return f"{what}: {parameters.name}, {f'run {run}' if run else 'run by hand'}, {now:%Y-%m-%d %H:%M %Z}"


def parameter_table(parameters: Parameters) -> charts.Table:
    """Return the parameters of a stage with their defaults; the changed ones come first and are marked."""
    defaults: Mapping[str, Any] = load([]).values
    rows = []
    for name, value in parameters.items():
        if name in SPECS:
            changed = CHANGED if value != defaults[name] else ""
            rows.append((name, _format(value), _format(defaults[name]) if changed else "", changed))
        else:
            rows.append((name, _format(value), "", "input"))
    rows.sort(key=lambda row: row[3] != CHANGED)
    table = charts.Table(rows, columns=["parameter", "value", "default", "state"]).set_index("parameter")
    table.attrs[charts.MARKED] = [row[0] for row in rows if row[3] == CHANGED]
    return table


def _format(value: Any) -> str:
    """Return a value as text, readable in a table."""
    if isinstance(value, list) and all(isinstance(element, str) for element in value):
        return ", ".join(value)
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)
