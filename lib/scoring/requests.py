"""From the bytes of a request to columns of values, or to a refusal that names row and column.

Read strictly: what JSON forbids (NaN, comments), leaves open (the same key twice) or lets grow without
end (depth, rows) is refused here, so that whatever comes out is a table in the model's own columns.
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
from lib.scoring.request_error import MAX_DETAILS, RequestError, describe_value, detail

# What the clients in use send: Azure ML's and MLflow's tables, and lists of records.
SHAPES = ("input_data", "dataframe_split", "dataframe_records", "data")
USAGE = (
    'Send {"input_data": {"columns": [...], "data": [[...], ...]}} or {"data": [{column: value, ...}, ...]}; '
    '"dataframe_split" and "dataframe_records" are taken as well.'
)


@dataclass(frozen=True)
class Limits:
    """How much one request may hold."""

    rows: int = 10_000
    bytes: int = 8 * 2**20


class Reader:
    """Reads requests for one model.

    Parameters
    ----------
    columns : sequence of Column
        Of the model.
    limits : Limits
        How much one request may hold.
    """

    def __init__(self, columns: Sequence[Column], limits: Limits):
        self._columns, self._limits = columns, limits
        self._records: Records | None = None
        with contextlib.suppress(ValueError):  # the name of a column cannot stand in JSON as it is
            self._records = Records(columns)

    def read(self, body: bytes | str) -> dict[str, list]:
        """Checked values of a request, by column in the model's order; errors are those of `read_table`."""
        if self._records is not None and type(body) is bytes and len(body) <= self._limits.bytes:
            table = self._records.read(body, self._limits.rows)
            if table is not None:
                return table
        return read_table(body, self._columns, self._limits)


def read_table(body: bytes | str, columns: Sequence[Column], limits: Limits) -> dict[str, list]:
    """Checked values of a request, by column in the model's order.

    Raises
    ------
    RequestError
        With status 400, 413 or 422.
    """
    names, rows = _rows(_object(_parse(body, limits)))
    if not rows:
        raise RequestError(422, "no_rows", "The request has no rows; at least one is needed.")
    if len(rows) > limits.rows:
        raise RequestError(
            413, "too_many_rows", f"The request has {len(rows)} rows; at most {limits.rows} are taken at once."
        )
    table = _from_records(rows, columns) if names is None else _from_lists(names, rows, columns)
    misfits = (
        detail(describe_value(value), column.expected, row, column.name)
        for column in columns
        for row, value in column.misfits(table[column.name])
    )
    faults = list(itertools.islice(misfits, MAX_DETAILS))
    if faults:
        _refuse("wrong_value", faults)
    return table


def _parse(body: bytes | str, limits: Limits) -> Any:
    if len(body) > limits.bytes:
        raise RequestError(
            413, "too_large", f"The request has {len(body)} bytes; at most {limits.bytes} are taken at once."
        )
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
        quick = _quickly(text)
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant) if quick is None else quick
    except UnicodeDecodeError as error:
        raise RequestError(400, "not_utf8", f"The request is not UTF-8: byte {error.start} cannot be read.") from None
    except RecursionError:
        raise RequestError(400, "too_deep", f"The request is nested too deeply to be a table. {USAGE}") from None
    except ValueError as error:  # JSONDecodeError, or an integer of more digits than Python reads
        raise RequestError(400, "not_json", f"The request is not JSON: {str(error)[:200]}. {USAGE}") from None


def _quickly(text: str) -> Any:
    """JSON by a parser that is several times faster, but keeps the last of equal keys and says less of a fault.

    Returns
    -------
    object or None
        None where the text has to be read again, with care.
    """
    try:
        payload = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    # Without these, each `":` ends a key or begins a text; and what nobody counts below is no table either.
    is_plain = not any(sign in text for sign in ("\\", "\t", "\n", "\r", " :"))
    return payload if is_plain and text.count('":') == _keys(payload) else None


def _keys(payload: Any) -> int:
    """How many keys a request has, its rows included."""
    if type(payload) is not dict:
        return 0
    contents = list(payload.values())
    rows = itertools.chain(contents, *(one for one in contents if type(one) is list))
    return len(payload) + sum(len(one) for one in rows if type(one) is dict)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise RequestError(400, "duplicate_key", f"An object has the key {json.dumps(twice[:100])} more than once.")
    return found


def _no_constant(name: str) -> NoReturn:
    raise RequestError(400, "not_finite", f"{name} is no JSON and no number; send null for a missing value.")


def _object(payload: Any) -> tuple[str, Any]:
    """The one key of the request that holds the rows, and its content."""
    if not isinstance(payload, dict):
        raise RequestError(400, "wrong_shape", f"The request is {describe_value(payload)}, not an object. {USAGE}")
    keys = list(payload)
    if len(keys) != 1 or keys[0] not in SHAPES:
        listed = ", ".join(json.dumps(key[:60]) for key in keys[:10]) or "none"
        raise RequestError(
            400, "wrong_shape", f"The request must have exactly one key that holds rows; it has: {listed}. {USAGE}"
        )
    return keys[0], payload[keys[0]]


def _rows(named: tuple[str, Any]) -> tuple[list[str] | None, list]:
    """Names of the columns, none for records, and the rows as they came."""
    shape, content = named
    if isinstance(content, list) and shape != "dataframe_split":
        return None, content
    if not isinstance(content, dict) or shape == "dataframe_records":
        raise RequestError(400, "wrong_shape", f'"{shape}" is {describe_value(content)}. {USAGE}')
    unknown = [key for key in content if key not in ("columns", "index", "data")]
    names, rows, index = content.get("columns"), content.get("data"), content.get("index")
    if unknown or not isinstance(names, list) or not isinstance(rows, list):
        found = ", ".join(
            f"{json.dumps(key[:60])}: {describe_value(value)}" for key, value in list(content.items())[:10]
        )
        raise RequestError(
            400,
            "wrong_shape",
            f'"{shape}" must hold the lists "columns" and "data", and may hold "index"; it holds {found or "nothing"}.',
        )
    if index is not None and (not isinstance(index, list) or len(index) != len(rows)):
        raise RequestError(
            422,
            "wrong_index",
            f'"index" is {describe_value(index)}; expected one entry for each of the {len(rows)} rows.',
        )
    return names, rows


def _from_lists(names: list, rows: list, columns: Sequence[Column]) -> dict[str, list]:
    faults = [detail(describe_value(name), "the name of a column") for name in names if not isinstance(name, str)]
    if not faults:
        seen: set[str] = set()
        faults = [
            detail("the column twice", "each column once", column=name)
            for name in names
            if name in seen or seen.add(name)
        ]
        faults += _unknown(names, columns)
        faults += [_missing(column) for column in columns if column.name not in seen and not column.nullable]
    if faults:
        _refuse("wrong_columns", faults[:MAX_DETAILS])
    width = len(names)
    faults = [
        detail(
            f"{len(row)} values" if isinstance(row, list) else describe_value(row),
            f"a list of {width} values, one for each column",
            at,
        )
        for at, row in enumerate(rows)
        if not isinstance(row, list) or len(row) != width
    ]
    if faults:
        _refuse("ragged_rows", faults[:MAX_DETAILS])
    values = dict(zip(names, zip(*rows, strict=True), strict=True))
    absent = (None,) * len(rows)
    return {column.name: list(values.get(column.name, absent)) for column in columns}


def _from_records(rows: list, columns: Sequence[Column]) -> dict[str, list]:
    names = [column.name for column in columns]
    if len(names) > 1 and all(type(row) is dict and len(row) == len(names) for row in rows):
        with contextlib.suppress(KeyError):  # most requests have each column in each row
            return dict(zip(names, map(list, zip(*map(operator.itemgetter(*names), rows), strict=True)), strict=True))
    known = dict.fromkeys(names).keys()
    needed = [column for column in columns if not column.nullable]
    faults = []
    for at, row in enumerate(rows):
        if not isinstance(row, dict):
            faults.append(detail(describe_value(row), "an object with a value for each column", at))
        elif row.keys() != known and (not row.keys() <= known or any(column.name not in row for column in needed)):
            faults += [{"row": at, **one} for one in _unknown(row, columns)]
            faults += [{"row": at, **_missing(column)} for column in needed if column.name not in row]
        if len(faults) >= MAX_DETAILS:
            break
    if faults:
        _refuse("wrong_columns", faults[:MAX_DETAILS])
    return {column.name: [row.get(column.name) for row in rows] for column in columns}


def _unknown(names: Any, columns: Sequence[Column]) -> list[dict[str, Any]]:
    known = [column.name for column in columns]
    faults = []
    for name in [name for name in names if name not in known][:MAX_DETAILS]:
        near = difflib.get_close_matches(name[:100], known, n=1)
        words = f"no such column; did you mean {near[0]!r}?" if near else f"one of the columns {', '.join(known[:30])}"
        faults.append(detail("a column the model does not know", words, column=name[:100]))
    return faults


def _missing(column: Column) -> dict[str, Any]:
    return detail("nothing", column.expected, column=column.name)


def _refuse(code: str, faults: list[dict[str, Any]]) -> NoReturn:
    first = faults[0]
    place = ", ".join(f"{key} {first[key]!r}" for key in ("row", "column") if key in first)
    more = (
        f" There are {len(faults)}{' or more' if len(faults) == MAX_DETAILS else ''} faults in all."
        if len(faults) > 1
        else ""
    )
    raise RequestError(
        422, code, f"{place or 'columns'}: got {first['got']}, expected {first['expected']}.{more}", faults
    )
