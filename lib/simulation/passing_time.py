"""Time that passes in a copy of a workspace: everything that has a date moves into the past.

Monitoring judges weeks that have ended. Requests are answered within seconds in a simulation, so the copy of the
request log, and what earlier looks have counted, are moved back by a week after each week's requests.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from lib.monitoring.request_rows import list_days

_DATED = ("start", "end")


def move_back(request_log: Path, history: Path, days: int) -> None:
    """Move the rows of a request log, and the windows of earlier looks, a number of days into the past.

    Parameters
    ----------
    request_log : Path
        The folder of the log; the endpoint must not write to it meanwhile.
    history : Path
        The file in which looks store what they have counted; it may be absent.
    days : int
    """
    for day in list_days(request_log):
        source = request_log / f"day={day}"
        target = request_log / f"day={day - datetime.timedelta(days=days)}"
        for path in source.glob("*.parquet"):
            _move_rows(path, days)
        source.rename(target)
    if history.is_file():
        moved = _move_dates(json.loads(history.read_text(encoding="utf-8")), days)
        history.write_text(json.dumps(moved), encoding="utf-8")


def _move_rows(path: Path, days: int) -> None:
    """Subtract days from the times in a file of the log; a column of the model may have the name ``_time``, too."""
    import pandas as pd

    rows = pd.read_parquet(path, partitioning=None)
    name = max((column for column in rows.columns if column.lstrip("_") == "time" and column.startswith("_")), key=len)
    rows.assign(**{name: rows[name] - pd.Timedelta(days=days)}).to_parquet(path)


def _move_dates(value: Any, days: int) -> Any:
    """Return JSON in which the values of `_DATED` are earlier.

    Examples
    --------
    >>> _move_dates({"windows": [{"start": "2026-01-08T00:00:00+00:00", "rows": 7}]}, 7)
    {'windows': [{'start': '2026-01-01T00:00:00+00:00', 'rows': 7}]}
    """
    if isinstance(value, list):
        return [_move_dates(entry, days) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _subtract(entry, days) if key in _DATED and isinstance(entry, str) else _move_dates(entry, days)
        for key, entry in value.items()
    }


def _subtract(time: str, days: int) -> str:
    return (datetime.datetime.fromisoformat(time) - datetime.timedelta(days=days)).isoformat()
