"""Cells: the groups into which the values of a column are sorted, so that rows can be compared by counts alone.

The cells of a column come from the training rows. The first cell holds missing values. Numbers have a cell between each
two neighbouring edges. Each of the most frequent categories has a cell; all other values share the last one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

MISSING = "missing"
OTHER = "any other value"
NUMBER, CATEGORY = "number", "category"
_MAX_CATEGORIES = 20


@dataclass(frozen=True)
class Cells:
    """The cells of one column.

    Attributes
    ----------
    kind : {"number", "category"}
    edges : tuple of float
        Upper edges of the cells of numbers, in ascending order; the last cell has none. Empty for categories.
    categories : tuple of str
        Categories with a cell of their own, the most frequent first. Empty for numbers.
    """

    kind: str
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of cells."""
        return len(self.names)

    @property
    def names(self) -> list[str]:
        """Description of each cell.

        Examples
        --------
        >>> Cells("number", edges=(1.0, 2.5)).names
        ['missing', '1 or less', 'above 1, up to 2.5', 'above 2.5']
        """
        if self.kind == CATEGORY:
            return [MISSING, *self.categories, OTHER]
        if not self.edges:
            return [MISSING, "any number"]
        between = [f"above {low:.6g}, up to {high:.6g}" for low, high in zip(self.edges, self.edges[1:], strict=False)]
        return [MISSING, f"{self.edges[0]:.6g} or less", *between, f"above {self.edges[-1]:.6g}"]

    def describe(self, numbers: Sequence[int]) -> str:
        """Return the description of neighbouring cells together.

        Examples
        --------
        >>> Cells("number", edges=(1.0, 2.5, 4.0)).describe([2, 3]), Cells("number", edges=(1.0, 2.5)).describe([2, 3])
        ('above 1, up to 4', 'above 1')
        """
        first, last = numbers[0], numbers[-1]
        if first == last or self.kind == CATEGORY:
            return ", ".join(self.names[number] for number in numbers)
        if first == 0 or (first == 1 and last == self.count - 1):
            return "any number" if first else "any value"
        low = f"above {self.edges[first - 2]:.6g}" if first > 1 else ""
        high = f"up to {self.edges[last - 1]:.6g}" if last <= len(self.edges) else ""
        return ", ".join(filter(None, [low, high]))

    def assign(self, values: pd.Series) -> np.ndarray:
        """Return the number of the cell of each value, from 0.

        Examples
        --------
        >>> Cells("number", edges=(1.0, 2.5)).assign(pd.Series([2.0, None, 9.0])).tolist()
        [2, 0, 3]
        >>> Cells("category", categories=("red", "blue")).assign(pd.Series(["blue", "green", None])).tolist()
        [2, 3, 0]
        """
        if self.kind == NUMBER:
            numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
            return np.where(np.isnan(numbers), 0, 1 + np.searchsorted(self.edges, numbers, side="left"))
        texts = values.astype(object).where(values.notna(), None)
        positions = {category: number for number, category in enumerate(self.categories, start=1)}
        other = len(self.categories) + 1
        return np.array([0 if text is None else positions.get(str(text), other) for text in texts], dtype=int)

    def count_rows(self, values: pd.Series) -> np.ndarray:
        """Return the number of values in each cell, as an array of shape (cells,)."""
        return np.bincount(self.assign(values), minlength=self.count)

    def to_dict(self) -> dict[str, Any]:
        """Return the cells as JSON types."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Cells:
        """Return the cells that `to_dict` described."""
        return cls(values["kind"], tuple(values["edges"]), tuple(values["categories"]))


def make_cells(statistics: Mapping[str, Any]) -> Cells | None:
    """Return the cells of a column from its statistics in the baseline.

    Returns
    -------
    Cells or None
        None for dates, which always move on, and for columns without any value.

    Examples
    --------
    >>> make_cells({"kind": "boolean", "categories": {"True": 2, "False": 1}}).categories
    ('True', 'False')
    """
    if statistics["kind"] == "date":
        return None
    if statistics["kind"] == "number":
        quantiles = statistics.get("quantiles")
        return make_number_cells(list(quantiles.values())) if quantiles else None
    categories = list(statistics.get("categories", ()))
    return Cells(CATEGORY, categories=tuple(categories[:_MAX_CATEGORIES])) if categories else None


def make_number_cells(quantiles: Sequence[float]) -> Cells:
    """Return cells between quantiles; a quantile that repeats gives one edge."""
    return Cells(NUMBER, edges=tuple(sorted({float(quantile) for quantile in quantiles})))
