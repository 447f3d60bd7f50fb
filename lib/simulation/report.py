"""The report of a simulation: a page for people, and the same as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.evidence.report.html_page import render, write
from lib.simulation.timeline import Timeline

PAGE, RESULT = "report.html", "simulation.json"


def write_report(
    folder: Path,
    scenario: str,
    name: str,
    description: str,
    timeline: Timeline,
    pages: Sequence[tuple[str, str]] = (),
    failure: str = "",
) -> Path:
    """Write the report of a simulation into an existing folder, and return the path of the page.

    Parameters
    ----------
    folder : Path
    scenario : str
    name : str
        Name of the use case.
    description : str
        What was done.
    timeline : Timeline
    pages : sequence of (str, str)
        Title and file name of each page in the folder.
    failure : str
        Why the simulation stopped early; empty if it did not.
    """
    events = _list_events(timeline)
    checks = [{"promise": c.promise, "observed": c.observed, "held": c.is_held} for c in timeline.checks]
    verdict = describe_verdict(timeline, failure)
    result = {
        "scenario": scenario,
        "name": name,
        "held": timeline.is_held and not failure,
        "verdict": verdict,
        "checks": checks,
        "events": events,
        "failure": failure,
    }
    (folder / RESULT).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    page = render(
        "simulation.html",
        title=f"Game day of {name}: {scenario}",
        scenario=scenario,
        verdict=verdict,
        is_held=result["held"],
        description=description,
        failure=failure,
        checks=timeline.checks,
        events=events,
        pages=pages,
    )
    write(page, folder / PAGE)
    return folder / PAGE


def describe_verdict(timeline: Timeline, failure: str = "") -> str:
    """Return whether the promises held, in a line.

    Examples
    --------
    >>> timeline = Timeline()
    >>> timeline.check("No request fails.", False, "2 failed.")
    >>> describe_verdict(timeline)
    'broken: 1 of 1 promises did not hold'
    """
    broken = sum(not check.is_held for check in timeline.checks)
    if broken:
        return f"broken: {broken} of {len(timeline.checks)} promises did not hold"
    if failure:
        return "unknown: the simulation stopped early"
    return f"held: all {len(timeline.checks)} promises"


def _list_events(timeline: Timeline) -> list[dict[str, Any]]:
    """Return the events with the time since the first one, in minutes and seconds."""
    events = []
    for event in timeline.events:
        seconds = int((event.time - timeline.events[0].time).total_seconds())
        events.append(
            {
                "time": f"{event.time:%Y-%m-%d %H:%M:%S}",
                "after": f"{seconds // 60}:{seconds % 60:02}",
                "actor": event.actor,
                "text": event.text,
            }
        )
    return events
