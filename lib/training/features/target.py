"""The target as a plain NumPy array, whatever kind of column it came in."""

from __future__ import annotations

import numpy as np
import pandas as pd


def target_array(y: pd.Series, is_classification: bool) -> np.ndarray:
    """Target without pandas' own types, which scikit-learn takes for an unknown kind of label.

    Parameters
    ----------
    y : pandas.Series
        Labels or numbers, none missing; nullable, categorical and Arrow types are welcome.
    is_classification : bool
        Whether `y` holds labels, which keep their type, or numbers, which become floats.

    Returns
    -------
    numpy.ndarray
        Labels as int, float, bool or object (str); numbers as float64.
    """
    if not is_classification:
        return y.to_numpy(dtype=np.float64)
    plain = {"b": np.bool_, "i": np.int64, "u": np.uint64, "f": np.float64}
    if isinstance(y.dtype, pd.CategoricalDtype):
        y = y.astype(y.cat.categories.dtype)
    return y.to_numpy(dtype=plain.get(y.dtype.kind, object))
