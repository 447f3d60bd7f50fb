"""The basic types of a model's input columns: the values they accept, and the arrays they become.

These are the types of an MLflow signature; `lib.scoring.schema_kinds` refines them by the table schema. JSON has fewer
types, so each :class:`Kind` describes its values in JSON, in words for people and as a JSON schema for programs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

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


def float_array(values: list) -> np.ndarray:
    """Convert numbers and nulls to floats."""
    return np.fromiter(values, float, len(values))  # None becomes NaN


def _integer_array(values: list) -> np.ndarray:
    return float_array(values) if None in values else np.array([int(value) for value in values], dtype=np.int64)


def object_array(values: list) -> np.ndarray:
    """Return values of any type as an array."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _boolean_array(values: list) -> np.ndarray:
    return object_array(values) if None in values else np.array(values, dtype=bool)


@dataclass(frozen=True)
class Kind:
    """A type of column.

    Attributes
    ----------
    name : str
        ``"number"``, ``"integer"``, ``"text"``, ``"boolean"``, or a name of `lib.scoring.schema_kinds`.
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


def arrow_type(name: str) -> Callable[[list], Any]:
    """Return a function that converts values to an Arrow array of a type."""

    def convert(values: list) -> Any:
        import pyarrow as pa

        if name == "int64":
            values = [None if value is None else int(value) for value in values]
        elif name == "double":
            return pa.array(float_array(values), type=pa.float64(), from_pandas=True)
        return pa.array(values, type=getattr(pa, name)())

    return convert


NUMBER = Kind(
    "number",
    "a number",
    {"type": "number"},
    is_number,
    float_array,
    arrow_type("double"),
    frozenset({int, float}),
    _sum_is_finite,
)
SECONDS = replace(
    NUMBER, name="seconds", words="a number of seconds", schema={"type": "number", "description": "seconds"}
)
INTEGER = Kind("integer", "a whole number", {"type": "integer"}, is_integer(64), _integer_array, arrow_type("int64"))
BASIC_KINDS = {
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
        object_array,
        arrow_type("string"),
        frozenset({str}),
        lambda values: "".join(values).isascii(),
    ),
    "boolean": Kind(
        "boolean",
        "true or false",
        {"type": "boolean"},
        lambda value: type(value) is bool,
        _boolean_array,
        arrow_type("bool_"),
        frozenset({bool}),
        lambda values: True,
    ),
}
