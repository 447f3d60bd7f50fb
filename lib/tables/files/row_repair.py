"""Rows with more or fewer fields than the header has names: aligned with the columns if only one way fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lib.tables.detect.cell_shapes import ColumnShapes, has_inner_quote

Kind = Literal["short", "surplus", "long", "quote", "table"]
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
        ``short``: fields are missing at the end. ``surplus``: it has empty fields too many. ``long``: it has values
        too many. ``quote``: a quote is not closed, or ends within a value. ``table``: the header of another table.
    fields : int
        Number of fields as written.
    is_fixed : bool
        Whether only one way to align the row fits the other rows.
    """

    line: int
    kind: Kind
    fields: int
    is_fixed: bool


def align(line: int, cells: list[str], width: int, shapes: ColumnShapes) -> tuple[list[str], RowFault]:
    """Return the cells of a row in their columns, and the fault that was found.

    Parameters
    ----------
    line : int
        Line where the row begins.
    cells : list of str
        More or fewer than `width`.
    width : int
        Number of columns.
    shapes : ColumnShapes
        Shapes of the rows with one field for each column.

    Returns
    -------
    cells : list of str
        At least `width`; more if the row has values too many.
    fault : RowFault
    """
    if len(cells) < width:
        return _pad(line, cells, width, shapes)
    surplus = len(cells) - width
    empty = [index for index, cell in enumerate(cells) if not cell.strip()]
    if len(empty) < surplus:
        return cells, RowFault(line, "long", len(cells), False)
    # Candidates: without consecutive empty fields, the last ones first.
    starts = [index for index in reversed(empty) if all(i in empty for i in range(index, index + surplus))]
    candidates = {tuple(cells[:start] + cells[start + surplus :]): start for start in reversed(starts)}
    if not candidates:
        return cells, RowFault(line, "long", len(cells), False)
    ranked = sorted(candidates, key=lambda row: (shapes.misfits(row), -candidates[row]))
    best = ranked[0]
    is_alone = len(ranked) == 1 or shapes.misfits(ranked[1]) > shapes.misfits(best)
    knows_shapes = shapes.rows >= _MIN_PROFILE_ROWS or len(ranked) == 1
    return list(best), RowFault(line, "surplus", len(cells), is_alone and knows_shapes)


def _pad(line: int, cells: list[str], width: int, shapes: ColumnShapes) -> tuple[list[str], RowFault]:
    """Pad a row that is too short at its end, and check that its values fit their columns.

    A quote between two words shows that a separator is missing there.
    """
    missing = width - len(cells)
    fits = (shapes.rows < _MIN_PROFILE_ROWS or shapes.misfits(cells) == 0) and not any(map(has_inner_quote, cells))
    return cells + [""] * missing, RowFault(line, "short", len(cells), fits)
