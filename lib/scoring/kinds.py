"""The basic types of a model's input columns: the values they accept, and the arrays they become.

These are the types of an MLflow signature; `lib.scoring.schema_kinds` refines them by the table schema. JSON has fewer
types than a signature, so each `Kind` describes its JSON values: in words for people, as a JSON schema for programs.
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


def make_integer_check(bits: int) -> Callable[[Any], bool]:
    """Return a function that tells whether a value is a signed integer of this many bits.

    The function accepts 5.0, because JavaScript writes 5.0 as 5.

    >>> is_int32 = make_integer_check(32)
    >>> is_int32(5.0), is_int32(2**31)
    (True, False)
    """
    bound = 2 ** (bits - 1)
    return lambda value: is_number(value) and value == value // 1 and -bound <= value < bound


def is_text(value: Any) -> bool:
    r"""Return whether a value is text that can be encoded as UTF-8. Half of a surrogate pair cannot.

    >>> is_text("Oslo"), is_text("\ud800")
    (True, False)
    """
    try:
        return type(value) is str and (value.isascii() or value.encode() is not None)
    except UnicodeEncodeError:
        return False


def to_float_array(values: list) -> np.ndarray:
    """Convert numbers and nulls to floats; null becomes NaN."""
    return np.fromiter(values, float, len(values))


def _to_integer_array(values: list) -> np.ndarray:
    return to_float_array(values) if None in values else np.array([int(value) for value in values], dtype=np.int64)


def to_object_array(values: list) -> np.ndarray:
    """Return values of any type as an array of objects."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _to_boolean_array(values: list) -> np.ndarray:
    return to_object_array(values) if None in values else np.array(values, dtype=bool)


@dataclass(frozen=True)
class Kind:
    """A type of column.

    Attributes
    ----------
    name : str
        ``"number"``, ``"integer"``, ``"text"``, ``"boolean"``, or a name of `lib.scoring.schema_kinds`.
    description : str
        Words for the accepted values, which complete "expected ...".
    json_schema : dict
        JSON schema of a value.
    is_valid : callable
        Returns whether a value is accepted. It is not called with null.
    to_array : callable
        Converts valid values and nulls to the array that the fast model takes.
    to_arrow_array : callable
        Converts valid values and nulls to an Arrow array. Its type does not depend on the values.
    python_types : set of type
        The Python types that `are_surely_valid` can check; empty if it checks none.
    are_surely_valid : callable
        Checks a list of values of these types at once: true only if all are valid, false if unknown.
    to_pandas_array : callable, optional
        Converts valid values and nulls to a column of the model's input DataFrame; `to_array` by default.
    has_format : bool
        Whether values have a format to check, such as that of dates, beyond their JSON type and range.
    """

    name: str
    description: str
    json_schema: dict
    is_valid: Callable[[Any], bool]
    to_array: Callable[[list], np.ndarray]
    to_arrow_array: Callable[[list], Any]
    python_types: frozenset[type] = frozenset()
    are_surely_valid: Callable[[list], bool] = bool
    to_pandas_array: Callable[[list], Any] | None = None
    has_format: bool = False


def _sum_is_finite(values: list) -> bool:
    try:
        return math.isfinite(sum(values))
    except OverflowError:
        return False


def make_arrow_converter(type_name: str) -> Callable[[list], Any]:
    """Return a function that converts values to an Arrow array.

    Parameters
    ----------
    type_name : str
        ``"double"``, or the name of a function of pyarrow that makes the type, such as ``"string"``.
    """

    def convert(values: list) -> Any:
        import pyarrow as pa

        if type_name == "double":
            return pa.array(to_float_array(values), type=pa.float64(), from_pandas=True)
        if type_name == "int64":
            values = [None if value is None else int(value) for value in values]
        return pa.array(values, type=getattr(pa, type_name)())

    return convert


NUMBER = Kind(
    "number",
    "a number",
    {"type": "number"},
    is_number,
    to_float_array,
    make_arrow_converter("double"),
    frozenset({int, float}),
    _sum_is_finite,
)
INTEGER = Kind(
    "integer",
    "a whole number",
    {"type": "integer"},
    make_integer_check(64),
    _to_integer_array,
    make_arrow_converter("int64"),
)
BASIC_KINDS = {
    "double": NUMBER,
    "float": NUMBER,
    "long": INTEGER,
    "integer": replace(
        INTEGER,
        description="a whole number of 32 bits",
        json_schema={"type": "integer", "format": "int32"},
        is_valid=make_integer_check(32),
    ),
    "string": Kind(
        "text",
        "text",
        {"type": "string"},
        is_text,
        to_object_array,
        make_arrow_converter("string"),
        frozenset({str}),
        lambda values: "".join(values).isascii(),
    ),
    "boolean": Kind(
        "boolean",
        "true or false",
        {"type": "boolean"},
        lambda value: type(value) is bool,
        _to_boolean_array,
        make_arrow_converter("bool_"),
        frozenset({bool}),
        lambda values: True,
    ),
}
