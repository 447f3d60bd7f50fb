"""Conversion of a request's bytes to checked values by column, or to an error that names row and column.

The result always has the model's own columns, in the model's order, with valid values only.
"""

from __future__ import annotations

import contextlib
import difflib
import itertools
import operator
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from lib.scoring.columns import Column
from lib.scoring.json_body import find_reason_count, find_rows, parse_json
from lib.scoring.records import RecordParser
from lib.scoring.request_error import MAX_FAULTS, RequestError, describe_value, make_fault
from lib.scoring.request_names import to_model_spelling

# A fault quotes this many characters of an unknown column's name, and lists this many of the model's columns.
_MAX_NAME_LENGTH, _MAX_LISTED_COLUMNS = 100, 30


@dataclass(frozen=True)
class Limits:
    """The maximum size of a request.

    Attributes
    ----------
    rows : int
        Maximum number of rows.
    bytes : int
        Maximum size of the body.
    """

    rows: int = 10_000
    bytes: int = 8 * 2**20


class RequestParser:
    """A parser of requests for one model.

    Parameters
    ----------
    columns : sequence of Column
        The model's inputs.
    limits : Limits
        The maximum size of a request.
    """

    def __init__(self, columns: Sequence[Column], limits: Limits):
        self._columns, self._limits = columns, limits
        self._record_parser: RecordParser | None = None
        with contextlib.suppress(ValueError):  # the name of a column needs escapes in JSON
            self._record_parser = RecordParser(columns)

    def parse(self, body: bytes | str) -> tuple[dict[str, list], int]:
        """Return the checked values of a request by column, and the number of reasons that it asks for per row.

        Errors are those of `parse_request`.
        """
        if self._record_parser is not None and isinstance(body, bytes) and len(body) <= self._limits.bytes:
            parsed = self._record_parser.parse(body, self._limits.rows)
            if parsed is not None:
                return parsed
        return parse_request(body, self._columns, self._limits)


def parse_request(body: bytes | str, columns: Sequence[Column], limits: Limits) -> tuple[dict[str, list], int]:
    """Return the checked values of a request by column, in the model's order, and the number of reasons per row.

    Raises
    ------
    RequestError
        With status 400, 413 or 422.
    """
    if len(body) > limits.bytes:
        message = f"The request has {len(body)} bytes; the maximum is {limits.bytes}."
        raise RequestError(413, "too_large", message)
    payload = parse_json(body)
    names, rows = find_rows(payload)
    reason_count = find_reason_count(payload)
    names, rows = to_model_spelling(names, rows, {column.name for column in columns})
    if not rows:
        raise RequestError(422, "no_rows", "The request has no rows; at least one is needed.")
    if len(rows) > limits.rows:
        message = f"The request has {len(rows)} rows; the maximum is {limits.rows}."
        raise RequestError(413, "too_many_rows", message)
    table = _table_from_records(rows, columns) if names is None else _table_from_lists(names, rows, columns)
    faults = (
        make_fault(got=describe_value(value), expected=column.expected, row=row, column=column.name)
        for column in columns
        for row, value in column.invalid_values(table[column.name])
    )
    _raise_if_any("wrong_value", list(itertools.islice(faults, MAX_FAULTS)))
    return table, reason_count


def _table_from_lists(names: list, rows: list, columns: Sequence[Column]) -> dict[str, list]:
    """Return values by column from rows that are lists of values; the values have not been checked."""
    _raise_if_any("wrong_columns", _find_name_faults(names, columns)[:MAX_FAULTS])
    faults = [
        make_fault(
            got=f"{len(row)} values" if isinstance(row, list) else describe_value(row),
            expected=f"a list of {len(names)} values, one for each column",
            row=number,
        )
        for number, row in enumerate(rows)
        if not isinstance(row, list) or len(row) != len(names)
    ]
    _raise_if_any("ragged_rows", faults[:MAX_FAULTS])
    values = dict(zip(names, zip(*rows, strict=True), strict=True))
    nulls = (None,) * len(rows)
    return {column.name: list(values.get(column.name, nulls)) for column in columns}


def _find_name_faults(names: list, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Return a fault for each column name that is no text, duplicate, unknown or missing."""
    faults = [
        make_fault(got=describe_value(name), expected="the name of a column")
        for name in names
        if not isinstance(name, str)
    ]
    if faults:
        return faults
    seen: set[str] = set()
    for name in names:
        if name in seen:
            faults.append(make_fault(got="the column twice", expected="each column once", column=name))
        seen.add(name)
    faults += _unknown_column_faults(names, columns)
    return faults + [
        _missing_column_fault(column) for column in columns if column.name not in seen and not column.nullable
    ]


def _table_from_records(rows: list, columns: Sequence[Column]) -> dict[str, list]:
    """Return values by column from rows that are records; the values have not been checked."""
    names = [column.name for column in columns]
    if len(names) > 1 and all(type(row) is dict and len(row) == len(names) for row in rows):
        with contextlib.suppress(KeyError):  # the usual case: every row has every column
            return dict(zip(names, map(list, zip(*map(operator.itemgetter(*names), rows), strict=True)), strict=True))
    known = dict.fromkeys(names).keys()
    required = [column for column in columns if not column.nullable]
    faults: list[dict[str, Any]] = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            expected = "an object with a value for each column"
            faults.append(make_fault(got=describe_value(row), expected=expected, row=number))
        elif row.keys() != known and (not row.keys() <= known or any(column.name not in row for column in required)):
            faults += [{"row": number, **fault} for fault in _unknown_column_faults(row, columns)]
            faults += [
                {"row": number, **_missing_column_fault(column)} for column in required if column.name not in row
            ]
        if len(faults) >= MAX_FAULTS:
            break
    _raise_if_any("wrong_columns", faults[:MAX_FAULTS])
    return {column.name: [row.get(column.name) for row in rows] for column in columns}


def _unknown_column_faults(names: Collection[str], columns: Sequence[Column]) -> list[dict[str, Any]]:
    known = [column.name for column in columns]
    faults = []
    for name in [name for name in names if name not in known][:MAX_FAULTS]:
        quoted = name[:_MAX_NAME_LENGTH]
        similar_names = difflib.get_close_matches(quoted, known, n=1)
        expected = f"one of the columns {', '.join(known[:_MAX_LISTED_COLUMNS])}"
        if similar_names:
            expected = f"a known column; did you mean {similar_names[0]!r}?"
        faults.append(make_fault(got="a column the model does not know", expected=expected, column=quoted))
    return faults


def _missing_column_fault(column: Column) -> dict[str, Any]:
    return make_fault(got="nothing", expected=column.expected, column=column.name)


def _raise_if_any(code: str, faults: list[dict[str, Any]]) -> None:
    """Raise a RequestError with the faults, if there are any. The message describes the first fault."""
    if not faults:
        return
    first = faults[0]
    place = ", ".join(f"{key} {first[key]!r}" for key in ("row", "column") if key in first)
    count_sentence = ""
    if len(faults) > 1:
        count_sentence = f" There are {len(faults)}{' or more' if len(faults) == MAX_FAULTS else ''} faults in total."
    message = f"{place or 'columns'}: got {first['got']}, expected {first['expected']}.{count_sentence}"
    raise RequestError(422, code, message, faults)
