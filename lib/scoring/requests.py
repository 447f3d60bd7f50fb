"""From the bytes of a request to checked values by column, or to an error that names row and column.

Parsing is strict. What JSON forbids (NaN, comments), leaves undefined (a duplicate key) or does not limit (depth, rows)
is an error here, so that the result is always a table with the model's own columns.
"""

from __future__ import annotations

import contextlib
import difflib
import itertools
import json
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

from lib.scoring.columns import Column
from lib.scoring.records import Records
from lib.scoring.request_error import MAX_DETAILS, RequestError, describe_value, make_fault
from lib.scoring.request_names import compose_names

# The keys under which rows are sent: the tables of Azure ML and MLflow, and lists of records.
KEYS = ("input_data", "dataframe_split", "dataframe_records", "data")
USAGE = (
    'Send {"input_data": {"columns": [...], "data": [[...], ...]}} or {"data": [{column: value, ...}, ...]}; '
    '"dataframe_split" and "dataframe_records" are accepted as well.'
)
# How much of a client's text a message quotes, and how many of its keys.
_MAX_QUOTED, _MAX_LISTED = 60, 10


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


class Reader:
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
        self._records: Records | None = None
        with contextlib.suppress(ValueError):  # the name of a column needs escapes in JSON
            self._records = Records(columns)

    def read(self, body: bytes | str) -> dict[str, list]:
        """Return checked values by column, in the model's order; errors are those of `read_table`."""
        if self._records is not None and isinstance(body, bytes) and len(body) <= self._limits.bytes:
            table = self._records.read(body, self._limits.rows)
            if table is not None:
                return table
        return read_table(body, self._columns, self._limits)


def read_table(body: bytes | str, columns: Sequence[Column], limits: Limits) -> dict[str, list]:
    """Return the checked values of a request by column, in the model's order.

    Raises
    ------
    RequestError
        With status 400, 413 or 422.
    """
    names, rows = _find_rows(*_only_entry(_parse(body, limits)))
    names, rows = compose_names(names, rows, {column.name for column in columns})
    if not rows:
        raise RequestError(422, "no_rows", "The request has no rows; at least one is needed.")
    if len(rows) > limits.rows:
        message = f"The request has {len(rows)} rows; the maximum is {limits.rows}."
        raise RequestError(413, "too_many_rows", message)
    table = _from_records(rows, columns) if names is None else _from_lists(names, rows, columns)
    details = (
        make_fault(got=describe_value(value), expected=column.expected, row=row, column=column.name)
        for column in columns
        for row, value in column.invalid_values(table[column.name])
    )
    _raise_if_any("wrong_value", list(itertools.islice(details, MAX_DETAILS)))
    return table


def _parse(body: bytes | str, limits: Limits) -> Any:
    if len(body) > limits.bytes:
        message = f"The request has {len(body)} bytes; the maximum is {limits.bytes}."
        raise RequestError(413, "too_large", message)
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
        payload = _parse_fast(text)
        if payload is None:
            payload = json.loads(text, object_pairs_hook=_reject_duplicates, parse_constant=_reject_constant)
        return payload
    except UnicodeDecodeError as error:
        message = f"The request is not UTF-8: byte {error.start} cannot be decoded."
        raise RequestError(400, "not_utf8", message) from None
    except RecursionError:
        raise RequestError(400, "too_deep", f"The request is nested too deeply to be a table. {USAGE}") from None
    except ValueError as error:  # JSONDecodeError, or an integer with more digits than Python converts
        raise RequestError(400, "not_json", f"The request is not JSON: {str(error)[:200]}. {USAGE}") from None


def _parse_fast(text: str) -> Any:
    """Parse JSON with a parser that is several times faster, but accepts duplicate keys and has short messages.

    Returns
    -------
    object or None
        None if the text has to be parsed again, with care.
    """
    try:
        payload = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    # Without these characters, each `":` belongs to a key, or to text that begins with a colon.
    is_compact = not any(characters in text for characters in ("\\", "\t", "\n", "\r", " :"))
    return payload if is_compact and text.count('":') == _count_keys(payload) else None


def _count_keys(payload: Any) -> int:
    """Return the number of keys of a request and of its rows; keys that are nested deeper are not expected."""
    if type(payload) is not dict:
        return 0
    contents = list(payload.values())
    rows = itertools.chain(contents, *(content for content in contents if type(content) is list))
    return len(payload) + sum(len(row) for row in rows if type(row) is dict)


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        duplicate = next(key for key in result if keys.count(key) > 1)
        message = f"An object has the key {json.dumps(duplicate[:100])} more than once."
        raise RequestError(400, "duplicate_key", message)
    return result


def _reject_constant(name: str) -> NoReturn:
    raise RequestError(400, "not_finite", f"JSON has no number {name}; send null for a missing value.")


def _only_entry(payload: Any) -> tuple[str, Any]:
    """Return the one key of a request, and the rows below it."""
    if not isinstance(payload, dict):
        raise RequestError(400, "wrong_shape", f"The request is {describe_value(payload)}, not an object. {USAGE}")
    keys = list(payload)
    if len(keys) != 1 or keys[0] not in KEYS:
        listed = ", ".join(json.dumps(key[:_MAX_QUOTED]) for key in keys[:_MAX_LISTED]) or "none"
        message = f"The request must have exactly one key that contains rows; it has: {listed}. {USAGE}"
        raise RequestError(400, "wrong_shape", message)
    return keys[0], payload[keys[0]]


def _find_rows(key: str, content: Any) -> tuple[list | None, list]:
    """Return the column names (None if the rows are records) and the unconverted rows."""
    if isinstance(content, list) and key != "dataframe_split":
        return None, content
    if not isinstance(content, dict) or key == "dataframe_records":
        raise RequestError(400, "wrong_shape", f'"{key}" is {describe_value(content)}. {USAGE}')
    has_unknown_keys = any(name not in ("columns", "index", "data") for name in content)
    names, rows, index = content.get("columns"), content.get("data"), content.get("index")
    if has_unknown_keys or not isinstance(names, list) or not isinstance(rows, list):
        entries = list(content.items())[:_MAX_LISTED]
        listed = ", ".join(f"{json.dumps(name[:_MAX_QUOTED])}: {describe_value(value)}" for name, value in entries)
        message = (
            f'"{key}" must contain the lists "columns" and "data", and may contain "index"; it contains '
            f"{listed or 'nothing'}."
        )
        raise RequestError(400, "wrong_shape", message)
    if index is not None and (not isinstance(index, list) or len(index) != len(rows)):
        message = f'"index" is {describe_value(index)}; expected one entry for each of the {len(rows)} rows.'
        raise RequestError(422, "wrong_index", message)
    return names, rows


def _from_lists(names: list, rows: list, columns: Sequence[Column]) -> dict[str, list]:
    _raise_if_any("wrong_columns", _check_names(names, columns)[:MAX_DETAILS])
    width = len(names)
    details = [
        make_fault(
            got=f"{len(row)} values" if isinstance(row, list) else describe_value(row),
            expected=f"a list of {width} values, one for each column",
            row=number,
        )
        for number, row in enumerate(rows)
        if not isinstance(row, list) or len(row) != width
    ]
    _raise_if_any("ragged_rows", details[:MAX_DETAILS])
    values = dict(zip(names, zip(*rows, strict=True), strict=True))
    absent = (None,) * len(rows)
    return {column.name: list(values.get(column.name, absent)) for column in columns}


def _check_names(names: list, columns: Sequence[Column]) -> list[dict[str, Any]]:
    details = [
        make_fault(got=describe_value(name), expected="the name of a column")
        for name in names
        if not isinstance(name, str)
    ]
    if details:
        return details
    seen: set[str] = set()
    for name in names:
        if name in seen:
            details.append(make_fault(got="the column twice", expected="each column once", column=name))
        seen.add(name)
    details += _unknown_columns(names, columns)
    return details + [_missing_column(column) for column in columns if column.name not in seen and not column.nullable]


def _from_records(rows: list, columns: Sequence[Column]) -> dict[str, list]:
    names = [column.name for column in columns]
    if len(names) > 1 and all(type(row) is dict and len(row) == len(names) for row in rows):
        with contextlib.suppress(KeyError):  # the usual case: every row has every column
            return dict(zip(names, map(list, zip(*map(operator.itemgetter(*names), rows), strict=True)), strict=True))
    known = dict.fromkeys(names).keys()
    required = [column for column in columns if not column.nullable]
    details: list[dict[str, Any]] = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            expected = "an object with a value for each column"
            details.append(make_fault(got=describe_value(row), expected=expected, row=number))
        elif row.keys() != known and (not row.keys() <= known or any(column.name not in row for column in required)):
            details += [{"row": number, **unknown} for unknown in _unknown_columns(row, columns)]
            details += [{"row": number, **_missing_column(column)} for column in required if column.name not in row]
        if len(details) >= MAX_DETAILS:
            break
    _raise_if_any("wrong_columns", details[:MAX_DETAILS])
    return {column.name: [row.get(column.name) for row in rows] for column in columns}


def _unknown_columns(names: Any, columns: Sequence[Column]) -> list[dict[str, Any]]:
    known = [column.name for column in columns]
    details = []
    for name in [name for name in names if name not in known][:MAX_DETAILS]:
        nearest = difflib.get_close_matches(name[:100], known, n=1)
        expected = f"one of the columns {', '.join(known[:30])}"
        if nearest:
            expected = f"a known column; did you mean {nearest[0]!r}?"
        details.append(make_fault(got="a column the model does not know", expected=expected, column=name[:100]))
    return details


def _missing_column(column: Column) -> dict[str, Any]:
    return make_fault(got="nothing", expected=column.expected, column=column.name)


def _raise_if_any(code: str, details: list[dict[str, Any]]) -> None:
    """Raise an error with the details, if there are any; the message contains the first."""
    if not details:
        return
    first = details[0]
    place = ", ".join(f"{key} {first[key]!r}" for key in ("row", "column") if key in first)
    total = ""
    if len(details) > 1:
        total = f" There are {len(details)}{' or more' if len(details) == MAX_DETAILS else ''} faults in total."
    message = f"{place or 'columns'}: got {first['got']}, expected {first['expected']}.{total}"
    raise RequestError(422, code, message, details)
