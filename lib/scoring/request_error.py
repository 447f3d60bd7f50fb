"""What a client gets for a request that cannot be answered: a status, a code and the faults, row by row."""

from __future__ import annotations

import json
from typing import Any

MAX_DETAILS = 20


class RequestError(Exception):
    """A request that never reaches the model.

    Parameters
    ----------
    status : int
        400 the body is not such a request, 413 it is too large, 422 its rows do not fit the model; the
        server adds 401, 404, 405 and 415.
    code : str
        The same in one word, for programs.
    message : str
        The same in a sentence, for people.
    faults : list of dict, optional
        Each with ``row`` (from 0) and ``column`` where they apply, ``got`` and ``expected``.
    """

    def __init__(self, status: int, code: str, message: str, faults: list[dict[str, Any]] | None = None):
        super().__init__(message)
        self.status, self.code, self.message, self.faults = status, code, message, faults or []

    def content(self) -> dict[str, Any]:
        """The JSON of the answer."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.faults:
            error["faults"] = self.faults
        return {"error": error}


def fault(got: Any, expected: str, row: int | None = None, column: str | None = None) -> dict[str, Any]:
    """One fault, as it stands in the answer."""
    place = {"row": row, "column": column}
    return {**{key: value for key, value in place.items() if value is not None}, "got": got, "expected": expected}


def shown(value: Any) -> str:
    """A value in a few words: what JSON calls it, and the value itself as far as it is short."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, dict):
        return f"an object with {len(value)} keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    # The text of an integer of thousands of digits takes long to make, and is of use to nobody.
    if isinstance(value, int) and value.bit_length() > 200:
        return f"a number of {value.bit_length()} bits"
    text = json.dumps(value[:60] if isinstance(value, str) else value)
    if isinstance(value, str):
        return f"the text {text}" + (f" (its first 60 of {len(value)} characters)" if len(value) > 60 else "")
    return f"the number {text}"
