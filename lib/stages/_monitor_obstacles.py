"""What stands against the conclusion that nothing has drifted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lib.monitoring.reference import ERROR, PREDICTION
from lib.stages import _monitor_display as display
from lib.stages._monitored_rows import join_names

if TYPE_CHECKING:
    from lib.monitoring.history import History
    from lib.parameters import Parameters
    from lib.stages._monitored_scores import WindowScorer


def list_obstacles(history: History, scorer: WindowScorer, parameters: Parameters) -> list[str]:
    """Return why the absence of a drift cannot be concluded."""
    obstacles = []
    hidden = {*parameters.private_columns}
    if parameters.request_log_columns and not parameters.rows:
        hidden |= {*history.references} - {*parameters.request_log_columns}
    newest = history.windows[-1] if history.windows else None
    if newest is not None and not newest.rows and len(history.windows) > 1:
        obstacles.append(f"no requests since {display.find_last_day(history.windows):%Y-%m-%d}")
    latest = next((window for window in reversed(history.windows) if window.rows), None)
    if latest is not None:
        absent = [
            name
            for name, reference in history.references.items()
            if name not in latest.counts and name not in (PREDICTION, ERROR) and name not in hidden
        ]
        if absent:
            obstacles.append(f"the newest rows have no column {join_names(absent)}")
    if scorer.labels is not None and not scorer.joined_rows and latest is not None:
        example = scorer.unjoined_example
        obstacles.append(f"no label of {scorer.labels.source} belongs to any row{': ' if example else ''}{example}")
    return obstacles
