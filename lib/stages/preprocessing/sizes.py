"""The table of sizes: rows, columns and details after each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lib import charts
from lib.stages.preprocessing import sides
from lib.tables.quality import leakage

if TYPE_CHECKING:
    import pandas as pd

    from lib.parameters import Parameters
    from lib.stages.preprocessing.engine import Reading
    from lib.stages.preprocessing.prepared_table import PreparedTable
    from lib.stages.preprocessing.sides import Sides
    from lib.stages.preprocessing.split_plan import SplitPlan


class Sizes:
    """The steps so far, each with its rows, columns and details."""

    def __init__(self) -> None:
        self._steps: list[tuple[str, int, int, str]] = []
        self._rows = 0
        self._columns = 0

    def to_table(self) -> charts.Table:
        """Return a table with a row for each step."""
        return charts.Table(self._steps, columns=["step", "rows", "columns", "details"]).set_index("step")

    def add_reading(self, reading: Reading, parameters: Parameters) -> None:
        """Add a step for the table as it was read."""
        details = " ".join([f"{parameters.data}{reading.place}.", *reading.notes])
        self._add("read", reading.rows, len(reading.columns) + len(reading.unread), details)

    def add_quarantine(self, reading: Reading, rows: int, uri: str) -> None:
        """Add a step for the rows in quarantine, if there are any."""
        if rows:
            details = f"These rows break the contract and were saved to {uri}"
            self._add("quarantined", rows, len(reading.columns), details)
            self._rows = reading.rows - rows

    def add_prepared(self, table: PreparedTable) -> None:
        """Add a step for the dropped columns and a step for the prepared rows."""
        self._add("dropped columns", self._rows, table.kept_columns, ", ".join(table.dropped) or "none")
        self._add("prepared", table.rows, table.columns, " ".join(table.notes) or "as returned by prepare_data")

    def add_plan(self, plan: SplitPlan) -> None:
        """Add a step for repeated rows and a step for repeated entities, if there are any."""
        for step, note in (("duplicates", plan.duplicates), ("groups", plan.entities)):
            if note:
                self._add(step, self._rows, self._columns, note)

    def add_sides(self, split: Sides, plan: SplitPlan, train: pd.DataFrame, parameters: Parameters) -> None:
        """Add a step for the training rows, one for the test rows, and one for columns that leak the target, if any.

        Parameters
        ----------
        split : Sides
        plan : SplitPlan
        train : DataFrame
            The training rows, or a sample of them.
        parameters : Parameters
        """
        columns = len(split.columns)
        description = plan.description if split.is_split_by_rule else "by the pipeline's split_data"
        if len(train) < len(split.train):
            description += f"; baseline, columns and leaks describe a sample of {len(train):,} training rows"
        self._add("train", len(split.train), columns, description)
        self._add("test", len(split.test), columns, sides.describe(split, plan, parameters))
        leaks = leakage.describe_leaks(train, parameters.target_column, parameters.task)
        if leaks:
            self._add("leak", len(split.train), columns, leaks)

    def _add(self, step: str, rows: int, columns: int, details: str) -> None:
        self._steps.append((step, rows, columns, details))
        self._rows, self._columns = rows, columns
