"""A fast parser for the usual request: a list of records, each with a value for every column.

msgspec decodes the records directly into the columns' types. But its error messages do not help a person, and it
accepts duplicate keys. So `lib.scoring.requests` parses a request again if msgspec rejects it or a key may occur twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np

from lib.scoring.columns import Column
from lib.scoring.json_body import MAX_REASONS, REASONS

# The keys of a request below which clients send records.
KEYS = ("data", "dataframe_records")
_QUOTE = ord('"')
# The types that msgspec decodes values into, by JSON type.
_TYPES: dict[str, Any] = {
    "number": float,
    "integer": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    "integer of 32 bits": Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
    "boolean": bool,
    "string": str,
}


class RecordParser:
    """A parser of records for a model's columns.

    Parameters
    ----------
    columns : sequence of Column
        The model's inputs.

    Raises
    ------
    ValueError
        If msgspec cannot use the name of a column as a key, because the name needs escapes in JSON.
    """

    def __init__(self, columns: Sequence[Column]):
        self._names = [column.name for column in columns]
        text_columns = [column for column in columns if column.kind.json_schema["type"] == "string"]
        # msgspec checks types and ranges, but no formats, such as those of dates.
        self._columns_with_format = [column for column in columns if column.kind.has_format]
        self._text_column_count = len(text_columns)
        self._nullable_text_names = [column.name for column in text_columns if column.nullable]
        fields = [(f"column_{number}", _parser_type(column)) for number, column in enumerate(columns)]
        names = dict(zip((field for field, _ in fields), self._names, strict=True))
        row: Any = msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=True, gc=False)
        optional_count = (REASONS, int | msgspec.UnsetType, msgspec.UNSET)
        optional_rows = (list[row] | msgspec.UnsetType, msgspec.UNSET)
        request = msgspec.defstruct(
            "Request", [*((key, *optional_rows) for key in KEYS), optional_count], forbid_unknown_fields=True
        )
        self._decode = msgspec.json.Decoder(request).decode

    def parse(self, body: bytes, max_rows: int) -> tuple[dict[str, list], int] | None:
        """Return the checked values of a request by column, and the number of reasons that it asks for.

        Returns
        -------
        tuple or None
            None if `requests.parse_request` has to parse the request.
        """
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
        if any(
            next(column.invalid_values(table[column.name]), None) is not None for column in self._columns_with_format
        ):
            return None
        has_reasons = request.reasons is not msgspec.UNSET
        reason_count = request.reasons if has_reasons else 0
        if not 0 <= reason_count <= MAX_REASONS:
            return None
        has_unique_keys = self._has_expected_quotes(body, table, len(rows), 1 + has_reasons)
        return (table, reason_count) if has_unique_keys else None

    def _has_expected_quotes(self, body: bytes, table: dict[str, list], row_count: int, request_keys: int) -> bool:
        """Return whether the body has exactly two quotes for each expected key and text.

        This proves that no key occurs twice: a duplicate key, or a second list of rows, would add quotes.
        """
        null_count = sum(table[name].count(None) for name in self._nullable_text_names)
        key_count = request_keys + row_count * len(self._names)
        text_count = row_count * self._text_column_count - null_count
        quote_count = np.count_nonzero(np.frombuffer(body, np.uint8) == _QUOTE)
        return bool(quote_count == 2 * (key_count + text_count))


def _parser_type(column: Column) -> Any:
    """Return the type that msgspec decodes a column's values into."""
    json_type = column.kind.json_schema["type"]
    parser_type = _TYPES["integer of 32 bits" if "format" in column.kind.json_schema else json_type]
    return parser_type | None if column.nullable else parser_type
