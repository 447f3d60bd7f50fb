"""One input column of a model: the values it accepts, and the array they become.

The types are those of an MLflow signature. JSON has fewer, so each :class:`Kind` describes its values in JSON, in words
for people and as a JSON schema for programs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.schema.datetimes import DATETIME_PATTERN, are_datetimes, is_datetime, to_datetime64

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
    words : str
        Description of its values, which completes "expected ...".
    schema : dict
        JSON schema of a value.
    is_valid : callable
        Whether a value is accepted; null is checked elsewhere.
    array : callable
        Converts valid values and nulls to the model's array.
    python_types : set of type
        The Python types of valid values, for the fast check; empty if there is none.
    surely_valid : callable
        The fast check of a list of values of these types: true only if all are valid.
    """

    words: str
    schema: dict
    is_valid: Callable[[Any], bool]
    array: Callable[[list], np.ndarray]
    python_types: frozenset[type] = frozenset()
    surely_valid: Callable[[list], bool] = bool


def _sum_is_finite(values: list) -> bool:
    try:
        return math.isfinite(sum(values))
    except OverflowError:
        return False


NUMBER = Kind("a number", {"type": "number"}, is_number, _float_array, frozenset({int, float}), _sum_is_finite)
KINDS = {
    "double": NUMBER,
    "float": NUMBER,
    "long": Kind("a whole number", {"type": "integer"}, is_integer(64), _integer_array),
    "integer": Kind(
        "a whole number of 32 bits", {"type": "integer", "format": "int32"}, is_integer(32), _integer_array
    ),
    "string": Kind(
        "text", {"type": "string"}, is_text, _object_array, frozenset({str}), lambda values: "".join(values).isascii()
    ),
    "boolean": Kind(
        "true or false",
        {"type": "boolean"},
        lambda value: type(value) is bool,
        _boolean_array,
        frozenset({bool}),
        lambda values: True,
    ),
    "datetime": Kind(
        'a date or time such as "2026-11-22" or "2026-11-22T09:30:00" (one with a time zone is converted to UTC)',
        # JSON schema's formats "date" and "date-time" are alternatives, so a pattern describes both.
        {"type": "string", "pattern": f"^{DATETIME_PATTERN.pattern}$"},
        is_datetime,
        to_datetime64,
        frozenset({str}),
        are_datetimes,
    ),
}


@dataclass(frozen=True)
class Column:
    """One input of a model.

    Attributes
    ----------
    name : str
        Name of the column in the training table.
    kind : Kind
        Its type.
    nullable : bool
        Whether null is accepted, and the column may be left out: the model met missing values in training, according
        to the signature or the baseline.
    """

    name: str
    kind: Kind
    nullable: bool

    @classmethod
    def from_signature(cls, entry: dict, statistics: dict) -> Column:
        """Return the column of an entry of the signature, with its statistics from the baseline."""
        has_missing = not entry.get("required", True) or (statistics.get("missing") or 0) > 0
        return cls(entry["name"], KINDS[entry["type"]], has_missing)

    @property
    def expected(self) -> str:
        """Description of the accepted values."""
        return self.kind.words + (" or null" if self.nullable else "")

    @property
    def schema(self) -> dict:
        """JSON schema of a value."""
        if not self.nullable:
            return dict(self.kind.schema)
        return {**self.kind.schema, "type": [self.kind.schema["type"], "null"]}

    def arrow(self, values: list) -> Any:
        """Convert valid values and nulls to an Arrow array, whose type does not depend on the nulls."""
        import pyarrow as pa

        json_type = self.kind.schema["type"]
        if "pattern" in self.kind.schema:
            return pa.array(self.kind.array(values), type=pa.timestamp("ns"))
        if json_type == "number":
            return pa.array(self.kind.array(values), type=pa.float64(), from_pandas=True)
        if json_type == "integer":
            return pa.array([None if value is None else int(value) for value in values], type=pa.int64())
        return pa.array(values, type=pa.bool_() if json_type == "boolean" else pa.string())

    def invalid_values(self, values: list) -> Iterator[tuple[int, Any]]:
        """Yield row numbers, from 0, and values that the column does not accept."""
        if self._surely_accepts(values):
            return
        is_valid, nullable = self.kind.is_valid, self.nullable
        for row, value in enumerate(values):
            if not (nullable if value is None else is_valid(value)):
                yield row, value

    def _surely_accepts(self, values: list) -> bool:
        """Return whether a fast check of all values together shows that they are valid."""
        types = set(map(type, values))
        if type(None) in types:
            if not self.nullable:
                return False
            types.discard(type(None))
            values = [value for value in values if value is not None]
        return types <= self.kind.python_types and self.kind.surely_valid(values)
