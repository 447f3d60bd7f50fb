"""Strict parsing of a request's body as JSON, and the table's column names and rows in it.

What JSON forbids, such as NaN and comments, or leaves undefined, such as a duplicate key, is an error.
"""

from __future__ import annotations

import itertools
import json
from typing import Any, NoReturn

import msgspec

from lib.scoring.request_error import RequestError, describe_value

# The keys below which clients send rows: the tables of Azure ML and MLflow, and lists of records.
KEYS = ("input_data", "dataframe_split", "dataframe_records", "data")
# The key of the number of reasons that an answer gives for each row, and its maximum.
REASONS, MAX_REASONS = "reasons", 100
USAGE = (
    'Send {"input_data": {"columns": [...], "data": [[...], ...]}} or {"data": [{column: value, ...}, ...]}; '
    '"dataframe_split" and "dataframe_records" are accepted as well.'
)
# A message quotes this many characters of a client's key, and this many of its keys.
_MAX_QUOTED_LENGTH, _MAX_LISTED_KEYS = 60, 10


def parse_json(body: bytes | str) -> Any:
    """Parse the body of a request.

    Raises
    ------
    RequestError
        With status 400, if the body is not JSON in UTF-8.
    """
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


def find_rows(payload: Any) -> tuple[list | None, list]:
    """Return the column names and the unchecked rows of a parsed request.

    Returns
    -------
    names : list or None
        The column names; None if the rows are records.
    rows : list
        Lists of values, or records.

    Raises
    ------
    RequestError
        With status 400 or 422, if the request does not have one of the accepted shapes.
    """
    key, content = _only_entry(payload)
    if isinstance(content, list) and key != "dataframe_split":
        return None, content
    if not isinstance(content, dict) or key == "dataframe_records":
        raise RequestError(400, "wrong_shape", f'"{key}" is {describe_value(content)}. {USAGE}')
    names, rows, index = content.get("columns"), content.get("data"), content.get("index")
    has_unknown_keys = any(name not in ("columns", "index", "data") for name in content)
    if has_unknown_keys or not isinstance(names, list) or not isinstance(rows, list):
        entries = list(content.items())[:_MAX_LISTED_KEYS]
        listed = ", ".join(
            f"{json.dumps(name[:_MAX_QUOTED_LENGTH])}: {describe_value(value)}" for name, value in entries
        )
        message = (
            f'"{key}" must contain the lists "columns" and "data", and may contain "index"; it contains '
            f"{listed or 'nothing'}."
        )
        raise RequestError(400, "wrong_shape", message)
    if index is not None and (not isinstance(index, list) or len(index) != len(rows)):
        message = f'"index" is {describe_value(index)}; expected one entry for each of the {len(rows)} rows.'
        raise RequestError(422, "wrong_index", message)
    return names, rows


def find_reason_count(payload: Any) -> int:
    """Return the number of reasons for which a parsed request asks.

    Raises
    ------
    RequestError
        With status 422, if it is not a whole number from 0 to `MAX_REASONS`.
    """
    count = payload.get(REASONS, 0) if isinstance(payload, dict) else 0
    if type(count) is float and count.is_integer():  # JavaScript's 3.0
        count = int(count)
    if type(count) is not int or not 0 <= count <= MAX_REASONS:
        message = f'"{REASONS}" is {describe_value(count)}; expected a whole number from 0 to {MAX_REASONS}.'
        raise RequestError(422, "wrong_reasons", message)
    return count


def _only_entry(payload: Any) -> tuple[str, Any]:
    """Return the only key of a request that contains rows, which has to be one of `KEYS`, and its content."""
    if not isinstance(payload, dict):
        raise RequestError(400, "wrong_shape", f"The request is {describe_value(payload)}, not an object. {USAGE}")
    keys = [key for key in payload if key != REASONS]
    if len(keys) != 1 or keys[0] not in KEYS:
        listed = ", ".join(map(_quote, keys[:_MAX_LISTED_KEYS])) or "none"
        message = f"The request must have exactly one key that contains rows; it has: {listed}. {USAGE}"
        raise RequestError(400, "wrong_shape", message)
    return keys[0], payload[keys[0]]


def _quote(key: str) -> str:
    return json.dumps(key[:_MAX_QUOTED_LENGTH])


def _parse_fast(text: str) -> Any:
    """Parse JSON with msgspec, which is faster than json but accepts duplicate keys.

    Returns
    -------
    object or None
        None if the text is not JSON or may have a duplicate key; then json has to parse it.
    """
    try:
        payload = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    # Without escapes and spaces, each `":` is the end of a key, or a text that begins with a colon.
    is_compact = not any(characters in text for characters in ("\\", "\t", "\n", "\r", " :"))
    return payload if is_compact and text.count('":') == _count_keys(payload) else None


def _count_keys(payload: Any) -> int:
    """Count the keys of a request and of its rows. Objects nested deeper are not expected, and not counted."""
    if type(payload) is not dict:
        return 0
    contents = list(payload.values())
    rows = itertools.chain(contents, *(content for content in contents if type(content) is list))
    return len(payload) + sum(len(row) for row in rows if type(row) is dict)


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make the dictionary of a JSON object, or raise an error if it has a key twice."""
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        duplicate = next(key for key in result if keys.count(key) > 1)
        message = f"An object has the key {json.dumps(duplicate[:100])} more than once."
        raise RequestError(400, "duplicate_key", message)
    return result


def _reject_constant(name: str) -> NoReturn:
    raise RequestError(400, "not_finite", f"JSON has no number {name}; send null for a missing value.")
