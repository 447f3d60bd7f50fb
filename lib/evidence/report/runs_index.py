"""The page ``runs/index.html``: all runs with their outcome, and the course of their scores."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lib.evidence.report.content import describe_total
from lib.evidence.report.html_page import render, write
from lib.evidence.report.run_files import RECORD, REPORT
from lib.evidence.report.verdict import find_score, judge

INDEX = "index.html"
_MAX_RUNS = 500
_MAX_POINTS = 20
_WIDTH, _HEIGHT, _MARGIN = 96, 24, 4


def write_index(runs_folder: Path) -> Path:
    """Write the list of the newest 500 runs of a folder, and return its path."""
    folders = sorted((file.parent for file in runs_folder.glob(f"*/{RECORD}")), reverse=True)
    page = render(
        "index.html",
        rows=describe_runs(folders[:_MAX_RUNS]),
        left_out_count=max(0, len(folders) - _MAX_RUNS),
    )
    file = runs_folder / INDEX
    write(page, file)
    return file


def describe_runs(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """Return a row of the list for each run.

    Parameters
    ----------
    folders : iterable of Path
        Folders of runs, newest first.

    Returns
    -------
    list of dict
        In the same order; a folder whose record is damaged is listed with that status.
    """
    rows: list[dict[str, Any]] = []
    scores: dict[tuple[str, str], list[float]] = {}  # by use case and metric, oldest first
    for folder in reversed(list(folders)):
        row, state = _describe_run(folder)
        found = find_score(state)
        if found is not None:
            course = scores.setdefault((str(state.get("name")), found[0]), [])
            course.append(found[1])
            row |= {"score": f"{found[0]} {found[1]:.4g}", **draw_sparkline(course[-_MAX_POINTS:])}
        rows.append(row)
    return rows[::-1]


def _describe_run(folder: Path) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return the row of a run without its score, and the content of its record."""
    row = {"name": folder.name, "use_case": "", "link": "", "score": "", "points": "", "started": "", "duration": ""}
    if (folder / REPORT).is_file():
        row["link"] = f"{folder.name}/{REPORT}"
    try:
        state = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        verdict, tone = judge(state)
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {**row, "status": "damaged record", "verdict": "unknown", "tone": "bad"}, {}
    started = str(state.get("started", "")).replace("T", " ")[:16]
    duration = describe_total(state) if state.get("ended") else ""
    row["use_case"] = str(state.get("name", ""))
    facts = {"started": started, "duration": duration, "status": state.get("status", "unknown")}
    return {**row, **facts, "verdict": verdict, "tone": tone}, state


def draw_sparkline(scores: Sequence[float]) -> dict[str, Any]:
    """Return the line of the scores so far in the coordinates of a small drawing, and the same in words.

    Examples
    --------
    >>> draw_sparkline([0.7, 0.8])["points"]
    '4.0,20.0 92.0,4.0'
    """
    low, high = min(scores), max(scores)
    step = (_WIDTH - 2 * _MARGIN) / max(1, len(scores) - 1)
    scale = (_HEIGHT - 2 * _MARGIN) / (high - low) if high > low else 0.0
    points = [
        (_MARGIN + number * step, _HEIGHT - _MARGIN - (score - low) * scale) for number, score in enumerate(scores)
    ]
    last_x, last_y = points[-1]
    return {
        "points": " ".join(f"{x:.1f},{y:.1f}" for x, y in points),
        "last_x": f"{last_x:.1f}",
        "last_y": f"{last_y:.1f}",
        "points_text": f"Scores of the last {len(scores)} runs: {', '.join(f'{score:.4g}' for score in scores)}",
    }
