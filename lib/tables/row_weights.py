"""Weights of rows, read from a column."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib.errors import DataError


def read_weights(column: pd.Series) -> np.ndarray:
    """Return the weights in a column.

    Parameters
    ----------
    column : Series of shape (rows,)

    Returns
    -------
    ndarray of float, of shape (rows,)

    Raises
    ------
    DataError
        If a weight is missing, no number, infinite or negative.

    Examples
    --------
    >>> read_weights(pd.Series([1, 2.5], name="weight")).tolist()
    [1.0, 2.5]
    """
    weights = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    is_wrong = ~(np.isfinite(weights) & (weights >= 0))
    if is_wrong.any():
        row = int(is_wrong.argmax())
        raise DataError(
            f"weight_column: {column.name} has {int(is_wrong.sum()):,} values that are no weights, the first one "
            f"{column.iloc[row]} in row {row + 1}; expected numbers of at least 0 in every row."
        )
    return weights
