"""The rows to look at after a drift: those that are most typical of what is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lib.monitoring.reference import ColumnReference

MAX_ROWS = 10
_SMOOTHING = 0.5  # of a row: a cell without a row has no probability of zero


def rank_rows(
    rows: pd.DataFrame, references: Mapping[str, ColumnReference], columns: Sequence[str], count: int = MAX_ROWS
) -> pd.DataFrame:
    """Return the most unusual rows, the most unusual first, with the cell of each drifted column.

    A row is unusual if its cells have become more frequent than in the reference: the measure is the sum over the
    columns of the logarithm of the ratio of the two shares. Of equally unusual rows, the first ones are returned.

    Parameters
    ----------
    rows : DataFrame
        Rows after the drift began.
    references : mapping of str to ColumnReference
    columns : sequence of str
        Drifted columns; those that the rows lack are left out.
    count : int

    Returns
    -------
    DataFrame
        The index is that of the rows. Each column has descriptions of cells, not values of rows.

    Examples
    --------
    >>> from lib.monitoring.cells import Cells
    >>> reference = ColumnReference(Cells("number", edges=(1.0,)), (0, 90, 10))
    >>> rank_rows(pd.DataFrame({"size": [0.5, 7.0, 8.0]}), {"size": reference}, ["size"], count=2)
          size
    1  above 1
    2  above 1
    """
    present = [name for name in columns if name in rows.columns and name in references]
    surprise, described = np.zeros(len(rows)), {}
    for name in present:
        cells = references[name].cells
        numbers = cells.assign(rows[name])
        surprise += _measure_growth(np.array(references[name].counts), numbers)[numbers]
        described[name] = np.array(cells.names, dtype=object)[numbers]
    order = np.argsort(-surprise, kind="stable")[:count]
    order = order[surprise[order] > 0]
    return pd.DataFrame(described, index=rows.index).iloc[order]


def _measure_growth(before: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return the logarithm of the ratio of each cell's share of the rows to that in the reference."""
    now = np.bincount(numbers, minlength=len(before))
    shares = [(counts + _SMOOTHING) / (counts + _SMOOTHING).sum() for counts in (now, before)]
    return np.log(shares[0] / shares[1])
