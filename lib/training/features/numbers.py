"""Number columns: values that look like a number become floats, all others become NaN."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lib.schema.durations import parse_seconds
from lib.schema.text_numbers import parse_amount_or_boolean

if TYPE_CHECKING:
    import pandas as pd

# Larger numbers are clipped. Random forests and XGBoost compute in float32, whose largest number is about 3.4e38, and
# a scaler squares its input.
MAX_MAGNITUDE = 1e30


def parse_numbers(values: pd.Series) -> np.ndarray:
    """Convert a column to floats, with NaN for anything but a finite number.

    Parameters
    ----------
    values : pandas.Series of shape (rows,)
        Numbers of any type, booleans (1 and 0), durations (seconds) or text such as ``"1e3"``,
        ``"$7.25"`` and ``"1,024.50"``.

    Returns
    -------
    numpy.ndarray of shape (rows,)
        float64, clipped to ``MAX_MAGNITUDE`` in either direction; never a view of `values`.

    Examples
    --------
    >>> import pandas as pd
    >>> parse_numbers(pd.Series(["1e3", "-$7.25", "n/a"]))
    array([1000.  ,   -7.25,     nan])
    """
    if values.dtype.kind in "iufb":
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    elif values.dtype.kind == "m":
        numbers = values.dt.total_seconds().to_numpy(dtype=np.float64, copy=True)
    else:
        numbers = _parse_texts(values)
    numbers[np.isinf(numbers)] = np.nan
    return np.clip(numbers, -MAX_MAGNITUDE, MAX_MAGNITUDE, out=numbers)


def _parse_texts(values: pd.Series) -> np.ndarray:
    """Convert texts and other objects to floats; NaN for a value that is not a number."""
    import pandas as pd

    values = values.astype(object)
    numbers = np.array(pd.to_numeric(values, errors="coerce"), dtype=np.float64)
    not_parsed = np.isnan(numbers) & values.notna().to_numpy()
    if not_parsed.any():
        numbers[not_parsed] = [parse_amount_or_boolean(str(value)) for value in values[not_parsed]]
    return numbers


class NumberColumn:
    """Reader of a number column.

    Examples
    --------
    >>> import pandas as pd
    >>> NumberColumn().to_floats(pd.Series(["12", "unknown"])).tolist()
    [[12.0], [nan]]
    """

    kind = "number"
    parts = ("",)  # one feature, named like the column

    def to_floats(self, values: pd.Series) -> np.ndarray:
        """Return the numbers, of shape (rows, 1)."""
        return parse_numbers(values)[:, None]


class DurationColumn(NumberColumn):
    """Reader of a column with durations or times of day as text; converts them to seconds.

    Examples
    --------
    >>> import pandas as pd
    >>> DurationColumn().to_floats(pd.Series(["01:30:00", None])).tolist()
    [[5400.0], [nan]]
    """

    def to_floats(self, values: pd.Series) -> np.ndarray:
        """Return the seconds, of shape (rows, 1)."""
        if values.dtype.kind in "iufbm":
            return super().to_floats(values)
        seconds = [
            math.nan if missing else parse_seconds(str(value))
            for value, missing in zip(values, values.isna(), strict=True)
        ]
        return np.clip(np.array(seconds), -MAX_MAGNITUDE, MAX_MAGNITUDE)[:, None]
