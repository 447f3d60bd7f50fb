"""The types of a model's input columns as the table schema refines them: dates, durations and ordered categories.

A value is accepted if, and only if, training would have read it as a value of the column.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from lib.schema import iso_datetimes, zone_names
from lib.schema.datetimes import ISO_FORMAT, describe_format
from lib.schema.durations import MAX_CHARACTERS, parse_seconds
from lib.schema.iso_datetimes import MAX_CACHED, DatetimeParser
from lib.schema.missing_codes import NULL_STRINGS
from lib.schema.table_schema import DATETIME, DURATION, ORDERED, ColumnSchema
from lib.schema.table_schema import NUMBER as NUMBER_COLUMN
from lib.schema.text_dates import TextDateParser
from lib.schema.text_numbers import parse_number
from lib.schema.text_values import category_name
from lib.scoring.kinds import BASIC_KINDS, NUMBER, Kind, arrow_type, is_text, object_array

SIGNATURE_TYPES = (*BASIC_KINDS, "datetime")
_TEXT = BASIC_KINDS["string"]
SECONDS = replace(
    NUMBER, name="seconds", words="a number of seconds", schema={"type": "number", "description": "seconds"}
)


def find_kind(signature_type: str, column: ColumnSchema | None, nullable: bool) -> Kind:
    """Return the kind of a column.

    Parameters
    ----------
    signature_type : str
        Its type in the signature, one of `SIGNATURE_TYPES`.
    column : ColumnSchema or None
        Its schema; None if the model was saved without one.
    nullable : bool
        Whether missing values are accepted.
    """
    if column is None:
        return _datetime_kind() if signature_type == "datetime" else BASIC_KINDS[signature_type]
    if signature_type == "datetime":
        return _datetime_kind(column.time_zone, column.datetime_unit)
    null_words = [word for word in NULL_STRINGS if word and word not in column.not_missing]
    if signature_type == "string":
        if column.kind == DATETIME:
            return _text_date_kind(column, null_words)
        return _with_missing_codes(_text_kind(column), column.missing_values, null_words, nullable)
    if signature_type not in ("double", "float"):
        return BASIC_KINDS[signature_type]
    numeric_codes = [code for text in column.missing_values if not math.isnan(code := parse_number(text))]
    return _with_missing_codes(_number_kind(column, signature_type), numeric_codes, [], nullable)


def _text_kind(column: ColumnSchema) -> Kind:
    if column.kind == DURATION:
        return _TEXT_DURATION
    if column.kind == NUMBER_COLUMN:
        return _TEXT_NUMBER
    return _ordered_kind(_TEXT, column.order, list(column.order)) if column.kind == ORDERED else _TEXT


def _number_kind(column: ColumnSchema, signature_type: str) -> Kind:
    if column.kind == DURATION:
        return SECONDS
    if column.kind == ORDERED:
        return _ordered_kind(NUMBER, column.order, [parse_number(category) for category in column.order])
    return BASIC_KINDS[signature_type]


def _ordered_kind(kind: Kind, order: tuple[str, ...], choices: list) -> Kind:
    """Return the kind of ordered categories that are stored as another kind."""
    known = frozenset(order)
    return replace(
        kind,
        name="ordered",
        words=f"one of {', '.join(map(json.dumps, choices))}",
        schema={**kind.schema, "enum": choices},
        is_valid=lambda value: kind.is_valid(value) and (value in known or category_name(value) in known),
        surely_valid=known.issuperset,
        has_format=True,
    )


def _with_missing_codes(kind: Kind, codes: tuple | list, null_words: list[str], nullable: bool) -> Kind:
    """Return a kind that reads some values as missing; they are refused where null is."""
    all_codes = frozenset([*codes, *null_words])
    if not all_codes:
        return kind

    def is_code(value: Any) -> bool:
        return type(value) in (str, int, float) and value in all_codes

    def with_nulls(convert: Callable[[list], Any]) -> Callable[[list], Any]:
        def convert_without_codes(values: list) -> Any:
            if not all_codes.isdisjoint(values):
                values = [None if value in all_codes else value for value in values]
            return convert(values)

        return convert_without_codes

    if not nullable:
        return replace(
            kind,
            is_valid=lambda value: not is_code(value) and kind.is_valid(value),
            surely_valid=lambda values: all_codes.isdisjoint(values) and kind.surely_valid(values),
            has_format=True,
        )
    listed = f", or {' or '.join(map(json.dumps, codes))} if it is missing" if codes else ""
    return replace(
        kind,
        words=kind.words + listed,
        is_valid=lambda value: is_code(value) or kind.is_valid(value),
        array=with_nulls(kind.array),
        arrow_array=with_nulls(kind.arrow_array),
        pandas_array=with_nulls(kind.pandas_array or kind.array),
    )


def _datetime_kind(time_zone: str = "", unit: str = "") -> Kind:
    """Return the kind of datetimes in a time zone, empty for none, whose unit is that of the training table."""
    parser = DatetimeParser(time_zone)
    note = "one with a time zone is converted to UTC"
    if time_zone:
        note = f"one without an offset is local time of {time_zone}"

    def pandas_array(values: list) -> Any:
        instants = _in_unit(parser.to_instants(values), unit or "ns")
        if not time_zone:
            return instants
        import pandas as pd

        zone = zone_names.find_zone(time_zone)
        return pd.Series(instants).dt.tz_localize("UTC").dt.tz_convert(zone)

    def arrow_array(values: list) -> Any:
        import pyarrow as pa

        return pa.array(parser.to_instants(values), type=pa.timestamp("us", tz=time_zone or None))

    return Kind(
        "datetime",
        f'a date or time such as "2026-11-22" or "2026-11-22T09:30:00" ({note})',
        # JSON schema's formats "date" and "date-time" are alternatives, so a pattern describes both.
        {"type": "string", "pattern": f"^{iso_datetimes.PATTERN.pattern}$"},
        parser.is_valid,
        parser.to_local_times,
        arrow_array,
        frozenset({str}),
        parser.are_valid,
        pandas_array,
        has_format=True,
    )


def _in_unit(moments: np.ndarray, unit: str) -> np.ndarray:
    """Convert microseconds to a unit, unless a moment is beyond the range of nanoseconds, the years 1678 to 2261."""
    limit = 2**63 // 1000
    if unit == "ns" and (np.abs(moments[~np.isnat(moments)].view(np.int64)) >= limit).any():
        return moments
    return moments.astype(f"datetime64[{unit}]")


def _text_date_kind(column: ColumnSchema, null_words: list[str]) -> Kind:
    """Return the kind of dates that the training table contains as text."""
    date_format = column.date_format or ISO_FORMAT
    parser = TextDateParser(date_format, [*column.missing_values, *null_words])
    iso = 'such as "2026-11-22" or "2026-11-22T09:30:00"'
    written = describe_format(date_format)
    words = f"a date {iso}" if date_format == ISO_FORMAT else f"a date written as {written}, or {iso}"
    if column.missing_values:
        words += f", or {' or '.join(map(json.dumps, column.missing_values))} if it is missing"
    return Kind(
        "text date",
        words,
        {"type": "string", "description": words},
        parser.is_valid,
        parser.to_array,
        arrow_type("string"),
        frozenset({str}),
        parser.are_valid,
        object_array,
        has_format=True,
    )


_cached_seconds = functools.lru_cache(MAX_CACHED)(parse_seconds)


def _to_seconds(value: str | None) -> float:
    if value is None:
        return math.nan
    # Longer texts are not durations, and would fill the cache.
    return _cached_seconds(value) if len(value) <= MAX_CHARACTERS else math.nan


def _seconds_array(values: list) -> np.ndarray:
    return np.array(list(map(_to_seconds, values)))


_TEXT_DURATION = Kind(
    "text duration",
    'a duration or time such as "01:30:00"',
    {"type": "string", "description": "hours, minutes and seconds"},
    lambda value: is_text(value) and not math.isnan(_to_seconds(value)),
    _seconds_array,
    arrow_type("string"),
    frozenset({str}),
    lambda values: all(seconds == seconds for seconds in map(_to_seconds, values)),  # NaN is not equal to itself
    pandas_array=object_array,
    has_format=True,
)
_TEXT_NUMBER = replace(
    _TEXT,
    name="text number",
    words='a number as text, such as "1,024.50"',
    schema={"type": "string", "description": "a number"},
    is_valid=lambda value: is_text(value) and not math.isnan(parse_number(value)),
    surely_valid=lambda values: not any(math.isnan(parse_number(value)) for value in values),
    has_format=True,
)
