"""Rows as numbers, for the models that estimate performance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

_MAX_CATEGORIES = 100


@dataclass(frozen=True)
class RowEncoding:
    """How each column becomes numbers.

    Attributes
    ----------
    categories : dict of str to (tuple of str or None)
        The most frequent values of a column of categories; None for a column of numbers.
    """

    categories: dict[str, tuple[str, ...] | None]

    @property
    def is_category(self) -> list[bool]:
        """Whether each encoded column has categories."""
        return [values is not None for values in self.categories.values()]

    def encode(self, rows: pd.DataFrame) -> np.ndarray:
        """Return an array of shape (rows, columns); NaN for missing values, rare categories and absent columns."""
        columns = [self._encode_column(rows.get(name), len(rows), name) for name in self.categories]
        return np.column_stack(columns) if columns else np.empty((len(rows), 0))

    def _encode_column(self, values: pd.Series | None, row_count: int, name: str) -> np.ndarray:
        if values is None:
            return np.full(row_count, np.nan)
        known = self.categories[name]
        if known is None:
            return pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
        texts = pd.Categorical(values.astype(object).where(values.notna(), None).map(str, na_action="ignore"), known)
        return np.where(texts.codes < 0, np.nan, texts.codes)


def fit_encoding(rows: pd.DataFrame) -> RowEncoding:
    """Return the encoding of a table; columns of dates are left out, because they always move on.

    Examples
    --------
    >>> encoding = fit_encoding(pd.DataFrame({"size": [1, 2], "colour": ["red", "blue"]}))
    >>> encoding.encode(pd.DataFrame({"size": [5.0], "colour": ["red"]})).tolist()
    [[5.0, 0.0]]
    """
    categories: dict[str, tuple[str, ...] | None] = {}
    for name, values in rows.items():
        if pd.api.types.is_datetime64_any_dtype(values):
            continue
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            categories[str(name)] = None
        else:
            counts = values.dropna().map(str).value_counts()
            categories[str(name)] = tuple(counts.index[:_MAX_CATEGORIES])
    return RowEncoding(categories)
