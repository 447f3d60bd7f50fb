"""The error that a client gets for a request that cannot be answered: a status, a code, and faults by row."""

from __future__ import annotations

import json
from typing import Any

MAX_FAULTS = 20
_MAX_TEXT_LENGTH = 60


class RequestError(Exception):
    """A request that cannot be answered.

    Parameters
    ----------
    status : int
        HTTP status. 400: the body is not a scoring request; 413: the body is too large; 422: the rows do not fit the
        model. The server also uses others, such as 401 and 404.
    code : str
        The reason in one word, for programs.
    message : str
        The reason in a sentence, for people.
    faults : list of dict, optional
        The faults of single rows and columns, as `make_fault` returns them.
    """

    def __init__(self, status: int, code: str, message: str, faults: list[dict[str, Any]] | None = None):
        super().__init__(message)
        self.status, self.code, self.message, self.faults = status, code, message, faults or []

    def content(self) -> dict[str, Any]:
        """Return the answer's content, which is sent as JSON."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.faults:
            error["faults"] = self.faults
        return {"error": error}


def make_fault(*, got: str, expected: str, row: int | None = None, column: str | None = None) -> dict[str, Any]:
    """Return a fault of a request as the answer lists it.

    >>> make_fault(got="null", expected="a number", row=3, column="age")
    {'row': 3, 'column': 'age', 'got': 'null', 'expected': 'a number'}
    """
    position = {key: value for key, value in (("row", row), ("column", column)) if value is not None}
    return {**position, "got": got, "expected": expected}


def describe_value(value: Any) -> str:
    """Describe a JSON value in a few words; long text is shortened.

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
        shortening_note = (
            f" (its first {_MAX_TEXT_LENGTH} of {len(value)} characters)" if len(value) > _MAX_TEXT_LENGTH else ""
        )
        return f"the text {json.dumps(value[:_MAX_TEXT_LENGTH])}{shortening_note}"
    # Python takes seconds to convert an integer of many thousand digits to text.
    if isinstance(value, int) and value.bit_length() > 200:
        return f"a number of {value.bit_length()} bits"
    return f"the number {json.dumps(value)}"
