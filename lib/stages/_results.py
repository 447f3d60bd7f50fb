"""What an executed notebook displays: title and verdict, then tables and figures, and the parameters last."""

from __future__ import annotations

import dataclasses
import datetime
import html
import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

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
    facts : mapping
        What the report, the comparison of runs and the history read: plain, finite JSON.
    """

    title: str
    verdict: str
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = MappingProxyType({})
    not_in_report: ClassVar[tuple[str, ...]] = ()  # attributes whose tables and charts the report leaves out

    def main_table(self) -> charts.Table:
        """Return the table to display below the verdict."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """Return the result as plain JSON, for the report of the run.

        Returns
        -------
        dict
            ``verdict``, ``notes``, ``facts`` and ``exhibits``: the main table, then every table and chart that the
            result holds, in the order of its attributes.
        """
        exhibits = self._collect_exhibits((charts.Table, charts.Chart))
        return {"verdict": self.verdict, "notes": list(self.notes), "facts": dict(self.facts), "exhibits": exhibits}

    def describe_tables(self) -> list[dict[str, Any]]:
        """Return the exhibits of the tables alone, without drawing a chart."""
        return self._collect_exhibits((charts.Table,))

    def _collect_exhibits(self, kinds: tuple[type, ...]) -> list[dict[str, Any]]:
        figures = getattr(self, "figures", Figures())
        captions = {id(content): caption for content, caption in figures.captioned_charts}
        exhibits: dict[int, dict[str, Any]] = {}
        for name, content in self._iterate_contents(figures):
            if id(content) not in exhibits and isinstance(content, kinds):
                exhibits[id(content)] = charts.to_exhibit(content, name, captions.get(id(content), ""))
        return list(exhibits.values())

    def _iterate_contents(self, figures: Figures) -> Iterator[tuple[str, charts.Table | charts.Chart]]:
        """Yield the name and the content of each table and chart; some may come twice."""
        yield "summary", self.main_table()
        if dataclasses.is_dataclass(self):
            for field in dataclasses.fields(self):
                if field.name not in self.not_in_report:
                    yield from _find_contents(field.name, getattr(self, field.name))
        for number, (content, _) in enumerate(figures.captioned_charts, start=1):
            yield from _find_contents(f"figure_{number}", content)

    def __str__(self) -> str:
        return f"{self.title}\n{self.verdict}"

    def _ipython_display_(self) -> None:
        from IPython.display import display

        page = f"<h2>{html.escape(self.title)}</h2><p><strong>{html.escape(self.verdict)}</strong></p>"
        display({"text/html": page, "text/plain": str(self)}, raw=True)
        display(self.main_table())
        for note in self.notes:
            _display_text(note)


def _find_contents(name: str, value: Any) -> Iterator[tuple[str, charts.Table | charts.Chart]]:
    """Yield the tables and charts of an attribute: the value itself, or those of a tuple or of a captioned display."""
    if isinstance(value, charts.Table | charts.Chart):
        yield name, value
    elif isinstance(value, tuple | list):
        for number, item in enumerate(value, start=1):
            yield from _find_contents(f"{name}_{number}", item)
    elif hasattr(value, "content"):
        yield from _find_contents(getattr(value, "name", name), value.content)


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
