"""Seasons: months and weekdays, so that rows are compared with reference rows of the same season.

A season is a month, a weekday, or a month and a weekday together. It is used only if the reference has enough rows in
each: with reference rows of some months only, nobody can say what is usual in the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

MONTH, WEEKDAY = "month", "weekday"
_COUNTS = {MONTH: 12, WEEKDAY: 7}
MIN_ROWS_PER_SEASON = 50
_MIN_ROWS_PER_PAIR = 10


@dataclass(frozen=True)
class Seasons:
    """The seasons into which rows are sorted by their date.

    Attributes
    ----------
    kinds : tuple of str
        `MONTH`, `WEEKDAY`, or both.

    Examples
    --------
    >>> seasons = Seasons((WEEKDAY,))
    >>> seasons.count, seasons.assign(pd.to_datetime(pd.Series(["2026-01-05", None]))).tolist()
    (8, [0, 7])
    """

    kinds: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of seasons; the last one is for rows without a date."""
        return int(np.prod([_COUNTS[kind] for kind in self.kinds])) + 1

    def of_rows(self, dates: pd.Series) -> RowSeasons:
        """Return the seasons of rows with these dates."""
        return RowSeasons(self.assign(dates), self.count)

    def assign(self, dates: pd.Series) -> np.ndarray:
        """Return the number of the season of each row, from 0."""
        numbers = np.zeros(len(dates), dtype=int)
        for kind in self.kinds:
            numbers = numbers * _COUNTS[kind] + _number_kind(dates, kind)
        return np.where(dates.isna(), self.count - 1, numbers)

    def __str__(self) -> str:
        return " and ".join(self.kinds)


@dataclass(frozen=True)
class RowSeasons:
    """The season of each row of a table.

    Attributes
    ----------
    numbers : ndarray of int, of shape (rows,)
    count : int
        Number of seasons.
    """

    numbers: np.ndarray
    count: int

    def select(self, is_selected: np.ndarray) -> RowSeasons:
        """Return the seasons of some rows."""
        return RowSeasons(self.numbers[is_selected], self.count)

    def count_rows(self, cells: np.ndarray, cell_count: int) -> tuple[tuple[int, ...], ...]:
        """Return the number of rows by season and cell.

        Parameters
        ----------
        cells : ndarray of int, of shape (rows,)
            Number of the cell of each row.
        cell_count : int

        Examples
        --------
        >>> RowSeasons(np.array([0, 0, 1]), 2).count_rows(np.array([0, 1, 1]), 2)
        ((1, 1), (0, 1))
        """
        counts = np.bincount(self.numbers * cell_count + cells, minlength=self.count * cell_count)
        return tuple(tuple(row) for row in counts.reshape(self.count, cell_count).tolist())


def choose_seasons(dates: pd.Series | None) -> tuple[Seasons | None, str]:
    """Return the seasons for which the reference has enough rows, and what cannot be compared like for like.

    Parameters
    ----------
    dates : Series of datetime, or None
        Dates of the reference rows; None if they have no column of dates.

    Returns
    -------
    seasons : Seasons or None
        None if no season has enough rows.
    reason : str
        Why months or weekdays are not compared like for like, as a clause; empty if both are.

    Examples
    --------
    >>> choose_seasons(pd.Series(pd.date_range("2025-01-01", periods=700, freq="D")))[0]
    Seasons(kinds=('month',))
    >>> choose_seasons(None)[1]
    'the test rows have no column of dates'
    """
    if dates is None:
        return None, "the test rows have no column of dates"
    known = dates.dropna()
    enough = [kind for kind in _COUNTS if _count_fewest(known, (kind,)) >= MIN_ROWS_PER_SEASON]
    if len(enough) == len(_COUNTS) and _count_fewest(known, tuple(enough)) >= _MIN_ROWS_PER_PAIR:
        return Seasons(tuple(enough)), ""
    kinds = tuple(enough[:1])
    lacking = [kind for kind in _COUNTS if kind not in kinds]
    reason = f"{MIN_ROWS_PER_SEASON} test rows in each {' and in each '.join(lacking)} are needed"
    if len(enough) == len(_COUNTS):
        reason = f"{_MIN_ROWS_PER_PAIR} test rows for each month and weekday together are needed"
    return (Seasons(kinds) if kinds else None), reason


def _count_fewest(dates: pd.Series, kinds: tuple[str, ...]) -> int:
    """Return the number of rows in the season with the fewest."""
    seasons = Seasons(kinds)
    return int(np.bincount(seasons.assign(dates), minlength=seasons.count)[:-1].min())


def _number_kind(dates: pd.Series, kind: str) -> np.ndarray:
    """Return the month or the weekday of each date, from 0; 0 for a missing date."""
    numbers = dates.dt.month - 1 if kind == MONTH else dates.dt.dayofweek
    return numbers.fillna(0).to_numpy(dtype=int)
