"""The baseline: statistics of the training rows, stored with the model to detect drift."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lib import cores
from lib.tables import frames
from lib.tables.files import categoricals

MAX_CATEGORIES = 50
_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
# Numbers above 2**300, or below 2**-300, are scaled before they are squared, so that no square overflows or becomes 0.
_MAX_EXPONENT = 300


def describe(train: pd.DataFrame, target_column: str) -> dict[str, Any]:
    """Return statistics of each column of the training rows.

    Parameters
    ----------
    train : DataFrame
        Training rows, including the target.
    target_column : str

    Returns
    -------
    dict
        JSON-compatible: ``{"rows": int, "columns": {name: statistics}, "target": statistics}``. Each column has a
        ``kind`` (number, boolean, date, category or text) and ``missing``, the share of missing values. Numbers also
        have ``minimum``, ``maximum``, ``mean``, ``deviation`` and ``quantiles``; dates have ``minimum`` and
        ``maximum`` in ISO 8601; the other kinds have ``distinct``, the number of distinct values, and
        ``categories``, the counts of the most frequent ones.

    Examples
    --------
    >>> train = pd.DataFrame({"member": [True, False, True], "bought": ["yes", "no", "no"]})
    >>> describe(train, "bought")["columns"]
    {'member': {'kind': 'boolean', 'missing': 0.0, 'distinct': 2, 'categories': {'True': 2, 'False': 1}}}
    """
    statistics = cores.map_threads(_describe_column, [train[name] for name in train.columns])
    columns = dict(zip(train.columns, statistics, strict=True))
    target = {"name": target_column, **columns.pop(target_column)}
    return {"rows": len(train), "columns": columns, "target": target}


def _describe_column(values: pd.Series) -> dict[str, Any]:
    """Return the kind of a column, its share of missing values, and the statistics of its kind."""
    missing: dict[str, Any] = {"missing": float(np.count_nonzero(values.isna()) / max(1, len(values)))}
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        return {"kind": "number", **missing, **_describe_numbers(values)}
    present = values if categoricals.is_dictionary_encoded(values) else values.dropna()  # counting skips null codes
    if pd.api.types.is_bool_dtype(values.dtype):
        return {"kind": "boolean", **missing, **_count_categories(present)}
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        ends = {"minimum": present.min().isoformat(), "maximum": present.max().isoformat()} if len(present) else {}
        return {"kind": "date", **missing, **ends}
    counts = _count_categories(present)
    return {"kind": "category" if counts["distinct"] <= MAX_CATEGORIES else "text", **missing, **counts}


def _describe_numbers(values: pd.Series) -> dict[str, Any]:
    """Return range, mean, standard deviation and quantiles of the finite numbers; empty if there are none."""
    numbers = values.to_numpy(dtype=float, na_value=np.nan, copy=True)  # modified in place below
    is_finite = np.isfinite(numbers)
    numbers = numbers if is_finite.all() else numbers[is_finite]
    if not len(numbers):
        return {}
    minimum, maximum = float(numbers.min()), float(numbers.max())
    # Scaling by a power of two causes no rounding errors.
    exponent = int(np.frexp(max(abs(minimum), abs(maximum)))[1])
    exponent = exponent if abs(exponent) > _MAX_EXPONENT else 0
    if exponent:
        np.ldexp(numbers, -exponent, out=numbers)

    def unscale(value: float) -> float:
        return float(np.ldexp(value, exponent))

    mean = numbers.mean()
    numbers.sort()
    quantiles = _interpolate_quantiles(numbers, np.array(_QUANTILES))
    numbers -= mean
    numbers *= numbers
    return {
        "minimum": minimum,
        "maximum": maximum,
        "mean": unscale(mean),
        "deviation": unscale(np.sqrt(numbers.mean())),
        "quantiles": {str(share): unscale(quantile) for share, quantile in zip(_QUANTILES, quantiles, strict=True)},
    }


def _interpolate_quantiles(sorted_numbers: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return quantiles of sorted numbers by linear interpolation, equal to those of `numpy.quantile`."""
    places = shares * (len(sorted_numbers) - 1)
    below = places.astype(np.intp)
    low, high = sorted_numbers[below], sorted_numbers[np.minimum(below + 1, len(sorted_numbers) - 1)]
    fraction = places - below
    # Interpolating from the nearer of both numbers keeps the result between them despite rounding errors.
    return np.where(fraction < 0.5, low + (high - low) * fraction, high - (high - low) * (1 - fraction))


def _count_categories(present: pd.Series) -> dict[str, Any]:
    """Return the number of distinct values, and the counts of the most frequent ones."""
    if present.dtype == object and pd.api.types.infer_dtype(present) != "string":
        present = present.astype(str)  # 1, 1.0 and True, which are equal in Python, are different categories
    counts = frames.count_values(present)
    return {
        "distinct": int(len(counts)),
        "categories": {str(category): int(count) for category, count in counts.head(MAX_CATEGORIES).items()},
    }
