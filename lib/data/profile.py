"""What a table holds, column by column: its kind, what is missing, its range and its levels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lib.data.moments import infer_date_format, to_datetimes

BOOLEAN, WHOLE, NUMBER, DATE, TEXT = KINDS = ("boolean", "whole number", "number", "date", "text")
NUMBERS = (WHOLE, NUMBER)
# With more levels, a column of texts is names, codes or sentences, and the next table has others.
MOST_LEVELS = 30
_ROWS_PER_LEVEL = 5
_TENTHS = np.linspace(0.1, 1.0, 10)
_SAMPLE = 10_000


@dataclass(frozen=True)
class Column:
    """What one column holds.

    Attributes
    ----------
    name : str
    kind : str
        One of `KINDS`. A date may be a text that can be read as one.
    rows, missing, distinct : int
        Missing values are not among the distinct ones.
    minimum, maximum : float or None
        Of finite numbers.
    bins : dict of float to float
        Share of the numbers up to each edge and above the one before; a bin for each of few values, else tenths.
    levels : dict of str to int
        Of booleans and of texts with few levels, the rows of each, most frequent first.
    words : float
        Mean number of words in a text.
    others : int
        Of dates, those that cannot be read as one.
    """

    name: str
    kind: str
    rows: int
    missing: int
    distinct: int
    minimum: float | None = None
    maximum: float | None = None
    bins: dict[float, float] = field(default_factory=dict)
    levels: dict[str, int] = field(default_factory=dict)
    words: float = 0.0
    others: int = 0

    @property
    def is_unique(self) -> bool:
        """Whether every row has a value of its own."""
        return self.missing == 0 and self.distinct == self.rows > 1


def describe(frame: pd.DataFrame) -> dict[str, Column]:
    """Profile of each column, by its name."""
    return {str(name): describe_column(frame[name]) for name in frame.columns}


def describe_column(values: pd.Series) -> Column:
    """Profile of one column."""
    kind = kind_of(values)
    present = values.dropna()
    if kind == TEXT or kind == DATE:
        present = present[present.astype(str).str.strip() != ""] if present.dtype == object else present
    counts = present.value_counts()
    told: dict[str, Any] = {"missing": len(values) - len(present), "distinct": len(counts)}
    if kind == DATE:
        told["others"] = _unread(present, counts)
    if kind in NUMBERS:
        told |= _range(present)
    elif kind in (TEXT, BOOLEAN):
        if len(counts) <= max(2, min(MOST_LEVELS, len(present) // _ROWS_PER_LEVEL)):
            told["levels"] = {str(level): int(rows) for level, rows in counts.items()}
        if kind == TEXT:
            told["words"] = float(np.mean([len(str(one).split()) for one in counts.index[:1_000]] or [0]))
    return Column(str(values.name), kind, len(values), **told)


def _unread(present: pd.Series, counts: pd.Series) -> int:
    """Rows whose value is no date, in a column of dates."""
    if present.dtype.kind == "M":
        return 0
    is_text = pd.api.types.infer_dtype(counts.index) == "string"
    moments = to_datetimes(pd.Series(counts.index), infer_date_format(present) or "" if is_text else "")
    return 0 if moments is None else int(counts[moments.isna().to_numpy()].sum())


def kind_of(values: pd.Series) -> str:
    """Kind of a column, one of `KINDS`."""
    if pd.api.types.is_bool_dtype(values.dtype):
        return BOOLEAN
    if pd.api.types.is_numeric_dtype(values.dtype):
        return WHOLE if _are_whole(values) else NUMBER
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return DATE
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    if inferred == "boolean":
        return BOOLEAN
    if inferred in ("decimal", "floating", "mixed-integer-float", "integer", "timedelta"):
        return NUMBER
    if inferred in ("date", "datetime", "datetime64"):
        return DATE
    if isinstance(values.dtype, pd.CategoricalDtype):
        return TEXT
    return DATE if infer_date_format(values) else TEXT


def _are_whole(values: pd.Series) -> bool:
    if pd.api.types.is_integer_dtype(values.dtype):
        return True
    floats = values.to_numpy(dtype=float, na_value=np.nan)
    floats = floats[np.isfinite(floats)]
    return len(floats) > 0 and bool((floats == np.floor(floats)).all())


def _range(present: pd.Series) -> dict[str, Any]:
    floats = present.to_numpy(dtype=float, na_value=np.nan)
    floats = floats[np.isfinite(floats)]
    if not len(floats):
        return {}
    few = np.unique(floats[:_SAMPLE])
    edges = np.unique(floats) if len(few) <= MOST_LEVELS else few
    if len(edges) > MOST_LEVELS:
        # At values that are there, so that an edge written with fewer digits parts the same rows.
        edges = np.unique(np.quantile(floats, _TENTHS, method="inverted_cdf"))
    counts = np.bincount(np.searchsorted(edges, floats), minlength=len(edges))[: len(edges)]
    bins = {float(edge): float(count / len(floats)) for edge, count in zip(edges, counts, strict=True)}
    return {"minimum": float(floats.min()), "maximum": float(floats.max()), "bins": bins}
