"""Reading of numbers: whatever looks like one becomes a float, the rest is missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

# Random forests and xgboost compute in float32, whose largest number is about 3.4e38; a scaler squares.
LARGEST = 1e30

_AMOUNT = re.compile(r"(?P<sign>[+-]?)[$€£]?\s?(?P<number>\d{1,3}(,\d{3})+(\.\d+)?|\d+(\.\d+)?)")
_TRUTH = {"true": 1.0, "false": 0.0}


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
        float64, no larger than ``LARGEST`` either way, and never a view of `values`.
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
    import pandas as pd

    values = values.astype(object)
    numbers = np.array(pd.to_numeric(values, errors="coerce"), dtype=np.float64)
    unread = np.isnan(numbers) & values.notna().to_numpy()
    if unread.any():
        numbers[unread] = [_read_word(str(value)) for value in values[unread]]
    return numbers


def _read_word(word: str) -> float:
    """A number that pandas does not read: with a currency, with commas between thousands, true or false."""
    match = _AMOUNT.fullmatch(word.strip())
    if match:
        return float(match["sign"] + match["number"].replace(",", ""))
    return _TRUTH.get(word.strip().lower(), np.nan)


class NumberColumn:
    """A column of numbers, read as one float."""

    kind = "number"
    parts = ("",)

    def read(self, values: pd.Series) -> np.ndarray:
        """Floats, shape (rows, 1)."""
        return read_numbers(values)[:, None]
