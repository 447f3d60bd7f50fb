"""The target column as a NumPy array."""

from __future__ import annotations

import numpy as np
import pandas as pd

_LABEL_TYPES = {"b": np.bool_, "i": np.int64, "u": np.uint64, "f": np.float64}


def target_array(y: pd.Series, is_classification: bool) -> np.ndarray:
    """Convert the target to a NumPy type; scikit-learn does not accept pandas' own types as labels.

    Parameters
    ----------
    y : pandas.Series of shape (rows,)
        Labels or numbers without missing values, of any type: nullable, categorical and Arrow types too.
    is_classification : bool
        Whether `y` contains labels, which keep their type, or numbers, which become floats.

    Returns
    -------
    numpy.ndarray of shape (rows,)
        Labels as int, float, bool or object (str); numbers as float64.

    Examples
    --------
    >>> target_array(pd.Series([1, 2], dtype="Int64"), is_classification=False)
    array([1., 2.])
    """
    if not is_classification:
        return y.to_numpy(dtype=np.float64)
    if isinstance(y.dtype, pd.CategoricalDtype):
        y = y.astype(y.cat.categories.dtype)
    return y.to_numpy(dtype=_LABEL_TYPES.get(y.dtype.kind, object))
