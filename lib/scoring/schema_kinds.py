"""The types of a model's input columns, refined by the table schema: dates, durations and ordered categories.

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
from lib.scoring.kinds import BASIC_KINDS, NUMBER, Kind, is_text, make_arrow_converter, to_object_array

SIGNATURE_TYPES = (*BASIC_KINDS, "datetime")
_TEXT = BASIC_KINDS["string"]
_SECONDS = replace(
    NUMBER,
    name="seconds",
    description="a number of seconds",
    json_schema={"type": "number", "description": "seconds"},
)


def find_kind(signature_type: str, schema: ColumnSchema | None, nullable: bool) -> Kind:
    """Return the kind of a model's input column.

    Parameters
    ----------
    signature_type : str
        The column's type in the signature, one of `SIGNATURE_TYPES`.
    schema : ColumnSchema or None
        The column's schema; None if the model was saved without a schema.
    nullable : bool
        Whether missing values are accepted.
    """
    if schema is None:
        return _datetime_kind() if signature_type == "datetime" else BASIC_KINDS[signature_type]
    if signature_type == "datetime":
        return _datetime_kind(schema.time_zone, schema.datetime_unit)
    null_words = [word for word in NULL_STRINGS if word and word not in schema.not_missing]
    if signature_type == "string":
        if schema.kind == DATETIME:
            return _text_date_kind(schema, null_words)
        return _with_missing_codes(_text_kind(schema), schema.missing_values, null_words, nullable)
    if signature_type not in ("double", "float"):
        return BASIC_KINDS[signature_type]
    numeric_codes = [code for text in schema.missing_values if not math.isnan(code := parse_number(text))]
    return _with_missing_codes(_number_kind(schema, signature_type), numeric_codes, [], nullable)


def _text_kind(schema: ColumnSchema) -> Kind:
    if schema.kind == DURATION:
        return _TEXT_DURATION
    if schema.kind == NUMBER_COLUMN:
        return _TEXT_NUMBER
    return _ordered_kind(_TEXT, schema.order, list(schema.order)) if schema.kind == ORDERED else _TEXT


def _number_kind(schema: ColumnSchema, signature_type: str) -> Kind:
    if schema.kind == DURATION:
        return _SECONDS
    if schema.kind == ORDERED:
        return _ordered_kind(NUMBER, schema.order, [parse_number(category) for category in schema.order])
    return BASIC_KINDS[signature_type]


def _ordered_kind(kind: Kind, order: tuple[str, ...], json_values: list) -> Kind:
    """Restrict a kind of text or number to ordered categories.

    Parameters
    ----------
    kind : Kind
        The kind as which the categories are stored.
    order : tuple of str
        The categories in their order.
    json_values : list
        The categories as a request contains them, such as numbers.
    """
    known = frozenset(order)
    return replace(
        kind,
        name="ordered",
        description=f"one of {', '.join(map(json.dumps, json_values))}",
        json_schema={**kind.json_schema, "enum": json_values},
        is_valid=lambda value: kind.is_valid(value) and (value in known or category_name(value) in known),
        are_surely_valid=known.issuperset,
        has_format=True,
    )


def _with_missing_codes(kind: Kind, codes: tuple | list, null_words: list[str], nullable: bool) -> Kind:
    """Return a kind that reads the codes and words for "missing" as null, or refuses them where null is refused.

    Parameters
    ----------
    kind : Kind
    codes : sequence
        The column's own codes, such as -200; listed in the kind's description.
    null_words : list of str
        Words such as ``"NA"`` that file readers take as missing; not listed.
    nullable : bool
        Whether null is accepted.
    """
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
            are_surely_valid=lambda values: all_codes.isdisjoint(values) and kind.are_surely_valid(values),
            has_format=True,
        )
    missing_clause = f", or {' or '.join(map(json.dumps, codes))} if it is missing" if codes else ""
    return replace(
        kind,
        description=kind.description + missing_clause,
        is_valid=lambda value: is_code(value) or kind.is_valid(value),
        to_array=with_nulls(kind.to_array),
        to_arrow_array=with_nulls(kind.to_arrow_array),
        to_pandas_array=with_nulls(kind.to_pandas_array or kind.to_array),
    )


def _datetime_kind(time_zone: str = "", unit: str = "") -> Kind:
    """Return the kind of datetimes.

    Parameters
    ----------
    time_zone : str
        The column's time zone; empty if it has none.
    unit : str
        Unit of the training table's datetimes, such as ``"us"``; empty for nanoseconds.
    """
    parser = DatetimeParser(time_zone)
    note = "one with a time zone is converted to UTC"
    if time_zone:
        note = f"one without an offset is local time of {time_zone}"

    def to_pandas_array(values: list) -> Any:
        instants = _convert_unit(parser.to_instants(values), unit or "ns")
        if not time_zone:
            return instants
        import pandas as pd

        zone = zone_names.find_zone(time_zone)
        return pd.Series(instants).dt.tz_localize("UTC").dt.tz_convert(zone)

    def to_arrow_array(values: list) -> Any:
        import pyarrow as pa

        return pa.array(parser.to_instants(values), type=pa.timestamp("us", tz=time_zone or None))

    return Kind(
        "datetime",
        f'a date or time such as "2026-11-22" or "2026-11-22T09:30:00" ({note})',
        # JSON schema's formats "date" and "date-time" are alternatives, so a pattern describes both.
        {"type": "string", "pattern": f"^{iso_datetimes.PATTERN.pattern}$"},
        parser.is_valid,
        parser.to_local_times,
        to_arrow_array,
        frozenset({str}),
        parser.are_valid,
        to_pandas_array,
        has_format=True,
    )


def _convert_unit(instants: np.ndarray, unit: str) -> np.ndarray:
    """Convert instants in microseconds to a unit.

    Nanoseconds reach from 1678 to 2261 only; if an instant is outside of these years, microseconds are returned.
    """
    microseconds = instants[~np.isnat(instants)].view(np.int64)
    if unit == "ns" and (np.abs(microseconds) >= 2**63 // 1000).any():
        return instants
    return instants.astype(f"datetime64[{unit}]")


def _text_date_kind(schema: ColumnSchema, null_words: list[str]) -> Kind:
    """Return the kind of dates that the training table contains as text."""
    date_format = schema.date_format or ISO_FORMAT
    parser = TextDateParser(date_format, [*schema.missing_values, *null_words])
    iso_examples = 'such as "2026-11-22" or "2026-11-22T09:30:00"'
    description = f"a date {iso_examples}"
    if date_format != ISO_FORMAT:
        description = f"a date written as {describe_format(date_format)}, or {iso_examples}"
    if schema.missing_values:
        description += f", or {' or '.join(map(json.dumps, schema.missing_values))} if it is missing"
    return Kind(
        "text date",
        description,
        {"type": "string", "description": description},
        parser.is_valid,
        parser.to_array,
        make_arrow_converter("string"),
        frozenset({str}),
        parser.are_valid,
        to_object_array,
        has_format=True,
    )


_cached_seconds = functools.lru_cache(MAX_CACHED)(parse_seconds)


def _to_seconds(value: str | None) -> float:
    if value is None:
        return math.nan
    # A longer text is not a duration; do not fill the cache with it.
    return _cached_seconds(value) if len(value) <= MAX_CHARACTERS else math.nan


def _to_seconds_array(values: list) -> np.ndarray:
    return np.array(list(map(_to_seconds, values)))


_TEXT_DURATION = Kind(
    "text duration",
    'a duration or time such as "01:30:00"',
    {"type": "string", "description": "hours, minutes and seconds"},
    lambda value: is_text(value) and not math.isnan(_to_seconds(value)),
    _to_seconds_array,
    make_arrow_converter("string"),
    frozenset({str}),
    lambda values: all(seconds == seconds for seconds in map(_to_seconds, values)),  # NaN is not equal to itself
    to_pandas_array=to_object_array,
    has_format=True,
)
_TEXT_NUMBER = replace(
    _TEXT,
    name="text number",
    description='a number as text, such as "1,024.50"',
    json_schema={"type": "string", "description": "a number"},
    is_valid=lambda value: is_text(value) and not math.isnan(parse_number(value)),
    are_surely_valid=lambda values: not any(math.isnan(parse_number(value)) for value in values),
    has_format=True,
)
