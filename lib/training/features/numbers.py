"""Reading of numbers: whatever looks like one becomes a float, the rest is missing."""

from __future__ import annotations

import numpy as np
import pandas as pd

# Random forests and xgboost compute in float32, whose largest number is about 3.4e38; a scaler squares.
LARGEST = 1e30


def read_numbers(values: pd.Series) -> np.ndarray:
    """Floats of a column, NaN where there is no finite number.

    Parameters
    ----------
    values : pandas.Series
        Numbers of any type, booleans (1 and 0), durations (seconds) or text such as ``"1e3"``,
        ``"$7.25"`` and ``"1,024.50"``.

    Returns
    -------
    numpy.ndarray
        float64, no longer than ``LARGEST`` either way, and never a view of `values`.
    """
    if values.dtype.kind in "iufb":
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    elif values.dtype.kind == "m":
        numbers = values.dt.total_seconds().to_numpy(dtype=np.float64, copy=True)
    else:
        numbers = _read_text(values)
    numbers[np.isinf(numbers)] = np.nan
    return np.clip(numbers, -LARGEST, LARGEST, out=numbers)


def _read_text(values: pd.Series) -> np.ndarray:
    values = values.astype(object)
    numbers = np.array(pd.to_numeric(values, errors="coerce"), dtype=np.float64)
    unread = np.isnan(numbers) & values.notna().to_numpy()
    if unread.any():
        plain = values[unread].astype(str).str.strip().str.replace(r"^[$€£]\s*", "", regex=True)
        plain = plain.mask(plain.str.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"), plain.str.replace(",", ""))
        plain = plain.replace({"true": "1", "True": "1", "TRUE": "1", "false": "0", "False": "0", "FALSE": "0"})
        numbers[unread] = pd.to_numeric(plain, errors="coerce")
    return numbers


class NumberColumn:
    """A column of numbers, read as one float."""

    kind = "number"
    parts = ("",)

    def read(self, values: pd.Series) -> np.ndarray:
        """Floats, shape (rows, 1)."""
        return read_numbers(values)[:, None]
