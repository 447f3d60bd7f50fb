"""Columns of numbers, and places in dictionaries, from Arrow to NumPy, some rows at a time.

What a reader has made of some rows lies side by side in memory, so that it goes back to the system when all columns of
these rows are gone; column by column, all of it would stay until the last is made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa

from lib.data.dictionaries import levels

_BYTES_PER_RELEASE = 2**24


def empty(table: pa.Table, encoded: Collection[int] = ()) -> dict[int, np.ndarray]:
    """Arrays for the columns of numbers, by their places; whole numbers beside missing ones become decimals.

    Parameters
    ----------
    table : Table
    encoded : collection of int
        Places of columns that are dictionaries, the same in all their rows: of these, arrays for places in it.
    """
    arrays = {}
    for place, field in enumerate(table.schema):
        is_whole = pa.types.is_integer(field.type)
        if is_whole or pa.types.is_floating(field.type):
            kind = np.float64 if is_whole and table.column(place).null_count else field.type.to_pandas_dtype()
            arrays[place] = np.empty(len(table), dtype=kind)
        elif place in encoded:
            arrays[place] = np.empty(len(table), dtype=np.min_scalar_type(-max(1, len(levels(table.column(place))))))
    return arrays


def fill(arrays: Mapping[int, np.ndarray], batches: list[pa.RecordBatch]) -> None:
    """Copy rows into arrays; each batch has left the list, and is gone if nobody else holds it, before the next.

    Parameters
    ----------
    arrays : mapping of int to ndarray of shape (rows,)
        In the order of the batches' columns. A missing value becomes NaN, or -1 as a place in a dictionary.
    batches : list of RecordBatch
        All rows; empty afterwards.
    """
    start = copied = 0
    batches.reverse()
    while batches:
        batch = batches.pop()
        end = start + len(batch)
        for array, values in zip(arrays.values(), batch.columns, strict=True):
            if isinstance(values, pa.DictionaryArray):
                values = values.indices.fill_null(-1) if values.null_count else values.indices
            array[start:end] = values.to_numpy(zero_copy_only=False)
        copied += batch.nbytes
        start = end
        del batch, values
        if copied > _BYTES_PER_RELEASE:
            pa.default_memory_pool().release_unused()
            copied = 0
