"""The usual request, parsed in one go: a list of records, each with all columns, in the columns' types.

A parser that knows the types makes no dictionaries, and leaves hardly a value to check. But its errors do not help a
person, and it accepts a duplicate key. So a request that it rejects, or that may contain a key twice, is parsed again
by `lib.scoring.requests`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np

from lib.scoring.columns import Column

# The keys under which records are sent.
KEYS = ("data", "dataframe_records")
_QUOTE = ord('"')
# The parser's types, by JSON type.
_TYPES: dict[str, Any] = {
    "number": float,
    "integer": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    "integer of 32 bits": Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
    "boolean": bool,
    "string": str,
}


class Records:
    """A parser of records for a model's columns.

    Parameters
    ----------
    columns : sequence of Column
        The model's inputs.

    Raises
    ------
    ValueError
        If the name of a column needs escapes in JSON.
    """

    def __init__(self, columns: Sequence[Column]):
        self._names = [column.name for column in columns]
        strings = [column for column in columns if column.kind.schema["type"] == "string"]
        # The parser checks types and ranges; only formats remain to be checked, such as those of dates.
        self._formatted = [column for column in columns if column.kind.has_format]
        self._strings = len(strings)
        self._nullable_strings = [column.name for column in strings if column.nullable]
        fields = [(f"column_{number}", _parser_type(column)) for number, column in enumerate(columns)]
        names = dict(zip((field for field, _ in fields), self._names, strict=True))
        row: Any = msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=True, gc=False)
        optional_rows = (list[row] | msgspec.UnsetType, msgspec.UNSET)
        request = msgspec.defstruct("Request", [(key, *optional_rows) for key in KEYS], forbid_unknown_fields=True)
        self._decode = msgspec.json.Decoder(request).decode

    def read(self, body: bytes, max_rows: int) -> dict[str, list] | None:
        """Return checked values by column; None if the request has to be parsed again, with care."""
        if b"\\" in body or not body.isascii():
            return None
        try:
            request: Any = self._decode(body)
        except (msgspec.DecodeError, RecursionError):
            return None
        rows = request.data if request.data is not msgspec.UNSET else request.dataframe_records
        if not rows or rows is msgspec.UNSET or len(rows) > max_rows:
            return None
        values = zip(*map(msgspec.structs.astuple, rows), strict=True)
        table = dict(zip(self._names, map(list, values), strict=True))
        if any(next(column.invalid_values(table[column.name]), None) is not None for column in self._formatted):
            return None
        return table if self._has_expected_quotes(body, table, len(rows)) else None

    def _has_expected_quotes(self, body: bytes, table: dict[str, list], rows: int) -> bool:
        """Return whether the body has two quotes for each key and string, which proves that no key is duplicated.

        A duplicate key, or a second list of rows, would add quotes.
        """
        nulls = sum(table[name].count(None) for name in self._nullable_strings)
        keys = 1 + rows * len(self._names)  # 1: the key of the list of rows
        quotes = np.count_nonzero(np.frombuffer(body, np.uint8) == _QUOTE)
        return bool(quotes == 2 * (keys + rows * self._strings - nulls))


def _parser_type(column: Column) -> Any:
    json_type = column.kind.schema["type"]
    parser_type = _TYPES["integer of 32 bits" if "format" in column.kind.schema else json_type]
    return parser_type | None if column.nullable else parser_type
