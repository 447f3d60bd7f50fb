"""The seasons of test rows and of requests, so that monitoring compares like with like."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

from lib.monitoring.reference import ColumnReference
from lib.monitoring.seasons import RowSeasons, Seasons, choose_seasons

if TYPE_CHECKING:
    from lib.parameters import Parameters
    from lib.stages._served_model import ServedModel

_TIME = "_time"


class RowDates:
    """The dates by which rows are sorted into seasons.

    The date of a row is in `column`. A request without this column has the date on which it was answered.

    Parameters
    ----------
    served : ServedModel
    parameters : Parameters
        ``time_column``.

    Attributes
    ----------
    column : str
        ``time_column`` if the test rows have it as a column of dates, or else their only column of dates; empty without
        one.
    """

    def __init__(self, served: ServedModel, parameters: Parameters):
        self._served = served
        rows, _ = served.test_rows
        names = [str(name) for name in rows.columns if pd.api.types.is_datetime64_any_dtype(rows[name])]
        chosen = [name for name in names if name == parameters.time_column] or names
        self.column = chosen[0] if len(chosen) == 1 else ""
        self._test_dates = rows[self.column] if self.column else None
        self._several = len(chosen) > 1

    @cached_property
    def _choice(self) -> tuple[Seasons | None, str]:
        if self._several:
            return None, "the test rows have several columns of dates, and time_column names none of them"
        return choose_seasons(self._test_dates)

    def of_test_rows(self) -> RowSeasons | None:
        """Return the season of each test row; None if seasons cannot be compared."""
        seasons = self._choice[0]
        return seasons.of_rows(self._test_dates) if seasons is not None and self._test_dates is not None else None

    def of_rows(self, rows: pd.DataFrame) -> RowSeasons | None:
        """Return the season of each row of a table or of the request log; None if they have no date."""
        seasons = self._choice[0]
        name = self.column if self.column in rows.columns else self._served.name_in_log(_TIME)
        if seasons is None or name not in rows.columns:
            return None
        dates = rows[name]
        if not pd.api.types.is_datetime64_any_dtype(dates):
            dates = pd.to_datetime(dates, errors="coerce", format="mixed")
        return seasons.of_rows(dates)

    def describe(self, references: Mapping[str, ColumnReference], has_dates: bool) -> str:
        """Return which seasons are compared like for like, and why others are not.

        Parameters
        ----------
        references : mapping of str to ColumnReference
            Those that were used; earlier releases did not count seasons.
        has_dates : bool
            Whether the rows that were judged have dates.
        """
        seasons, reason = self._choice
        if seasons is not None and not any(reference.seasonal_counts for reference in references.values()):
            seasons, reason = None, "the reference of this version was made by an earlier release"
        if seasons is not None and not has_dates:
            seasons, reason = None, f"the rows have no column {self.column}"
        if seasons is None:
            return (
                f"Seasons are not compared like for like, because {reason}. So a usual difference between months or "
                "weekdays counts as a drift."
            )
        text = f"Rows are compared with test rows of the same {seasons}, by {self.column}."
        return f"{text} Not more, because {reason}." if reason else text
