"""Texts that come again and again, kept once each: Arrow's dictionaries, in a fraction of the memory."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

ENCODED_TEXT = pa.dictionary(pa.int32(), pa.string())
_SAMPLE, _FEWEST_ENCODED, _ENCODED_SHARE = 20_000, 1_000, 0.5


def is_text(kind: pa.DataType) -> bool:
    """Whether values of a type are texts, each in full or as its place in a dictionary."""
    return pa.types.is_string(kind) or kind == ENCODED_TEXT


def is_repetitive(column: pa.Array | pa.ChunkedArray) -> bool:
    """Whether the first rows of a column have few different values, so that a dictionary of them is small."""
    some = column[:_SAMPLE]
    return len(some) >= _FEWEST_ENCODED and pc.count_distinct(some).as_py() <= _ENCODED_SHARE * len(some)


def dictionary_values(column: pa.ChunkedArray) -> pa.Array:
    """The texts of a dictionary that is the same in all chunks."""
    return column.chunk(0).dictionary if column.num_chunks else pa.array([], pa.string())
