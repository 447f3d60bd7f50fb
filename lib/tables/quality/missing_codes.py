"""Detection of numbers that stand for missing values, such as -200 or 9999 among measurements."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

_MIN_ROWS, _MIN_SHARE = 2, 0.002
# A code is written with nines, or is the only negative number of the column: -1, -99, -200, 999, 9999.
_NINES = re.compile(r"-?9{2,}")
_MAX_DISTINCT_CODES = 2
# A column needs this number of other distinct values: in a column of -1, 0 and 1, the -1 is no code.
_MIN_OTHER_VALUES = 10
_FREQUENCY_FACTOR = 3


def find_missing_codes(values: pd.Series) -> list[float]:
    """Return the numbers of a column that probably mean "missing".

    A code is a whole number that occurs several times, and is the smallest or largest value of the column. It consists
    of nines, or is the only negative number. In addition, it is far from the other values: its distance from the
    nearest one exceeds the range of the middle 98 % of them. A negative code may instead occur more than three times as
    often as any other value.

    Parameters
    ----------
    values : Series of shape (rows,)

    Returns
    -------
    list of float
        Empty if the column is not numeric.

    Examples
    --------
    >>> find_missing_codes(pd.Series([*range(1, 60), -200, -200]))
    [-200.0]
    """
    if not pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        return []
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    numbers = np.sort(numbers[np.isfinite(numbers)])
    codes: list[float] = []
    while len(codes) < _MAX_DISTINCT_CODES and len(numbers):
        code = next((end for end in (numbers[0], numbers[-1]) if _is_missing_code(end, numbers)), None)
        if code is None:
            break
        codes.append(float(code))
        numbers = numbers[numbers != code]
    return codes


def _is_missing_code(code: float, sorted_numbers: np.ndarray) -> bool:
    """Return whether the smallest or largest of the sorted numbers means "missing"."""
    others = sorted_numbers[sorted_numbers != code]
    code_count = len(sorted_numbers) - len(others)
    if not len(others) or code != np.floor(code) or code_count < max(_MIN_ROWS, _MIN_SHARE * len(sorted_numbers)):
        return False
    is_the_only_negative = code < 0 <= others[0]
    if not is_the_only_negative and not _NINES.fullmatch(f"{code:.0f}"):
        return False
    counts = np.unique_counts(others).counts
    if len(counts) < _MIN_OTHER_VALUES:
        return False
    low, high = np.quantile(others, [0.01, 0.99])
    distance = min(abs(code - others[0]), abs(code - others[-1]))
    return bool(distance > high - low or (is_the_only_negative and code_count > _FREQUENCY_FACTOR * counts.max()))
