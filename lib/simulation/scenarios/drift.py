"""Inputs drift: monitoring says act, and names the column."""

from __future__ import annotations

import datetime

from lib.errors import DataError
from lib.monitoring.cells import CATEGORY, NUMBER
from lib.simulation.rows import draw_rows, list_used_columns, shift_column
from lib.simulation.use_case import SimulatedUseCase

DESCRIPTION = (
    "Requests like the test rows come for three weeks. Then the column that matters most to the model drifts: numbers "
    "grow by one standard deviation, or half of the categories become the rarest one."
)
_WEEKS = 3


def run(use_case: SimulatedUseCase) -> None:
    """Serve weeks without and with a drift, and look after each kind."""
    rows, _ = use_case.test_rows
    column, kind = _choose_column(use_case)
    use_case.deploy()
    for week in range(_WEEKS):
        use_case.serve_week(draw_rows(rows, week), "rows like the test rows.")
    quiet = use_case.monitor("Look after the weeks without drift")
    use_case.timeline.check(
        "Without drift, monitor does not say act.", quiet["state"] != "act", f"It says {quiet['state']}."
    )
    for week in range(_WEEKS, 2 * _WEEKS):
        drifted = shift_column(draw_rows(rows, week), column, kind, rows, seed=week)
        use_case.serve_week(drifted, f"the column {column} has drifted.")
    result = use_case.monitor("Look after the weeks with drift")
    starts = {drift["column"]: drift["since"] for drift in result["drifted"]}
    use_case.timeline.check("With a drift, monitor says act.", result["state"] == "act", f"It says {result['state']}.")
    use_case.timeline.check(
        f"It names the column {column}.", column in starts, f"It names {', '.join(starts) or 'no column'}."
    )
    days = _count_days(starts.get(column, ""))
    length = use_case.parameters.monitor_window_days
    use_case.timeline.check(
        "It says since when, to within a window.",
        abs(days - _WEEKS * length) <= length,
        f"It says {starts.get(column, 'nothing')[:10]}, {days} days ago; the drift began {_WEEKS * length} days ago.",
    )


def _count_days(since: str) -> int:
    """Return how many days ago a time was; 0 if it is empty."""
    return (datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(since)).days if since else 0


def _choose_column(use_case: SimulatedUseCase) -> tuple[str, str]:
    """Return the column with most effect that the request log has, and its kind."""
    references = use_case.served.make_references()
    for kind in (NUMBER, CATEGORY):
        columns = list_used_columns(references, use_case.inputs.logged, kind)
        if columns:
            return columns[0], kind
    raise DataError("The model uses no column that the request log has, so no drift of its inputs can be simulated.")
