"""How the split of a table divides its training rows: the data that folds respect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class RowDivision:
    """How the split of a table divides its training rows further.

    Attributes
    ----------
    groups : ndarray of int, of shape (rows,), or None
        Rows of the same group must stay together; None if each row may be separated from all others.
    in_time_order : ndarray of int, of shape (rows,), or None
        Positions of the rows, the earliest first, after a split by time.
    """

    groups: np.ndarray | None = None
    in_time_order: np.ndarray | None = None
