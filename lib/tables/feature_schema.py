"""The schema of a prepared table: how a model reads each column, after the pipeline's own changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lib import cores
from lib.schema import datetimes
from lib.schema.durations import parse_seconds
from lib.schema.table_schema import (
    BOOLEAN,
    CATEGORY,
    CODE,
    DATETIME,
    DURATION,
    NUMBER,
    ORDERED,
    TEXT,
    ColumnSchema,
    TableSchema,
)
from lib.schema.text_numbers import parse_number
from lib.schema.text_values import category_names
from lib.schema.time_zones import get_zone_name
from lib.tables.detect.schema_inference import infer_schema
from lib.tables.files import pandas_conversion
from lib.tables.files.categoricals import is_dictionary_encoded

_SAMPLE_ROWS = 1_000
# A column keeps the kind of the raw table if at least this share of its values can be read as that kind.
_MIN_READABLE_SHARE = 0.9


def derive_feature_schema(
    raw: Mapping[str, Any] | None,
    prepared: pd.DataFrame,
    exclude: Collection[str] = (),
    month_first: bool = False,
    durations: Collection[str] = (),
) -> TableSchema:
    """Return the schema of a prepared table.

    A column of the raw table keeps its schema as long as its values fit. The schema of new columns, and of columns that
    the pipeline changed to another kind, is inferred.

    Parameters
    ----------
    raw : mapping or None
        The schema of the raw table as returned by `TableSchema.to_dict`; None if a pipeline made the table itself.
    prepared : DataFrame of shape (rows, columns)
        The table after the pipeline's own preparation, converted to types that JSON has.
    exclude : collection of str
        Columns that models do not see, such as the target.
    month_first : bool
        Whether ``03/04/2005`` is March 4th in a new column whose rows leave open which number is the month.
    durations : collection of str
        Columns of durations that were converted to seconds.

    Examples
    --------
    >>> raw = TableSchema({"zip": ColumnSchema("zip", "code"), "weight": ColumnSchema("weight", "number", unit="kg")})
    >>> prepared = pd.DataFrame({"zip": ["00501", "10001"], "weight": ["light", "heavy"], "bmi": [21.5, 30.0]})
    >>> schema = derive_feature_schema(raw.to_dict(), prepared)
    >>> {name: column.kind for name, column in schema.columns.items()}
    {'zip': 'code', 'weight': 'category', 'bmi': 'number'}
    """
    raw_schema = TableSchema({}) if raw is None else TableSchema.from_dict(raw)

    def derive_column(name: str) -> ColumnSchema:
        values, column = prepared[name], raw_schema.columns.get(name)
        if name in durations:
            return replace(column, kind=DURATION) if column else ColumnSchema(name, DURATION)
        if column is None or not _do_values_fit(values, column):
            column = _infer_column(name, values, month_first)
        return _add_datetime_format(column, values)

    names = [name for name in prepared.columns if name not in exclude]
    columns = cores.map_threads(derive_column, names)
    return TableSchema({column.name: column for column in columns}, raw_schema.text_format)


def _do_values_fit(values: pd.Series, column: ColumnSchema) -> bool:
    """Return whether the values of a prepared column can still be read by the schema of the raw column."""
    if not values.notna().any():
        return True
    dtype_kind = values.dtype.kind if isinstance(values.dtype, np.dtype) else _numpy_kind_of_extension(values)
    if dtype_kind in "iuf":
        if column.kind in (CODE, CATEGORY):
            return bool((values.dropna() % 1 == 0).all())
        return column.kind == NUMBER or (column.kind == ORDERED and _are_in_category_order(values, column))
    if dtype_kind == "b":
        return column.kind == BOOLEAN
    if dtype_kind == "M":
        return column.kind == DATETIME
    return _do_texts_fit(values, column)


def _numpy_kind_of_extension(values: pd.Series) -> str:
    """Return the NumPy kind that a column of pandas' own types corresponds to; objects and text are ``"O"``."""
    for is_type, kind in (
        (pd.api.types.is_bool_dtype, "b"),
        (pd.api.types.is_numeric_dtype, "f"),
        (pd.api.types.is_datetime64_any_dtype, "M"),
    ):
        if is_type(values.dtype):
            return kind
    return "O"


def _do_texts_fit(values: pd.Series, column: ColumnSchema) -> bool:
    """Return whether the first texts, or other Python objects, of a column can be read by its schema."""
    if column.kind in (CODE, CATEGORY, TEXT) and (
        isinstance(values.dtype, pd.StringDtype) or is_dictionary_encoded(values)
    ):
        return True
    sample = values.dropna()[:_SAMPLE_ROWS].astype(object)
    inferred = pd.api.types.infer_dtype(sample)
    if inferred == "boolean":
        return column.kind == BOOLEAN
    if inferred in ("date", "datetime"):
        return column.kind == DATETIME
    if inferred != "string":
        return column.kind in (CODE, CATEGORY, TEXT, ORDERED)
    texts = sample.str.strip()
    texts = texts[(texts != "") & ~texts.isin(column.missing_values)]
    if column.kind == DATETIME:
        date_format = column.date_format
        return bool(date_format) and _are_mostly_readable(
            texts, lambda part: datetimes.parse_column(part, date_format).notna()
        )
    if column.kind == DURATION:
        return _are_mostly_readable(texts, lambda part: part.map(parse_seconds).notna())
    if column.kind == NUMBER:
        return _are_mostly_readable(texts, lambda part: part.map(parse_number).notna())
    if column.kind == ORDERED:
        return _are_in_category_order(values, column)
    return column.kind in (CODE, CATEGORY, TEXT)


def _are_mostly_readable(texts: pd.Series, is_readable: Callable[[pd.Series], pd.Series]) -> bool:
    """Return whether nearly all texts can be read; True if there are none."""
    return texts.empty or bool(is_readable(texts).mean() >= _MIN_READABLE_SHARE)


def _are_in_category_order(values: pd.Series, column: ColumnSchema) -> bool:
    """Return whether every value is a category that the schema puts in order, or a missing code."""
    return set(category_names(values.drop_duplicates()).dropna()) <= {*column.order, *column.missing_values}


def _infer_column(name: str, values: pd.Series, month_first: bool) -> ColumnSchema:
    """Infer the schema of a column from its values."""
    arrow = pandas_conversion.pandas_to_arrow(values.to_frame(name)).column(0)
    value_type = getattr(arrow.type, "value_type", arrow.type)
    is_string = pa.types.is_string(value_type) or pa.types.is_large_string(value_type)
    if is_string and not getattr(arrow.type, "ordered", False):
        arrow = pc.cast(arrow, pa.string())
    return infer_schema(pa.table({name: arrow}), month_first=month_first).columns[name]


def _add_datetime_format(column: ColumnSchema, values: pd.Series) -> ColumnSchema:
    """Return a datetime column's schema with the time zone and unit of the values; for texts, with their format."""
    if column.kind != DATETIME:
        return column
    if values.dtype.kind == "M":
        zone, unit = values.dt.tz, values.dt.unit
        name = "" if zone is None else get_zone_name(zone)
        return replace(column, time_zone=name, datetime_unit="" if unit == "ns" else unit)
    # Python's own dates, as in a Parquet file of dates, become text in ISO 8601 in a request.
    return replace(column, date_format=column.date_format or datetimes.ISO_FORMAT)
