"""Windows: logged rows, grouped by equal spans of time that follow one another."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lib.monitoring.reference import ColumnReference
from lib.monitoring.seasons import RowSeasons

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
    seasonal_counts : dict of str to tuple of tuple of int
        Number of rows by season and cell, by column; without columns whose seasons are not compared.
    """

    start: datetime.datetime
    end: datetime.datetime
    rows: int
    counts: dict[str, tuple[int, ...]]
    seasonal_counts: dict[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the window as JSON types."""
        return {
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "rows": self.rows,
            "counts": {name: list(counts) for name, counts in self.counts.items()},
            "seasonal_counts": {name: _pack(counts) for name, counts in self.seasonal_counts.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Window:
        """Return the window that `to_dict` described."""
        start, end = (datetime.datetime.fromisoformat(values[name]) for name in ("start", "end"))
        counts = {name: tuple(counts) for name, counts in values["counts"].items()}
        seasonal = {name: _unpack(packed) for name, packed in values.get("seasonal_counts", {}).items()}
        return cls(start, end, values["rows"], counts, seasonal)


def count_window(
    rows: pd.DataFrame,
    references: Mapping[str, ColumnReference],
    start: datetime.datetime,
    end: datetime.datetime,
    season: RowSeasons | None = None,
) -> Window:
    """Return a window with the rows counted by the cells of each column that the rows have, and by season."""
    counts, seasonal_counts = {}, {}
    for name, reference in references.items():
        if name not in rows.columns:
            continue
        cells = reference.cells.assign(rows[name])
        counts[name] = tuple(np.bincount(cells, minlength=reference.cells.count).tolist())
        if season is not None and reference.seasonal_counts:
            seasonal_counts[name] = season.count_rows(cells, reference.cells.count)
    return Window(start, end, len(rows), counts, seasonal_counts)


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
    seasonal_counts = {
        name: _add_seasons(first.seasonal_counts[name], second.seasonal_counts[name])
        for name in first.seasonal_counts.keys() & second.seasonal_counts.keys()
    }
    for one, other in ((first, second), (second, first)):  # a column that only one of them has
        absent = one.seasonal_counts.keys() - other.counts.keys()
        seasonal_counts |= {name: one.seasonal_counts[name] for name in absent}
    return Window(first.start, second.end, first.rows + second.rows, counts, seasonal_counts)


def _add_seasons(
    first: tuple[tuple[int, ...], ...], second: tuple[tuple[int, ...], ...]
) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in (np.array(first) + np.array(second)).tolist())


def _pack(counts: tuple[tuple[int, ...], ...]) -> dict[str, Any]:
    """Return counts by season as JSON types, without the seasons that have no row: a week has one month of twelve.

    Examples
    --------
    >>> _pack(((0, 0), (1, 2)))
    {'seasons': 2, 'cells': 2, 'rows': {'1': [1, 2]}}
    >>> _unpack(_pack(((0, 0), (1, 2))))
    ((0, 0), (1, 2))
    """
    rows = {str(number): list(row) for number, row in enumerate(counts) if any(row)}
    return {"seasons": len(counts), "cells": len(counts[0]), "rows": rows}


def _unpack(packed: Mapping[str, Any]) -> tuple[tuple[int, ...], ...]:
    empty = (0,) * packed["cells"]
    return tuple(tuple(packed["rows"].get(str(number), empty)) for number in range(packed["seasons"]))
