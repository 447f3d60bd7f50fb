"""One input column: which values it takes, and the array it hands to the model.

The types are those of an MLflow signature. JSON knows fewer, so each :class:`Kind` says what a value
looks like in JSON, in words for people and as a schema for programs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.schema.datetimes import DATETIME_PATTERN, are_datetimes, is_datetime, to_datetime64

LARGEST = float(np.finfo(float).max)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number; true and false are none, though Python says so."""
    if type(value) is float:
        return math.isfinite(value)
    return type(value) is int and -LARGEST <= value <= LARGEST


def is_whole(bits: int) -> Callable[[Any], bool]:
    """Check for whole numbers of that many bits; 5.0 is one, as JavaScript knows no other 5."""
    limit = 2 ** (bits - 1)
    return lambda value: is_number(value) and value == value // 1 and -limit <= value < limit


def is_text(value: Any) -> bool:
    """Whether a value is text that can be written as UTF-8, which half a surrogate pair cannot."""
    try:
        return type(value) is str and (value.isascii() or value.encode() is not None)
    except UnicodeEncodeError:
        return False


def _floats(values: list) -> np.ndarray:
    return np.fromiter(values, float, len(values))  # of None it makes NaN


def _wholes(values: list) -> np.ndarray:
    return _floats(values) if None in values else np.array([int(value) for value in values], dtype=np.int64)


def _objects(values: list) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _booleans(values: list) -> np.ndarray:
    return _objects(values) if None in values else np.array(values, dtype=bool)


@dataclass(frozen=True)
class Kind:
    """What a type of column takes.

    Attributes
    ----------
    words : str
        Completes "expected ...".
    schema : dict
        JSON schema of one value.
    admits : callable
        Whether it takes a value; null is not its business.
    array : callable
        Makes the model's array of admitted values and nulls.
    types : set of type
        Of Python, that its values have and others may have, too; empty where `are_sure` cannot tell.
    are_sure : callable
        Of values of these types, whether it takes them all: quickly, and with a no where that is not sure.
    """

    words: str
    schema: dict
    admits: Callable[[Any], bool]
    array: Callable[[list], np.ndarray]
    types: frozenset[type] = frozenset()
    are_sure: Callable[[list], bool] = bool


def _sum_is_finite(values: list) -> bool:
    try:
        return math.isfinite(sum(values))
    except OverflowError:
        return False


NUMBER = Kind("a number", {"type": "number"}, is_number, _floats, frozenset({int, float}), _sum_is_finite)
KINDS = {
    "double": NUMBER,
    "float": NUMBER,
    "long": Kind("a whole number", {"type": "integer"}, is_whole(64), _wholes),
    "integer": Kind("a whole number of 32 bits", {"type": "integer", "format": "int32"}, is_whole(32), _wholes),
    "string": Kind(
        "text", {"type": "string"}, is_text, _objects, frozenset({str}), lambda values: "".join(values).isascii()
    ),
    "boolean": Kind(
        "true or false",
        {"type": "boolean"},
        lambda value: type(value) is bool,
        _booleans,
        frozenset({bool}),
        lambda values: True,
    ),
    "datetime": Kind(
        'a date or time such as "2026-11-22" or "2026-11-22T09:30:00" (one with a zone is turned into UTC)',
        # Neither of JSON schema's formats "date" and "date-time" takes both, so the pattern says it.
        {"type": "string", "pattern": f"^{DATETIME_PATTERN.pattern}$"},
        is_datetime,
        to_datetime64,
        frozenset({str}),
        are_datetimes,
    ),
}


@dataclass(frozen=True)
class Column:
    """One input of the model.

    Attributes
    ----------
    name : str
        As in the training table.
    kind : Kind
        What its values look like.
    nullable : bool
        Whether null is a value. It is where the model met missing values in training: where the signature
        does not require the column, or the baseline counts some. Such a column may also be left out.
    """

    name: str
    kind: Kind
    nullable: bool

    @classmethod
    def from_signature(cls, signature: dict, statistics: dict) -> Column:
        """Column from its entries in the signature and in the baseline."""
        missing = not signature.get("required", True) or (statistics.get("missing") or 0) > 0
        return cls(signature["name"], KINDS[signature["type"]], missing)

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        return self.kind.words + (" or null" if self.nullable else "")

    @property
    def schema(self) -> dict:
        """JSON schema of a value."""
        if not self.nullable:
            return dict(self.kind.schema)
        return {**self.kind.schema, "type": [self.kind.schema["type"], "null"]}

    def arrow(self, values: list) -> Any:
        """Admitted values and nulls as an Arrow array, in the same type however many of them are missing."""
        import pyarrow as pa

        kind = self.kind.schema["type"]
        if "pattern" in self.kind.schema:
            return pa.array(self.kind.array(values), type=pa.timestamp("ns"))
        if kind == "number":
            return pa.array(self.kind.array(values), type=pa.float64(), from_pandas=True)
        if kind == "integer":
            return pa.array([None if value is None else int(value) for value in values], type=pa.int64())
        return pa.array(values, type=pa.bool_() if kind == "boolean" else pa.string())

    def misfits(self, values: list) -> Iterator[tuple[int, Any]]:
        """Row numbers, from 0, and values that the column does not take."""
        if self._surely_takes(values):
            return
        admits, nullable = self.kind.admits, self.nullable
        for row, value in enumerate(values):
            if not (nullable if value is None else admits(value)):
                yield row, value

    def _surely_takes(self, values: list) -> bool:
        """Whether it takes all of them, as far as that is seen without looking at each."""
        types = set(map(type, values))
        if type(None) in types:
            if not self.nullable:
                return False
            types.discard(type(None))
            values = [value for value in values if value is not None]
        return types <= self.kind.types and self.kind.are_sure(values)
