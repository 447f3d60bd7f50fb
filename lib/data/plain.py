"""Columns of numbers, and places in dictionaries, from Arrow to NumPy, some rows at a time.

What a reader has made of some rows lies side by side in memory, so that it is free again when all columns of these
rows are gone; column by column, all of it would stay until the last is made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa

from lib.data.dictionaries import dictionary_values

_BYTES_PER_RELEASE = 2**24
# Rows to have memory for, beyond those that are expected; what is never written to takes none.
_SPARE_SHARE, _SPARE_ROWS = 1.05, 1_024


def is_number(kind: pa.DataType) -> bool:
    """Whether values of a type are numbers."""
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def ends(column: pa.ChunkedArray) -> tuple[float, float]:
    """Least and largest number of a column, in a fraction of Arrow's time; 0 where there is none."""
    present = [chunk.drop_null().to_numpy() for chunk in column.chunks if chunk.null_count < len(chunk)]
    least, most = [np.fmin.reduce(one) for one in present], [np.fmax.reduce(one) for one in present]
    return (float(np.fmin.reduce(least)), float(np.fmax.reduce(most))) if present else (0.0, 0.0)


class Gathered:
    """Rows as they come from a reader, which can make the next ones in the memory of these: numbers are copied."""

    def __init__(self) -> None:
        self._rows, self._capacity = 0, 0
        self._numbers: dict[str, np.ndarray] = {}
        self._present: dict[str, np.ndarray] = {}  # of columns with a missing number
        self._names: list[str] = []
        self._others: list[pa.Table] = []

    def add(self, rows: pa.Table, share: float) -> None:
        """Add rows of the same columns as all before.

        Parameters
        ----------
        rows : Table
        share : float
            Of all that will come, about what has come with these.
        """
        if not self._others:
            self._names = rows.column_names
            kinds = {field.name: field.type.to_pandas_dtype() for field in rows.schema if is_number(field.type)}
            self._numbers = {name: np.empty(0, dtype=kind) for name, kind in kinds.items()}
        start, self._rows = self._rows, self._rows + len(rows)
        if self._rows > self._capacity:
            self._capacity = int(self._rows / share * _SPARE_SHARE) + _SPARE_ROWS
            for arrays in (self._numbers, self._present):
                for name in arrays:  # one by one, so that no moment holds all twice
                    arrays[name] = self._grown(arrays[name][:start])
        for name, array in self._numbers.items():
            values = rows[name]
            if values.null_count and name not in self._present:
                self._present[name] = self._grown(np.ones(start, dtype=bool))
            if name in self._present:
                self._present[name][start : self._rows] = values.is_valid()
            if values.null_count:
                values = values.fill_null(np.nan if array.dtype.kind == "f" else 0)
            array[start : self._rows] = values
        self._others.append(rows.drop_columns(list(self._numbers)))

    def _grown(self, array: np.ndarray) -> np.ndarray:
        larger = np.empty(self._capacity, dtype=array.dtype)
        larger[: len(array)] = array
        return larger

    def table(self) -> pa.Table:
        """All rows; each column of numbers in one piece."""
        others = pa.concat_tables(self._others)
        columns = {}
        for name in self._names:
            if name not in self._numbers:
                columns[name] = others[name]
                continue
            present = self._present.get(name)
            columns[name] = arrow_array(
                self._numbers[name][: self._rows], None if present is None else present[: self._rows]
            )
        return pa.table(columns)


def arrow_array(numbers: np.ndarray, present: np.ndarray | None) -> pa.Array:
    """Column in Arrow of numbers that stay where they are.

    Parameters
    ----------
    numbers : ndarray of shape (rows,), contiguous
    present : ndarray of bool, of shape (rows,), or None
        Which of them are no missing ones; None: all.
    """
    bits = None
    if present is not None and not present.all():
        bits = pa.py_buffer(np.packbits(present, bitorder="little"))
    return pa.Array.from_buffers(pa.from_numpy_dtype(numbers.dtype), len(numbers), [bits, pa.py_buffer(numbers)])


def taken_over(table: pa.Table) -> dict[int, np.ndarray]:
    """Arrays in the very memory of columns of numbers, by their places, for who has the table alone.

    Of those that lie in one piece, and of whole numbers only where none is missing; a missing decimal becomes NaN.
    """
    arrays = {}
    for place, field in enumerate(table.schema):
        chunks = table.column(place).chunks
        if len(chunks) != 1 or not is_number(field.type) or pa.types.is_float16(field.type):
            continue
        (values,) = chunks
        memory = values.buffers()[1]
        if not memory.is_mutable or (values.null_count and pa.types.is_integer(field.type)):
            continue
        array = np.frombuffer(memory, field.type.to_pandas_dtype())[values.offset : values.offset + len(values)]
        if values.null_count:
            array[values.is_null()] = np.nan
        arrays[place] = array
    return arrays


def empty(table: pa.Table, without: Collection[int], encoded: Collection[int]) -> dict[int, np.ndarray]:
    """Arrays for the columns of numbers, by their places; whole numbers beside missing ones become decimals.

    Parameters
    ----------
    table : Table
    without : collection of int
        Places of columns that need none.
    encoded : collection of int
        Places of columns that are dictionaries, the same in all their rows: of these, arrays for places in it.
    """
    arrays = {}
    for place, field in enumerate(table.schema):
        if place in without:
            continue
        if is_number(field.type):
            is_whole = pa.types.is_integer(field.type)
            kind = np.float64 if is_whole and table.column(place).null_count else field.type.to_pandas_dtype()
            arrays[place] = np.empty(len(table), dtype=kind)
        elif place in encoded:
            arrays[place] = np.empty(
                len(table), dtype=np.min_scalar_type(-max(1, len(dictionary_values(table.column(place)))))
            )
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
