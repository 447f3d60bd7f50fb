"""Pages of a run: self-contained HTML without scripts, in light and dark, on screen and on paper.

Jinja2 escapes every value, and the content security policy forbids scripts and requests, so that no name or value of a
table can do more than be read.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lib.evidence.report import texts
from lib.evidence.report.content import make_report
from lib.evidence.report.run_files import RunFiles

_TEMPLATES = Path(__file__).parent / "templates"
MAX_PAGE_BYTES = 3_000_000
# Rows and characters per cell of a table, and bytes of all charts, tried in this order until the page is small enough.
_LIMITS = ((200, 2_000, 2_000_000), (50, 300, 1_500_000), (10, 100, 500_000), (3, 40, 0))


def render_report(run: RunFiles) -> str:
    """Return the report of a run as a page of less than three megabytes."""
    report = make_report(run)
    page = ""
    for max_rows, max_characters, max_chart_bytes in _LIMITS:
        shown_charts = _choose_charts(run, max_chart_bytes)
        page = render(
            "report.html",
            report=report,
            max_rows=max_rows,
            max_characters=max_characters,
            shows_chart=lambda exhibit, shown=shown_charts: id(exhibit) in shown,
        )
        if len(page.encode("utf-8", "replace")) < MAX_PAGE_BYTES:
            break
    return page


def _choose_charts(run: RunFiles, max_bytes: int) -> set[int]:
    """Return the ids of the charts to show: the smallest first, as many as fit into `max_bytes`."""
    charts = [
        exhibit
        for result in run.results.values()
        for exhibit in result.get("exhibits", [])
        if exhibit["kind"] == "chart" and exhibit["png"]
    ]
    shown, size = set(), 0
    for chart in sorted(charts, key=lambda each: len(each["png"])):
        size += len(chart["png"])
        if size <= max_bytes:
            shown.add(id(chart))
    return shown


def render(template: str, **values: Any) -> str:
    """Return a page of the folder ``templates``."""
    return _environment().get_template(template).render(**values)


def write(page: str, file: Path) -> None:
    """Replace a page in one step, so that no reader sees an incomplete one."""
    unfinished = file.with_name(f"{file.name}.part")
    unfinished.write_bytes(page.encode("utf-8", "replace"))
    unfinished.replace(file)


@functools.cache
def _environment() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "format_value": texts.format_value,
        "format_name": texts.format_name,
        "is_number": texts.is_number,
        "describe_alternative": describe_chart,
    }
    return environment


def describe_chart(exhibit: Mapping[str, Any]) -> str:
    """Return the text that stands for a chart if it cannot be seen."""
    return " ".join(filter(None, [f"Chart: {exhibit['title']}.", exhibit["caption"]]))
