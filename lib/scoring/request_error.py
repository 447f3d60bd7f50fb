"""The error that a client gets for a request that cannot be answered: a status, a code, and details by row."""

from __future__ import annotations

import json
from typing import Any

MAX_DETAILS = 20
_MAX_TEXT = 60


class RequestError(Exception):
    """A request that cannot be answered.

    Parameters
    ----------
    status : int
        HTTP status: 400 the body is not a scoring request, 413 it is too large, 422 its rows do not fit the model. The
        server adds 401, 404, 405 and 415.
    code : str
        The reason in one word, for programs.
    message : str
        The reason in a sentence, for people.
    details : list of dict, optional
        The single faults, as `make_fault` makes them.
    """

    def __init__(self, status: int, code: str, message: str, details: list[dict[str, Any]] | None = None):
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details or []

    def content(self) -> dict[str, Any]:
        """Return the JSON of the answer."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details:
            error["faults"] = self.details
        return {"error": error}


def make_fault(got: str, expected: str, row: int | None = None, column: str | None = None) -> dict[str, Any]:
    """Return one fault of a request, as it appears in the answer.

    >>> make_fault(got="null", expected="a number", row=3, column="age")
    {'row': 3, 'column': 'age', 'got': 'null', 'expected': 'a number'}
    """
    position = {key: value for key, value in (("row", row), ("column", column)) if value is not None}
    return {**position, "got": got, "expected": expected}


def describe_value(value: Any) -> str:
    """Return a JSON value in a few words, shortened if it is long.

    >>> describe_value("yes"), describe_value(2.5), describe_value([1, 2])
    ('the text "yes"', 'the number 2.5', 'a list of 2')
    """
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, dict):
        return f"an object with {len(value)} keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        shortened = f" (its first {_MAX_TEXT} of {len(value)} characters)" if len(value) > _MAX_TEXT else ""
        return f"the text {json.dumps(value[:_MAX_TEXT])}{shortened}"
    # Converting an integer of thousands of digits to text takes long.
    if isinstance(value, int) and value.bit_length() > 200:
        return f"a number of {value.bit_length()} bits"
    return f"the number {json.dumps(value)}"
