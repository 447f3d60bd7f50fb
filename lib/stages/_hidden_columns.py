"""Columns of the training and test rows that models do not see: keys of the split, groups and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib.errors import DataError
from lib.tables import frames
from lib.tables.row_weights import read_weights

if TYPE_CHECKING:
    from lib.parameters import Parameters


def read_hidden_columns(
    read: Callable[[str], pd.DataFrame], baseline: Mapping[str, Any], side: str
) -> pd.DataFrame | None:
    """Return the hidden columns of the training or test rows; None if there are none.

    Parameters
    ----------
    read : callable
        Returns the table at a URI.
    baseline : mapping
        The baseline from preprocess, which contains the URIs.
    side : {"train", "test"}
    """
    uri = baseline.get(f"{side}_keys")
    return read(uri) if uri else None


def read_row_weights(hidden: pd.DataFrame | None, side: str, parameters: Parameters) -> np.ndarray | None:
    """Return the weights of some rows, of shape (rows,); None without ``weight_column``.

    Parameters
    ----------
    hidden : DataFrame or None
        The hidden columns of the rows.
    side : str
        Which rows these are, for messages.
    parameters : Parameters
        ``weight_column``.

    Raises
    ------
    DataError
        If the rows have no weights, or if all weights are 0.
    """
    name = parameters.weight_column
    if not name:
        return None
    if hidden is None or name not in hidden:
        raise DataError(
            f"weight_column: the {side} rows were preprocessed without the column {name!r}. Run preprocess again with "
            "the current parameters."
        )
    weights = read_weights(frames.get_column(hidden, name, where=f"the hidden columns of the {side} rows"))
    if not weights.any():
        raise DataError(f"weight_column: all {len(weights):,} {side} rows have the weight 0 in {name}.")
    return weights
