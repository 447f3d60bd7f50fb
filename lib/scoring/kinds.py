"""The types of a model's input columns: the values they accept, and the arrays they become.

The types are those of an MLflow signature, refined by the column's format in the training table. JSON has fewer, so
each :class:`Kind` describes its values in JSON, in words for people and as a JSON schema for programs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lib.schema import iso_datetimes, zone_names
from lib.schema.datetimes import ISO_FORMAT, describe_format
from lib.schema.iso_datetimes import DatetimeParser
from lib.schema.text_dates import TextDateParser
from lib.scoring.column_format import DURATION, ColumnFormat

MAX_NUMBER = float(np.finfo(float).max)


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number. Unlike in Python, true and false are not numbers.

    >>> is_number(2.5), is_number(True), is_number(float("inf"))
    (True, False, False)
    """
    if type(value) is float:
        return math.isfinite(value)
    return type(value) is int and -MAX_NUMBER <= value <= MAX_NUMBER


def is_integer(bits: int) -> Callable[[Any], bool]:
    """Return a check for integers of so many bits. It accepts 5.0, because JavaScript cannot tell it from 5.

    >>> is_integer(32)(5.0), is_integer(32)(2**31)
    (True, False)
    """
    limit = 2 ** (bits - 1)
    return lambda value: is_number(value) and value == value // 1 and -limit <= value < limit


def is_text(value: Any) -> bool:
    r"""Return whether a value is text that can be encoded as UTF-8, which half a surrogate pair cannot.

    >>> is_text("Oslo"), is_text("\ud800")
    (True, False)
    """
    try:
        return type(value) is str and (value.isascii() or value.encode() is not None)
    except UnicodeEncodeError:
        return False


def _float_array(values: list) -> np.ndarray:
    return np.fromiter(values, float, len(values))  # None becomes NaN


def _integer_array(values: list) -> np.ndarray:
    return _float_array(values) if None in values else np.array([int(value) for value in values], dtype=np.int64)


def _object_array(values: list) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _boolean_array(values: list) -> np.ndarray:
    return _object_array(values) if None in values else np.array(values, dtype=bool)


@dataclass(frozen=True)
class Kind:
    """A type of column.

    Attributes
    ----------
    name : {"number", "seconds", "integer", "text", "boolean", "datetime", "text date"}
    words : str
        Description of its values, which completes "expected ...".
    schema : dict
        JSON schema of a value.
    is_valid : callable
        Whether a value is accepted; null is checked elsewhere.
    array : callable
        Converts valid values and nulls to the array that the fast model takes.
    python_types : set of type
        The Python types of valid values, for the fast check; empty if there is none.
    surely_valid : callable
        The fast check of a list of values of these types: true only if all are valid.
    pandas_array : callable, optional
        Converts valid values and nulls to the column of the DataFrame that the model takes; `array` by default.
    arrow_array : callable
        Converts valid values and nulls to an Arrow array, whose type does not depend on the values.
    has_format : bool
        Whether the JSON type and its range do not suffice to tell whether a value is valid.
    """

    name: str
    words: str
    schema: dict
    is_valid: Callable[[Any], bool]
    array: Callable[[list], np.ndarray]
    arrow_array: Callable[[list], Any]
    python_types: frozenset[type] = frozenset()
    surely_valid: Callable[[list], bool] = bool
    pandas_array: Callable[[list], Any] | None = None
    has_format: bool = False


def _sum_is_finite(values: list) -> bool:
    try:
        return math.isfinite(sum(values))
    except OverflowError:
        return False


def _arrow_type(name: str) -> Callable[[list], Any]:
    """Return a function that converts values to an Arrow array of a type."""

    def convert(values: list) -> Any:
        import pyarrow as pa

        if name == "int64":
            values = [None if value is None else int(value) for value in values]
        elif name == "double":
            return pa.array(_float_array(values), type=pa.float64(), from_pandas=True)
        return pa.array(values, type=getattr(pa, name)())

    return convert


def _datetime_kind(time_zone: str = "", unit: str = "") -> Kind:
    """Return the kind of datetimes in a time zone, empty for none, whose unit is that of the training table."""
    parser = DatetimeParser(time_zone)
    note = "one with a time zone is converted to UTC"
    if time_zone:
        note = f"one without an offset is local time of {time_zone}"

    def pandas_array(values: list) -> Any:
        instants = _in_unit(parser.instants(values), unit or "ns")
        if not time_zone:
            return instants
        import pandas as pd

        zone = zone_names.find_zone(time_zone)
        return pd.Series(instants).dt.tz_localize("UTC").dt.tz_convert(zone)

    def arrow_array(values: list) -> Any:
        import pyarrow as pa

        return pa.array(parser.instants(values), type=pa.timestamp("us", tz=time_zone or None))

    return Kind(
        "datetime",
        f'a date or time such as "2026-11-22" or "2026-11-22T09:30:00" ({note})',
        # JSON schema's formats "date" and "date-time" are alternatives, so a pattern describes both.
        {"type": "string", "pattern": f"^{iso_datetimes.PATTERN.pattern}$"},
        parser.is_valid,
        parser.local_times,
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


def _text_date_kind(column_format: ColumnFormat) -> Kind:
    """Return the kind of dates that the training table contains as text."""
    parser = TextDateParser(column_format.date_format, column_format.missing_codes)
    iso = 'such as "2026-11-22" or "2026-11-22T09:30:00"'
    written = describe_format(column_format.date_format)
    words = f"a date {iso}" if column_format.date_format == ISO_FORMAT else f"a date written as {written}, or {iso}"
    if column_format.missing_codes:
        words += f", or {' or '.join(map(json.dumps, column_format.missing_codes))} if it is missing"
    return Kind(
        "text date",
        words,
        {"type": "string", "description": words},
        parser.is_valid,
        parser.to_array,
        _arrow_type("string"),
        frozenset({str}),
        parser.are_valid,
        _object_array,
        has_format=True,
    )


NUMBER = Kind(
    "number",
    "a number",
    {"type": "number"},
    is_number,
    _float_array,
    _arrow_type("double"),
    frozenset({int, float}),
    _sum_is_finite,
)
SECONDS = replace(
    NUMBER, name="seconds", words="a number of seconds", schema={"type": "number", "description": "seconds"}
)
INTEGER = Kind("integer", "a whole number", {"type": "integer"}, is_integer(64), _integer_array, _arrow_type("int64"))
KINDS = {
    "double": NUMBER,
    "float": NUMBER,
    "long": INTEGER,
    "integer": replace(
        INTEGER,
        words="a whole number of 32 bits",
        schema={"type": "integer", "format": "int32"},
        is_valid=is_integer(32),
    ),
    "string": Kind(
        "text",
        "text",
        {"type": "string"},
        is_text,
        _object_array,
        _arrow_type("string"),
        frozenset({str}),
        lambda values: "".join(values).isascii(),
    ),
    "boolean": Kind(
        "boolean",
        "true or false",
        {"type": "boolean"},
        lambda value: type(value) is bool,
        _boolean_array,
        _arrow_type("bool_"),
        frozenset({bool}),
        lambda values: True,
    ),
    "datetime": _datetime_kind(),
}


def find_kind(signature_type: str, column_format: ColumnFormat) -> Kind:
    """Return the kind of a column by its type in the signature and its format in the training table."""
    if signature_type == "datetime" and (column_format.time_zone or column_format.unit):
        return _datetime_kind(column_format.time_zone, column_format.unit)
    if signature_type == "string" and column_format.date_format:
        return _text_date_kind(column_format)
    if column_format.converted_from == DURATION and KINDS[signature_type] is NUMBER:
        return SECONDS
    return KINDS[signature_type]
