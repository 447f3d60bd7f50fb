"""The request that is usual, read in one go: records, each with every column, in the columns' types.

A parser that knows the types makes no dictionaries and leaves hardly a value to be checked. It says less of a fault
than people need, though, and keeps the last of equal keys; so whatever it does not take, and whatever may hold a key
twice, is read again with care, by `lib.scoring.requests`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np

from lib.scoring.columns import Column

SHAPES = ("data", "dataframe_records")
QUOTE = ord('"')
TYPES = {
    "number": float,
    "integer": Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    "integer of 32 bits": Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)],
    "boolean": bool,
    "string": str,
}


class Records:
    """Reads records of some columns.

    Parameters
    ----------
    columns : sequence of Column
        Of the model.
    """

    def __init__(self, columns: Sequence[Column]):
        self._names = [column.name for column in columns]
        texts = [column for column in columns if column.kind.schema["type"] == "string"]
        # The parser has seen to all the types and ranges; of a text it knows nothing more.
        self._moments = [column for column in texts if "pattern" in column.kind.schema]
        self._texts, self._nullable_texts = len(texts), [column.name for column in texts if column.nullable]
        fields = [(f"column_{at}", _type(column)) for at, column in enumerate(columns)]
        names = dict(zip((name for name, _ in fields), self._names, strict=True))
        row = msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=True, gc=False)
        unset = (list[row] | msgspec.UnsetType, msgspec.UNSET)
        request = msgspec.defstruct("Request", [(one, *unset) for one in SHAPES], forbid_unknown_fields=True)
        self._decode = msgspec.json.Decoder(request).decode

    def read(self, body: bytes, most_rows: int) -> dict[str, list] | None:
        """Checked values by column, or None where the request has to be read with care."""
        if b"\\" in body or not body.isascii():
            return None
        try:
            found = self._decode(body)
        except (msgspec.DecodeError, RecursionError):
            return None
        rows = found.data if found.data is not msgspec.UNSET else found.dataframe_records
        if not rows or rows is msgspec.UNSET or len(rows) > most_rows:
            return None
        values = zip(*map(msgspec.structs.astuple, rows), strict=True)
        table = dict(zip(self._names, map(list, values), strict=True))
        if any(next(column.misfits(table[column.name]), None) is not None for column in self._moments):
            return None
        texts = len(rows) * self._texts - sum(table[name].count(None) for name in self._nullable_texts)
        # Without escapes a text has two quotes: a key that comes twice, or both shapes at once, has left some over.
        quotes = np.count_nonzero(np.frombuffer(body, np.uint8) == QUOTE)
        return table if quotes == 2 * (1 + len(rows) * len(self._names) + texts) else None


def _type(column: Column) -> object:
    said = column.kind.schema["type"]
    kind = TYPES["integer of 32 bits" if "format" in column.kind.schema else said]
    return kind | None if column.nullable else kind
