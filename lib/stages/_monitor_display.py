"""How the monitor stage shows its verdict: in words, as tables, and as charts."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from lib import charts
from lib.errors import format_count
from lib.metrics import Metric
from lib.monitoring.changes import VALUES
from lib.monitoring.estimates import CONCEPT_DRIFT
from lib.monitoring.history import History
from lib.monitoring.reference import ERROR
from lib.monitoring.scores import Interval, WindowScore
from lib.monitoring.verdict import STABLE, TOO_FEW, Judgement
from lib.monitoring.windows import MIN_ROWS, Window
from lib.stages._monitored_rows import join_names
from lib.stages._monitored_scores import WindowScorer

_MAX_LISTED = 5


def without_false_calm(judgement: Judgement, obstacles: Sequence[str]) -> Judgement:
    """Return the judgement with "too few to say" in place of "stable" if something stands against that conclusion."""
    if judgement.verdict == STABLE and obstacles:
        return replace(judgement, verdict=TOO_FEW)
    return judgement


def find_last_day(windows: Sequence[Window]) -> datetime.datetime:
    """Return the end of the last window with rows."""
    return next((window.end for window in reversed(windows) if window.rows), windows[0].start)


def describe(judgement: Judgement, version: str, windows: list[Window], obstacles: Sequence[str]) -> str:
    """Return the verdict in one line."""
    rows = sum(window.rows for window in windows)
    counted = f"version {version}, {format_count(rows, 'row')} in {format_count(len(windows), 'window')}"
    if judgement.verdict == TOO_FEW:
        needed = f"at least {MIN_ROWS} rows in windows that have ended are needed"
        reasons = [*obstacles, *([] if judgement.windows else [needed])]
        return f"{judgement.verdict}: {counted}; {'; '.join(reasons or [needed])}."
    if judgement.verdict == STABLE:
        return f"{judgement.verdict}: {counted}; no drift beyond chance."
    names = join_names(judgement.drifted)
    if len(windows) == 1:
        return f"{judgement.verdict}: {counted}; drift in {names}."
    since = min(column.start.start for column in judgement.columns if column.name in judgement.drifted)
    alarm = f", found by {judgement.acted_in.end:%Y-%m-%d}" if judgement.acted_in else ""
    return f"{judgement.verdict}: {counted}; drift since {since:%Y-%m-%d}{alarm}, in {names}."


def make_table(judgement: Judgement) -> charts.Table:
    """Return a row for each column, the strongest evidence first; details only for columns with a drift."""
    rows = []
    for column in judgement.columns:
        has_drifted = column.name in judgement.drifted
        details = (
            (column.change.kind, str(column.change), f"{column.start.start:%Y-%m-%d}") if has_drifted else ("",) * 3
        )
        is_used = "yes" if column.is_used else "no"
        rows.append((column.name, f"{column.evidence:,.3g}", "yes" if has_drifted else "", is_used, *details))
    names = ["column", "evidence", "drifted", "used by the model", "what changed", "largest change", "since (UTC)"]
    table = charts.Table(rows, columns=names).set_index("column")
    table.attrs[charts.MARKED] = judgement.drifted
    charts.label(table, "Evidence of a drift by column")
    return table


def draw_evidence(judgement: Judgement) -> charts.Chart | str:
    """Return the chart of the evidence, or why there is none."""
    if len(judgement.log_evidence) < 2:
        return "Evidence over time needs at least two windows."
    lines = {"used columns and prediction": judgement.log_evidence}
    lines |= {column.name: column.log_evidence for column in judgement.columns[:_MAX_LISTED]}
    ends = [window.end for window in judgement.windows]
    return charts.evidence_over_time(ends, lines, judgement.threshold)


def make_score_table(scores: Sequence[WindowScore], promised: Interval | None, metric: Metric) -> charts.Table:
    """Return the primary metric by window, after that on the test rows."""
    rows = [("test rows, promised", "", "", str(promised or "undefined"), "")]
    for score in scores:
        realised, estimate = (str(interval) if interval else "" for interval in (score.realised, score.estimate))
        rows.append((f"{score.start:%Y-%m-%d}", f"{score.rows:,}", f"{score.labelled:,}", realised, estimate))
    table = charts.Table(rows, columns=["window from (UTC)", "rows", "labels", "realised", "estimated without labels"])
    charts.label(table, f"{metric.name} by window, {metric.direction}")
    return table.set_index("window from (UTC)")


def draw_scores(scores: Sequence[WindowScore], promised: Interval | None, metric: Metric) -> charts.Chart | str:
    """Return the chart of the primary metric, or why there is none."""
    if len([score for score in scores if score.realised or score.estimate]) < 2:
        return "The primary metric over time needs at least two windows."
    series = {
        "estimated without labels": [(score.end, score.estimate) for score in scores if score.estimate],
        "realised": [(score.end, score.realised) for score in scores if score.realised],
    }
    points = {
        name: [(end, interval.value, interval.low, interval.high) for end, interval in values]
        for name, values in series.items()
        if values
    }
    return charts.scores_over_time(points, promised.value if promised else None, metric.name)


def summarize(judgement: Judgement, history: History, promised: Interval | None, metric: Metric) -> dict[str, Any]:
    """Return the verdict for programs, as JSON types; docs/monitoring.md describes each key."""
    drifted = {column.name: column for column in judgement.columns if column.name in judgement.drifted}
    latest = history.scores[-1] if history.scores else None
    return {
        "rows": sum(window.rows for window in history.windows),
        "windows": len(history.windows),
        "drifted": [
            {
                "column": name,
                "since": column.start.start.isoformat(),
                "kind": column.change.kind,
                "change": str(column.change),
                "used_by_model": column.is_used,
                "evidence": column.evidence,
            }
            for name, column in drifted.items()
        ],
        "acted_in": judgement.acted_in.end.isoformat() if judgement.acted_in else None,
        "metric": metric.name,
        "promised": asdict(promised) if promised else None,
        "realised": asdict(latest.realised) if latest and latest.realised else None,
        "estimated": asdict(latest.estimate) if latest and latest.estimate else None,
        "scores": [score.to_dict() for score in history.scores],
    }


def without_private_values(judgement: Judgement, private_columns: Sequence[str]) -> Judgement:
    """Return the judgement without the values that have become more or less frequent in private columns."""
    columns = [
        replace(column, change=replace(column.change, cells="some values"))
        if column.name in private_columns and column.change.kind == VALUES
        else column
        for column in judgement.columns
    ]
    return replace(judgement, columns=columns)


def list_caveats(
    history: History, judgement: Judgement, scorer: WindowScorer, obstacles: Sequence[str], seasons: str
) -> list[str]:
    """Return what the drift does to the score, and what the verdict does not cover."""
    notes = [_describe_scores(history.scores, scorer)]
    unmonitored = [name for name in judgement.unmonitored if name != ERROR]
    if history.windows and unmonitored:
        notes.append(f"Not monitored, because the rows do not contain them: {join_names(unmonitored)}.")
    if judgement.verdict != TOO_FEW and obstacles:
        notes.append(f"Also: {'; '.join(obstacles)}.")
    for window in history.windows:
        if not window.rows and len(history.windows) > 1:
            last_day = window.end - datetime.timedelta(days=1)
            notes.append(f"No requests from {window.start:%Y-%m-%d} to {last_day:%Y-%m-%d} (UTC).")
    unused = [name for name, reference in history.references.items() if not reference.is_used]
    if unused:
        notes.append(
            f"Shuffling {join_names(unused)} in the test rows did not change the model's output; a drift there is at "
            "most a look."
        )
    return [
        *filter(None, notes),
        seasons,
        CONCEPT_DRIFT,
    ]


def _describe_scores(scores: Sequence[WindowScore], scorer: WindowScorer) -> str:
    """Return what has become of the primary metric, in a sentence; empty if no window has a score."""
    parts = []
    for name, intervals in (
        ("realised", [(score, score.realised) for score in scores if score.realised]),
        ("estimated without labels", [(score, score.estimate) for score in scores if score.estimate]),
    ):
        if intervals:
            score, interval = intervals[-1]
            parts.append(f"{interval} {name} in the window from {score.start:%Y-%m-%d}")
    if not parts:
        return ""
    promised = f"; {scorer.promised} on the test rows" if scorer.promised else ""
    return f"{scorer.metric.name}: {', '.join(parts)}{promised}."
