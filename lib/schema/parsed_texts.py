"""The result of parsing a text column by its schema."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa


class ParsedTexts(NamedTuple):
    """Values of a text column, converted to the type of the column's kind.

    Attributes
    ----------
    values : ChunkedArray of shape (rows,)
        Null where a value is missing or does not fit the schema.
    is_invalid : ChunkedArray of bool, of shape (rows,)
        Whether each value does not fit the schema.
    """

    values: pa.ChunkedArray
    is_invalid: pa.ChunkedArray
