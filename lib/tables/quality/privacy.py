"""Privacy: statistics without the values of private or free-text columns, and synthetic rows in place of real ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from lib.schema.table_schema import DATETIME, DURATION, TableSchema
from lib.tables.quality.profile import ColumnProfile

_MAX_CATEGORIES = 50
_MAX_DISTINCT_NUMBERS = 20
_TEXT = "example"
_TEXTS_BY_KIND = {DATETIME: "2024-02-29", DURATION: "01:30:00"}
_PRIVATE_DATE = pd.Timestamp("2000-01-01")


def hide_values(baseline: Mapping[str, Any], private_columns: Collection[str]) -> dict[str, Any]:
    """Return statistics of training rows without the values of private columns, and of columns with free text.

    Private columns lose their range, quantiles and categories. Free text loses its frequent values: a column with more
    than 50 distinct texts, or in which more than half of the texts are distinct.

    Parameters
    ----------
    baseline : mapping
        Statistics as `lib.tables.quality.baseline.describe` returns them; a pipeline may have added others.
    private_columns : collection of str

    Examples
    --------
    >>> statistics = {"kind": "number", "missing": 0.0, "minimum": 18, "maximum": 90, "mean": 41.5}
    >>> hide_values({"rows": 9, "columns": {"age": statistics}}, ["age"])["columns"]
    {'age': {'kind': 'number', 'missing': 0.0, 'mean': 41.5}}
    """
    rows = baseline.get("rows") or 0
    hidden = dict(baseline)
    if isinstance(baseline.get("columns"), Mapping):
        hidden["columns"] = {
            name: _hide(statistics, rows, name in private_columns) for name, statistics in baseline["columns"].items()
        }
    target = baseline.get("target")
    if isinstance(target, Mapping) and target.get("name") in private_columns:
        hidden["target"] = _hide(target, rows, is_private=True)
    return hidden


def _hide(statistics: Any, rows: int, is_private: bool) -> Any:
    if not isinstance(statistics, Mapping):
        return statistics
    present = rows * (1 - (statistics.get("missing") or 0))
    if is_private:
        return {
            name: {} if name == "categories" else value
            for name, value in statistics.items()
            if name not in ("minimum", "maximum", "quantiles")
        }
    if "categories" in statistics and statistics.get("kind") != "boolean":
        if is_free_text(statistics.get("distinct") or 0, present):
            return {**statistics, "categories": {}}
    return dict(statistics)


def hide_profile(column: ColumnProfile) -> ColumnProfile:
    """Return the profile of a private column without its values: categories, range and distribution."""
    return replace(column, minimum=None, maximum=None, bins={}, categories={})


def list_distinct(frame: pd.DataFrame, columns: Collection[str]) -> set[Any]:
    """Return the distinct values of some columns, as far as a table has them."""
    return {value for name in columns if name in frame for value in frame[name].dropna().unique()}


def is_free_text(distinct: int, present: float) -> bool:
    """Return whether a column of texts contains names, codes or sentences, rather than categories.

    >>> is_free_text(3, 100), is_free_text(51, 1000), is_free_text(20, 30)
    (False, True, True)
    """
    return distinct > _MAX_CATEGORIES or (distinct > 2 and 2 * distinct > present)


def draw_sample(
    features: pd.DataFrame, count: int, private_columns: Collection[str] = (), schema: TableSchema | None = None
) -> pd.DataFrame:
    """Return synthetic rows with the columns and types of a table, in which no row is one of the table's rows.

    Each value is drawn by itself: categories from those of the column, numbers and dates from the column's range, and a
    constant text for free text and for private columns.

    Parameters
    ----------
    features : DataFrame of shape (rows, columns)
    count : int
        Number of rows to draw.
    private_columns : collection of str
        Columns of which no value may be shown.
    schema : TableSchema, optional
        The kind of each column, so that texts of dates and durations are valid.

    Returns
    -------
    DataFrame of shape (count, columns)
    """
    generator = np.random.default_rng(0)
    columns = {}
    for name in features.columns:
        kind = schema.columns[name].kind if schema is not None and name in schema.columns else ""
        columns[name] = _draw_column(features[name], count, name in private_columns, kind, generator)
    return pd.DataFrame(columns, index=range(count))


def _draw_column(
    values: pd.Series, count: int, is_private: bool, kind: str, generator: np.random.Generator
) -> pd.Series:
    present = values.dropna()
    if not len(present):
        return pd.Series([None] * count, dtype=values.dtype)
    if pd.api.types.infer_dtype(present, skipna=True) == "boolean":
        return pd.Series(generator.choice([True, False], count), dtype=values.dtype)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return pd.Series(_draw_numbers(present, count, is_private, generator)).astype(values.dtype)
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        first, last = (_PRIVATE_DATE, _PRIVATE_DATE) if is_private else (present.min(), present.max())
        dates = [first + share * (last - first) for share in generator.random(count)]
        series = pd.Series(pd.to_datetime(dates)).dt.floor("s")
        zone = getattr(values.dtype, "tz", None)
        if zone is not None and series.dt.tz is None:
            series = series.dt.tz_localize(zone)
        return series.astype(values.dtype)
    categories = present.astype(object).unique()
    if is_private or is_free_text(len(categories), len(present)):
        return pd.Series([_TEXTS_BY_KIND.get(kind, _TEXT)] * count, dtype=object)
    return pd.Series(generator.choice(np.array(categories, dtype=object), count), dtype=object)


def _draw_numbers(present: pd.Series, count: int, is_private: bool, generator: np.random.Generator) -> np.ndarray:
    numbers = present.to_numpy(dtype=float, na_value=np.nan)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers) or is_private:
        return np.zeros(count)
    distinct = np.unique(numbers)
    if len(distinct) <= _MAX_DISTINCT_NUMBERS:
        return generator.choice(distinct, count)
    low, high = np.quantile(numbers, [0.01, 0.99])
    drawn = low + generator.random(count) * (high - low)
    if np.all(distinct == np.round(distinct)):
        return np.round(drawn)
    magnitude = max(abs(low), abs(high))
    digits = 4 - int(np.floor(np.log10(magnitude))) - 1 if magnitude > 0 else 0
    return np.round(drawn, min(max(digits, -300), 300))
