"""Warnings about valid values that the model has not seen: outside the training range or the contract, or unseen.

A request's values are checked against each column's type by `requests`, which refuses invalid ones. The checks here run
on every request, so each column has a fast check that accepts usual values, and a slow one for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.schema.table_schema import CATEGORY, CODE, ORDERED
from lib.schema.text_numbers import parse_number
from lib.schema.text_values import category_name
from lib.scoring.columns import Column
from lib.scoring.intervals import group_keys
from lib.scoring.kinds import Kind
from lib.scoring.request_error import describe_value

if TYPE_CHECKING:
    from lib.scoring.model import Model

# An answer lists this many warnings; their number is always stated.
MAX_WARNINGS = 100
# With more rows, checking all values of a column together is faster than one by one.
_FEW_ROWS = 8
_MAX_LISTED_CATEGORIES, _MAX_LISTED_LENGTH = 5, 40
# Longer texts have an offset or fractions of seconds, and are compared as datetimes.
_MAX_PLAIN_DATETIME = len("2026-11-22T09:30:00")
_DATE_LENGTH = len("2026-11-22")


# The value that a model reads in a text, by the name of the column's kind.
TEXT_READERS: dict[str, Callable[[Kind, str], Any]] = {
    "text date": lambda kind, text: kind.to_array([text])[0],
    "text duration": lambda kind, text: float(kind.to_array([text])[0]),
    "text number": lambda kind, text: parse_number(text),
}


@dataclass(frozen=True)
class ColumnCheck:
    """The check of one column.

    Attributes
    ----------
    column : str
    is_usual : callable
        Returns whether a value was surely seen in training, or lies in the range of training. It is fast.
    describe : callable
        Takes a value that is not surely usual, and returns the warning without row and column; None if it is usual.
    bounds : tuple of float or None
        The range of usual numbers; None for other columns.
    """

    column: str
    is_usual: Callable[[Any], bool]
    describe: Callable[[Any], dict[str, Any] | None]
    bounds: tuple[float, float] | None = None

    def are_usual(self, values: list) -> bool:
        """Return whether all values are surely usual; true only if that is proven, false if unknown."""
        if self.bounds is None:
            return all(value is None or self.is_usual(value) for value in set(values))
        try:
            return bool(self.bounds[0] <= min(values) and max(values) <= self.bounds[1])
        except TypeError:  # a missing value
            return False


class ValueWarnings:
    """Finds warnings about the values of a request.

    Parameters
    ----------
    model : Model
    known_categories : mapping of str to container of str
        The categories that the model's encoder knows, by column.
    """

    def __init__(self, model: Model, known_categories: Mapping[str, Container[str]]):
        self._coverage = model.coverage
        self._checks = [
            check
            for column in model.columns
            if (
                check := _make_check(
                    column,
                    model.baseline.get(column.name, {}),
                    model.contract.get(column.name, {}),
                    known_categories.get(column.name),
                )
            )
        ]
        self._kinds = {column.name: column.kind for column in model.columns}

    def find(self, table: Mapping[str, list]) -> list[dict[str, Any]]:
        """Return a warning for each unusual value, by column and row.

        Parameters
        ----------
        table : mapping of str to list
            Checked values by column.

        Returns
        -------
        list of dict
            ``row``, ``column``, ``code``, ``got`` and ``expected``; for numbers and dates, ``range``.
        """
        warnings: list[dict[str, Any]] = []
        for check in self._checks:
            values, is_usual = table[check.column], check.is_usual
            if len(values) > _FEW_ROWS and check.are_usual(values):
                continue
            for row, value in enumerate(values):
                if value is not None and not is_usual(value) and (warning := check.describe(value)):
                    warnings.append({"row": row, "column": check.column, **warning})
        if self._coverage is not None and self._coverage.columns:
            warnings += self._find_unknown_groups(table)
        return warnings

    def _find_unknown_groups(self, table: Mapping[str, list]) -> Iterator[dict[str, Any]]:
        """Yield a warning for each row whose group has no interval or set."""
        assert self._coverage is not None
        columns = self._coverage.columns
        arrays = {name: self._kinds[name].to_array(table[name]) for name in columns}
        for row, key in enumerate(group_keys(arrays, columns, len(table[columns[0]]))):
            if not self._coverage.has_group(key):
                yield {
                    "row": row,
                    "column": ", ".join(columns),
                    "code": "unknown_group",
                    "got": ", ".join(value or "a missing value" for value in key),
                    "expected": "a group of the training rows; without one there is no interval or set",
                }


def describe_warning(warning: Mapping[str, Any]) -> str:
    """Return a warning as a clause, without the row.

    >>> describe_warning({"row": 0, "column": "age", "got": "the number 280", "expected": "18 to 89 in training"})
    "column 'age': got the number 280, expected 18 to 89 in training"
    """
    return f"column {warning['column']!r}: got {warning['got']}, expected {warning['expected']}"


def find_known_categories(predictor: Any) -> Mapping[str, Container[str]]:
    """Return the categories by column that the encoder of a predictor knows; empty if it does not tell."""
    encoder = getattr(predictor, "encode", None) or getattr(predictor, "encoder", None)
    known = getattr(encoder, "known_categories", None)
    return known() if known is not None else {}


def _make_check(
    column: Column,
    statistics: Mapping[str, Any],
    contract: Mapping[str, Any],
    known: Container[str] | None,
) -> ColumnCheck | None:
    """Return the check of a column; None if nothing is known about its values, or its kind allows known ones only."""
    if "enum" in column.kind.json_schema or column.kind.json_schema["type"] == "boolean":
        return None
    low, high = statistics.get("minimum"), statistics.get("maximum")
    if low is not None and high is not None:
        if column.kind.json_schema["type"] in ("number", "integer"):
            return _check_numbers(column, low, high, contract)
        if column.kind.name == "datetime":
            return _check_datetimes(column, low, high)
        if column.kind.name in TEXT_READERS:
            return _check_texts(column, low, high)
    if column.kind.name == "text":
        return _check_categories(column, statistics, contract, known)
    return None


def _check_numbers(column: Column, low: float, high: float, contract: Mapping[str, Any]) -> ColumnCheck:
    def is_usual(value: Any) -> bool:
        return bool(low <= value <= high)

    def describe(value: Any) -> dict[str, Any] | None:
        if np.isnan(column.kind.to_array([value])[0]):  # a code for a missing value
            return None
        # A limit that the training rows exceed was relaxed, or the pipeline has changed the column's unit.
        minimum, maximum = contract.get("minimum"), contract.get("maximum")
        bounds = (
            None if minimum is None or minimum > low else minimum,
            None if maximum is None or maximum < high else maximum,
        )
        return _range_warning(value, low, high, bounds, describe_value(value))

    return ColumnCheck(column.name, is_usual, describe, (low, high))


def _check_datetimes(column: Column, low: str, high: str) -> ColumnCheck:
    # Local times of the column, as the model reads them.
    first, last = column.kind.to_array([low, high])

    def is_usual(value: Any) -> bool:
        # ISO 8601 without an offset is ordered like text.
        is_plain = len(value) == _DATE_LENGTH or (len(value) == _MAX_PLAIN_DATETIME and value[_DATE_LENGTH] == "T")
        return is_plain and low <= value <= high

    def describe(value: Any) -> dict[str, Any] | None:
        time = column.kind.to_array([value])[0]
        if np.isnat(time) or first <= time <= last:
            return None
        return _range_warning(value, low, high, (None, None), describe_value(value))

    return ColumnCheck(column.name, is_usual, describe)


def _check_texts(column: Column, low: Any, high: Any) -> ColumnCheck:
    """Return the check of a column that the training table has as text, and that the model reads as another type."""
    read = TEXT_READERS[column.kind.name]
    is_date = column.kind.name == "text date"
    first, last = (np.datetime64(low), np.datetime64(high)) if is_date else (low, high)

    def is_usual(value: str) -> bool:
        return bool(first <= read(column.kind, value) <= last)

    def describe(value: str) -> dict[str, Any] | None:
        parsed = read(column.kind, value)
        if parsed != parsed:  # a missing value: NaN and NaT are not equal to themselves
            return None
        return _range_warning(value, low, high, (None, None), describe_value(value))

    return ColumnCheck(column.name, is_usual, describe)


def _range_warning(
    value: Any, low: Any, high: Any, bounds: tuple[float | None, float | None], got: str
) -> dict[str, Any]:
    """Return the warning about a value outside the range of training, and maybe outside that of the contract."""
    minimum, maximum = bounds
    breaks_contract = (minimum is not None and value < minimum) or (maximum is not None and value > maximum)
    expected = f"{_format(low)} to {_format(high)} in training"
    if breaks_contract:
        ends = (
            f"at least {_format(minimum)}" if minimum is not None else "",
            f"at most {_format(maximum)}" if maximum is not None else "",
        )
        expected += f", and {' and '.join(filter(None, ends))} by the contract"
    code = "outside_contract" if breaks_contract else "outside_training"
    return {"code": code, "got": got, "expected": expected, "range": [low, high]}


def _check_categories(
    column: Column, statistics: Mapping[str, Any], contract: Mapping[str, Any], known: Container[str] | None
) -> ColumnCheck | None:
    listed = statistics.get("categories") or {}
    is_complete = statistics.get("kind") == "category" and len(listed) == statistics.get("distinct")
    if known is None:
        # Without an encoder, only the table schema tells categories from free text.
        if column.table_kind not in (CATEGORY, CODE, ORDERED) or not is_complete:
            return None
        known = {category_name(name) for name in listed}
    allowed = contract.get("categories")
    names = [*listed][:_MAX_LISTED_CATEGORIES]

    def describe(value: Any) -> dict[str, Any] | None:
        name = category_name(value)
        if not name or name in known or column.kind.to_array([value])[0] is None:  # a word for a missing value
            return None
        breaks_contract = allowed is not None and name not in allowed
        more = ", ..." if len(names) < (statistics.get("distinct") or 0) else ""
        examples = f", such as {', '.join(name[:_MAX_LISTED_LENGTH] for name in names)}{more}" if names else ""
        return {
            "code": "outside_contract" if breaks_contract else "unseen_category",
            "got": describe_value(value),
            "expected": f"a category {'of the contract' if breaks_contract else 'seen in training'}{examples}",
        }

    return ColumnCheck(column.name, known.__contains__, describe)


def _format(value: Any) -> str:
    """Return a number with few digits, or a date without midnight."""
    if isinstance(value, str):
        return value.replace("T00:00:00", "")
    return f"{value:.10g}"


def group_by_row(warnings: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Return the warnings of each row as one text."""
    texts: dict[int, list[str]] = {}
    for warning in warnings:
        texts.setdefault(warning["row"], []).append(describe_warning(warning))
    return {row: "; ".join(clauses) for row, clauses in texts.items()}
