"""What changed in a column since a drift began: the cells whose share of the rows changed most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.monitoring.cells import CATEGORY
from lib.monitoring.reference import ColumnReference
from lib.monitoring.surprises import describe_node

MISSING_VALUES, UNKNOWN_VALUES, VALUES = "missing values", "unknown values", "values"


@dataclass(frozen=True)
class Change:
    """A change of the share of some cells.

    Attributes
    ----------
    kind : str
        `MISSING_VALUES`, `UNKNOWN_VALUES` (values without a cell of their own) or `VALUES`; empty if nothing changed.
    cells : str
        Description of the cells.
    share_before, share_now : float
        Share of the rows in these cells, from 0 to 1: in the reference, and since the drift began.
    """

    kind: str
    cells: str
    share_before: float
    share_now: float

    def __str__(self) -> str:
        if not self.kind:
            return ""
        return f"{self.cells}: {self.share_before:.1%} of the rows before, {self.share_now:.1%} since"


def find_change(reference: ColumnReference, window_counts: Sequence[Sequence[int]], surprises: np.ndarray) -> Change:
    """Find the cells whose share changed most.

    Parameters
    ----------
    reference : ColumnReference
    window_counts : sequence of sequence of int
        Number of rows by cell in each window since the drift began.
    surprises : ndarray of float, of shape (windows, nodes)
        Of the same windows, from `lib.monitoring.surprises`.
    """
    cells = reference.cells
    before, now = np.array(reference.counts), np.sum(window_counts, axis=0)
    # A node without rows on one side says nothing: its surprises come from the breaking of ties alone.
    totals = [
        [(before[part] + now[part]).sum() for part in describe_node(node, cells.count)]
        for node in range(surprises.shape[1])
    ]
    strength = np.where([min(parts) > 0 for parts in totals], np.abs(surprises.sum(axis=0)), 0.0)
    if not strength.any():
        return Change("", "", 0.0, 0.0)
    node = int(np.argmax(strength))
    left, right = describe_node(node, cells.count)
    smaller = left if before[left].sum() <= before[right].sum() else right
    if node == 0:
        kind, changed = MISSING_VALUES, [0]
    elif cells.kind == CATEGORY and smaller[-1] == cells.count - 1 and len(smaller) == 1:
        kind, changed = UNKNOWN_VALUES, smaller
    else:
        kind, changed = VALUES, smaller
    share_before, share_now = (float(counts[changed].sum() / max(1, counts.sum())) for counts in (before, now))
    return Change(kind, cells.describe(changed), share_before, share_now)
