"""Windows: logged rows, grouped by equal spans of time that follow one another."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lib.monitoring.reference import ColumnReference

MIN_ROWS = 50


@dataclass(frozen=True)
class Window:
    """The rows of a span of time, counted by cell.

    Attributes
    ----------
    start, end : datetime
        UTC; the end is exclusive.
    rows : int
    counts : dict of str to tuple of int
        Number of rows in each cell, by column.
    """

    start: datetime.datetime
    end: datetime.datetime
    rows: int
    counts: dict[str, tuple[int, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Return the window as JSON types."""
        return {
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "rows": self.rows,
            "counts": {name: list(counts) for name, counts in self.counts.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Window:
        """Return the window that `to_dict` described."""
        start, end = (datetime.datetime.fromisoformat(values[name]) for name in ("start", "end"))
        return cls(start, end, values["rows"], {name: tuple(counts) for name, counts in values["counts"].items()})


def count_window(
    rows: pd.DataFrame,
    references: Mapping[str, ColumnReference],
    start: datetime.datetime,
    end: datetime.datetime,
) -> Window:
    """Return a window with the rows counted by the cells of each column that the rows have."""
    counts = {
        name: tuple(reference.cells.count_rows(rows[name]).tolist())
        for name, reference in references.items()
        if name in rows.columns
    }
    return Window(start, end, len(rows), counts)


def list_spans(
    first: datetime.datetime, now: datetime.datetime, days: int
) -> list[tuple[datetime.datetime, datetime.datetime]]:
    """Return the spans of equal length that have ended, the first of which begins at `first`.

    Examples
    --------
    >>> first = datetime.datetime(2026, 1, 1)
    >>> [(start.day, end.day) for start, end in list_spans(first, datetime.datetime(2026, 1, 20), 7)]
    [(1, 8), (8, 15)]
    """
    length = datetime.timedelta(days=days)
    count = max(0, (now - first) // length)
    return [(first + number * length, first + (number + 1) * length) for number in range(count)]


def join_small_windows(windows: list[Window]) -> list[Window]:
    """Join each window of few rows with the following ones until they have enough rows; the rest is left out.

    Windows are joined by their number of rows alone, never by values: otherwise the evidence would be biased.
    """
    joined: list[Window] = []
    waiting: Window | None = None
    for window in windows:
        waiting = window if waiting is None else _join(waiting, window)
        if waiting.rows >= MIN_ROWS:
            joined.append(waiting)
            waiting = None
    return joined


def interleave(windows: list[Window], batches: list[Window]) -> list[Window]:
    """Return windows and batches of labels in the order in which they were judged."""
    return sorted([*windows, *batches], key=lambda window: window.end)


def _join(first: Window, second: Window) -> Window:
    names = first.counts.keys() | second.counts.keys()
    counts = {}
    for name in names:
        parts = [np.array(window.counts[name]) for window in (first, second) if name in window.counts]
        counts[name] = tuple(np.sum(parts, axis=0).tolist())
    return Window(first.start, second.end, first.rows + second.rows, counts)
