"""Alignment of rows that have more or fewer fields than the header has names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lib.tables.detect.cell_shapes import ColumnShapes, has_inner_quote

Kind = Literal["short", "surplus", "spaces", "long", "quote", "table"]
# Below this number of rows, the columns' shapes say too little about where a field is missing or superfluous.
_MIN_PROFILE_ROWS = 10


@dataclass(frozen=True)
class RowFault:
    """A row that does not have one field for each column.

    Attributes
    ----------
    line : int
        Line where the row begins.
    kind : str
        ``short``: fields are missing at the end. ``surplus``: the row has surplus empty fields. ``long``: the row has
        surplus values. ``spaces``: a value without quotes contains spaces, in a file separated by spaces. ``quote``: a
        quote is not closed, or ends within a value. ``table``: the row is the header of a second table; if the fault
        is fixed, it only may be one.
    fields : int
        Number of fields as written.
    is_fixed : bool
        Whether the row could be aligned with the columns in one way only, so that no doubt is left.
    """

    line: int
    kind: Kind
    fields: int
    is_fixed: bool


def align_row(line: int, cells: list[str], column_count: int, shapes: ColumnShapes) -> tuple[list[str], RowFault]:
    """Align the cells of a row with the columns, and return them with the fault of the row.

    Parameters
    ----------
    line : int
        Line where the row begins.
    cells : list of str
        Fields as written: more or fewer than `column_count`.
    column_count : int
        Number of columns.
    shapes : ColumnShapes
        Shapes of the rows with one field for each column.

    Returns
    -------
    cells : list of str
        At least `column_count` cells; more if the row has surplus values.
    fault : RowFault
    """
    if len(cells) < column_count:
        return _pad_row(line, cells, column_count, shapes)
    surplus_count = len(cells) - column_count
    empty = {index for index, cell in enumerate(cells) if not cell.strip()}
    # Each candidate is the row without `surplus_count` consecutive empty fields, with the index of the first of them.
    starts = [start for start in sorted(empty) if empty.issuperset(range(start, start + surplus_count))]
    candidates = {tuple(cells[:start] + cells[start + surplus_count :]): start for start in starts}
    if not candidates:
        return cells, RowFault(line, "long", len(cells), False)
    ranked = sorted(candidates, key=lambda row: (shapes.count_misfits(row), -candidates[row]))
    best = ranked[0]
    is_clearly_best = len(ranked) == 1 or shapes.count_misfits(ranked[1]) > shapes.count_misfits(best)
    has_enough_rows = shapes.row_count >= _MIN_PROFILE_ROWS or len(ranked) == 1
    return list(best), RowFault(line, "surplus", len(cells), is_clearly_best and has_enough_rows)


def _pad_row(line: int, cells: list[str], column_count: int, shapes: ColumnShapes) -> tuple[list[str], RowFault]:
    """Add empty cells at the end of a short row, and check that the row's values fit their columns.

    A quote between two words shows that a separator is missing there.
    """
    missing_count = column_count - len(cells)
    is_shifted = shapes.row_count >= _MIN_PROFILE_ROWS and shapes.count_misfits(cells) > 0
    is_fixed = not is_shifted and not any(map(has_inner_quote, cells))
    return cells + [""] * missing_count, RowFault(line, "short", len(cells), is_fixed)
